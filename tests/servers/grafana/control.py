"""What tests tell it and ask of it, below /-/test/: no credentials, no place in a real Grafana."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from aiohttp import web

from . import sessions
from .datasources_api import apply_provisioned
from .defaults import default_world
from .model import Flags, Permission, PublicDashboard
from .world import World


def routes(world: World) -> list[web.RouteDef]:
    orders = _orders(world)

    async def tell(request: web.Request) -> web.StreamResponse:
        order = orders[request.match_info["what"]]
        return web.json_response(order(await request.json()))

    async def ask(_: web.Request) -> web.StreamResponse:
        return web.json_response(_counts(world))

    async def requests(_: web.Request) -> web.StreamResponse:
        return web.json_response(list(world.requests))

    return [
        web.post("/-/test/{what}", tell),
        web.get("/-/test/counts", ask),
        web.get("/-/test/requests", requests),
    ]


def _counts(world: World) -> dict[str, Any]:
    return {
        "executions": world.executions,
        "resources": world.resources,
        "proxied": world.proxied,
        "waiting": {name: gate.waiting for name, gate in world.gates.items()},
        "requests": len(world.requests),
    }


def _orders(world: World) -> dict[str, Callable[[dict[str, Any]], Any]]:
    initial = replace(world.flags)

    def flags(body: dict[str, Any]) -> None:
        assert body.keys() <= {field.name for field in fields(Flags)}, body
        for name, value in body.items():
            setattr(world.flags, name, value)

    def turn_clock(body: dict[str, Any]) -> int:
        world.now_s += int(body["seconds"])
        return world.now_s

    def gate(body: dict[str, Any]) -> None:
        (world.open_gate if body["open"] else world.close_gate)(body["name"])

    def permission(body: dict[str, Any]) -> None:
        world.permissions.append(Permission(**body))

    def reset(_: dict[str, Any]) -> None:
        world.become(default_world(replace(initial), world.port))

    def add_org(body: dict[str, Any]) -> int:
        return world.add_org(body["name"])

    def add_user(body: dict[str, Any]) -> int:
        roles = {int(org): role for org, role in body["roles"].items()}
        return world.add_user(body["login"], body["password"], roles, is_admin=body["is_admin"]).id

    def add_account(body: dict[str, Any]) -> str:
        return world.add_account(body["name"], body["org_id"], body["role"]).token

    def remove_account(body: dict[str, Any]) -> None:
        del world.accounts[body["token"]]

    def add_source(body: dict[str, Any]) -> int:
        return world.add_source(body.pop("org_id"), body.pop("uid"), body.pop("type"), **body).id

    def set_role(body: dict[str, Any]) -> None:
        user = world.user(body["login"])
        assert user is not None, body
        if body["role"]:
            user.roles[body["org_id"]] = body["role"]
        else:
            user.roles.pop(body["org_id"], None)

    def revoke_sessions(body: dict[str, Any]) -> None:
        user = world.user(body["login"])
        assert user is not None, body
        for session in world.sessions.values():
            session.revoked = session.revoked or session.user_id == user.id

    def log_in(body: dict[str, Any]) -> str:
        user = world.user(body["login"])
        assert user is not None, body
        return sessions.begin(world, user.id).token

    def publish(body: dict[str, Any]) -> None:
        panels = {int(panel): targets for panel, targets in body.pop("panels").items()}
        world.public[body["token"]] = PublicDashboard(panels=panels, **body)

    def stage(body: dict[str, Any]) -> None:
        world.staged.append(body)

    def provision(body: dict[str, Any]) -> None:
        apply_provisioned(world, body)

    def canned(body: dict[str, Any]) -> None:
        world.canned[body["call"]] = body["status"]

    def forget(_: dict[str, Any]) -> None:
        for counter in (world.executions, world.resources, world.proxied, world.requests):
            counter.clear()

    return {
        "flags": flags,
        "clock": turn_clock,
        "gate": gate,
        "permission": permission,
        "reset": reset,
        "orgs": add_org,
        "users": add_user,
        "accounts": add_account,
        "remove-account": remove_account,
        "sources": add_source,
        "role": set_role,
        "revoke-sessions": revoke_sessions,
        "log-in": log_in,
        "public": publish,
        "stage": stage,
        "provision": provision,
        "canned": canned,
        "forget": forget,
    }
