"""Login, logout, rotation, and what the caller is told about itself."""

from typing import Any
from urllib.parse import unquote

from aiohttp import web

from . import sessions
from .cookie_header import cookie
from .errors import Failure, failure, unauthorized
from .identity import user_of
from .model import Caller, Session
from .permissions import permissions_of, require
from .wire import answer, json_body, redirect, refusal, signed_in
from .world import World


def routes(world: World, prefix: str) -> list[web.RouteDef]:
    async def login(request: web.Request) -> web.StreamResponse:
        body = await json_body(request)
        if not isinstance(body, dict):
            raise failure(400, "bad login data")
        user = user_of(world, str(body.get("user")), str(body.get("password")))
        session = sessions.begin(world, user.id)
        wanted = _local(unquote(cookie(request, "redirect_to")), world.flags.sub_path)
        told = {"message": "Logged in", "redirectUrl": wanted or f"{world.flags.sub_path}/"}
        done = (
            (f"redirect_to=; Path={world.flags.sub_path or '/'}; Max-Age=0; HttpOnly; SameSite=Lax",) if wanted else ()
        )
        return answer(told, cookies=(*sessions.cookies(world, session), *done))

    async def logout(request: web.Request) -> web.StreamResponse:
        _end_session(world, request)
        return redirect(f"{world.flags.sub_path}/login", cookies=sessions.no_cookies(world))

    async def rotate(request: web.Request) -> web.StreamResponse:
        try:
            session = _rotated(world, request)
        except Failure as error:
            return refusal(error.body, error.status, sessions.no_cookies(world))
        return answer({}, cookies=sessions.cookies(world, session))

    async def rotate_and_return(request: web.Request) -> web.StreamResponse:
        try:
            session = _rotated(world, request)
        except Failure:
            return redirect(f"{world.flags.sub_path}/login", cookies=sessions.no_cookies(world))
        target = _local(request.query.get("redirectTo", ""), "") or "/"
        return redirect(f"{world.flags.sub_path}{target}", cookies=sessions.cookies(world, session))

    async def own_permissions(_: web.Request, caller: Caller) -> web.StreamResponse:
        _refuse_legacy(world)
        return answer(permissions_of(world, caller))

    async def own_actions(_: web.Request, caller: Caller) -> web.StreamResponse:
        _refuse_legacy(world)
        return answer(dict.fromkeys(permissions_of(world, caller), True))

    async def user(_: web.Request, caller: Caller) -> web.StreamResponse:
        _refuse_anonymous(world, caller)
        if caller.kind != "user":
            raise failure(404, "user not found")
        return answer(_profile(caller))

    async def org(_: web.Request, caller: Caller) -> web.StreamResponse:
        require(world, caller, "orgs:read")
        return answer({"id": caller.org_id, "name": caller.org_name, "address": _ADDRESS})

    async def own_orgs(_: web.Request, caller: Caller) -> web.StreamResponse:
        _refuse_anonymous(world, caller)
        roles = world.users[caller.id].roles if caller.kind == "user" else {}
        return answer(
            [{"orgId": org_id, "name": world.orgs[org_id], "role": roles[org_id]} for org_id in sorted(roles)]
        )

    async def use_org(request: web.Request, caller: Caller) -> web.StreamResponse:
        _refuse_anonymous(world, caller)
        org_id = request.match_info["org"]
        if caller.kind != "user" or int(org_id) not in world.users[caller.id].roles:
            raise failure(401, "Not a valid organization")
        world.users[caller.id].org_id = int(org_id)
        return answer({"message": "Active organization changed"})

    async def health(_: web.Request) -> web.StreamResponse:
        version = "8.5.27" if world.flags.edition == "legacy" else "13.0.1"
        response = web.json_response({"database": "ok", "version": version, "commit": "0000000"})
        response.headers["Content-Type"] = "application/json; charset=UTF-8"
        return response

    api = f"{prefix}/api"
    return [
        web.post(f"{prefix}/login", login),
        web.get(f"{prefix}/logout", logout),
        web.post(f"{api}/user/auth-tokens/rotate", rotate),
        web.get(f"{prefix}/user/auth-tokens/rotate", rotate_and_return),
        web.get(f"{api}/access-control/user/permissions", signed_in(world, own_permissions)),
        web.get(f"{api}/access-control/user/actions", signed_in(world, own_actions)),
        web.get(f"{api}/user", signed_in(world, user)),
        web.get(f"{api}/org", signed_in(world, org)),
        web.get(f"{api}/user/orgs", signed_in(world, own_orgs)),
        web.post(f"{api}/user/using/{{org:[0-9]+}}", signed_in(world, use_org)),
        web.get(f"{api}/health", health),
    ]


_ADDRESS = {"address1": "", "address2": "", "city": "", "zipCode": "", "state": "", "country": ""}


def _local(target: str, sub_path: str) -> str:
    """Where one may be sent: a path of this server; else empty."""
    return target if target.startswith(f"{sub_path}/") and not target.startswith(("//", "/\\")) else ""


def _refuse_anonymous(world: World, caller: Caller) -> None:
    if caller.kind == "anonymous":
        raise unauthorized(world.flags.rotation, "auth.unauthorized")


def _refuse_legacy(world: World) -> None:
    if world.flags.edition == "legacy":
        raise failure(404, "Not found")


def _profile(caller: Caller) -> dict[str, Any]:
    return {
        "id": caller.id,
        "uid": f"user{caller.id}",
        "email": f"{caller.login}@example.com",
        "name": caller.login,
        "login": caller.login,
        "theme": "",
        "orgId": caller.org_id,
        "isGrafanaAdmin": caller.is_grafana_admin,
        "isDisabled": False,
        "isExternal": False,
        "authLabels": [],
        "createdAt": "2026-01-01T00:00:00Z",
    }


def _rotated(world: World, request: web.Request) -> Session:
    if world.flags.rotation == "old":
        raise failure(404, "Not found")
    token = cookie(request, sessions.COOKIE)
    if not token:
        raise unauthorized("new", "auth.unauthorized")
    session = sessions.look_up(world, token)
    sessions.rotate(world, session)
    return session


def _end_session(world: World, request: web.Request) -> None:
    try:
        session = sessions.look_up(world, cookie(request, sessions.COOKIE))
    except Failure:
        return
    del world.sessions[session.id]
