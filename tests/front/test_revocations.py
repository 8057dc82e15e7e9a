"""What somebody could see a moment ago: once Grafana would refuse it, no hit shows it.

Done behind Millpond's back it works within `permission_ttl`, of data sources within a minute; done through it, at once.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from proxy.config.schema import Duration, LongTimeouts
from tests.servers.grafana import sessions
from tests.servers.grafana.model import DataSource, Flags, Permission, User
from tests.servers.grafana.server import basic, bearer, cookie
from tests.servers.grafana.world import World

from . import calls
from .stand import PERMISSION_SECONDS, Answer, Call, Handler, Stand, standing

Headers = Mapping[str, str]
ADMIN = basic("admin")
A_MINUTE = 60


def user(world: World, login: str) -> User:
    found = world.user(login)
    assert found is not None
    return found


def source(world: World, uid: str = "prom", org_id: int = 1) -> DataSource:
    found = world.source(org_id, uid=uid)
    assert found is not None
    return found


def deny(world: World, subject: str) -> None:
    world.permissions.append(
        Permission(given=False, subject=subject, org_id=1, action="datasources:query", scope="datasources:uid:prom")
    )


def session_of(login: str) -> Callable[[World], Headers]:
    return lambda world: cookie(sessions.begin(world, user(world, login).id).token)


def robot(world: World) -> Headers:
    return bearer(world.add_account("robot", 1, "Viewer").token)


def drop_accounts(world: World) -> None:
    world.accounts.clear()


def drop_user(world: World) -> None:
    del world.users[user(world, "viewer").id]


def revoke_sessions(world: World) -> None:
    for session in world.sessions.values():
        session.revoked = True


def as_viewer(_: World) -> Headers:
    return basic("viewer")


def leave_org(world: World) -> None:
    user(world, "viewer").roles.clear()


def lose_role(world: World) -> None:
    user(world, "viewer").roles[1] = "None"


def change_password(world: World) -> None:
    user(world, "viewer").password = "another"


def switch_org(world: World) -> None:
    user(world, "both").org_id = 2


def forbid_anonymous(world: World) -> None:
    world.flags.anonymous_org = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """From whom, and how. Grafana then refuses them, or answers them of another organisation."""

    name: str
    of: Callable[[World], Headers]
    effect: Callable[[World], object]
    flags: Flags = field(default_factory=Flags)


TAKEN = (
    Taken(name="membership", of=as_viewer, effect=leave_org),
    Taken(name="membership, in a session", of=session_of("viewer"), effect=leave_org),
    Taken(name="role", of=as_viewer, effect=lose_role),
    Taken(name="permission", of=as_viewer, effect=lambda world: deny(world, "user:viewer")),
    Taken(name="permission of the role", of=as_viewer, effect=lambda world: deny(world, "role:Viewer")),
    Taken(
        name="grant of the data source",
        of=as_viewer,
        effect=lambda world: deny(world, "user:viewer"),
        flags=Flags(edition="enterprise"),
    ),
    Taken(name="account", of=as_viewer, effect=drop_user),
    Taken(name="account, in a session", of=session_of("viewer"), effect=drop_user),
    Taken(name="password", of=as_viewer, effect=change_password),
    Taken(name="session", of=session_of("viewer"), effect=revoke_sessions),
    Taken(name="session, old manner", of=session_of("viewer"), effect=revoke_sessions, flags=Flags(rotation="old")),
    Taken(name="session that ended", of=session_of("viewer"), effect=lambda world: world.sessions.clear()),
    Taken(name="token", of=robot, effect=drop_accounts),
    Taken(name="permission of a token", of=robot, effect=lambda world: deny(world, "account:robot")),
    Taken(name="current organisation", of=session_of("both"), effect=switch_org),
    Taken(name="current organisation, by password", of=lambda _: basic("both"), effect=switch_org),
    Taken(
        name="membership, before there were permissions",
        of=session_of("viewer"),
        effect=leave_org,
        flags=Flags(edition="legacy", rotation="old"),
    ),
    Taken(name="anonymous access", of=lambda _: {}, effect=forbid_anonymous, flags=Flags(anonymous_org=1)),
)

KINDS = {
    "query": calls.asked("prom"),
    "query service": calls.asked_of_service("prom", "up"),
    "mixed query": calls.ds_query(calls.query("prom", ref_id="A"), calls.query("loki", ref_id="B", kind="loki")),
    "resource": calls.resource("prom", "up"),
    "resource by POST": calls.posted_resource("prom", "up"),
}


@pytest.mark.parametrize("taken", TAKEN, ids=lambda taken: taken.name)
async def test_taken_behind_millponds_back_it_works_within_the_permission_ttl(tmp_path: Path, taken: Taken) -> None:
    async with standing(tmp_path, taken.flags) as stand:
        who = taken.of(stand.world)
        await is_hit(stand, who)
        taken.effect(stand.world)
        stand.turn(PERMISSION_SECONDS)
        await is_as_grafanas(stand, who)


@pytest.mark.parametrize("call", KINDS.values(), ids=KINDS)
async def test_it_works_for_everything_that_is_cached(tmp_path: Path, call: Call) -> None:
    async with standing(tmp_path) as stand:
        await is_hit(stand, basic("viewer"), call)
        deny(stand.world, "user:viewer")
        stand.turn(PERMISSION_SECONDS)
        await is_as_grafanas(stand, basic("viewer"), call)


async def test_a_session_that_has_run_out_gets_no_hit(tmp_path: Path) -> None:
    async with standing(tmp_path, Flags(rotation="old")) as stand:
        who = session_of("viewer")(stand.world)
        await is_hit(stand, who)
        stand.turn(sessions.MAX_INACTIVE_S)
        await is_as_grafanas(stand, who)


# Through Millpond


CHANGES = (
    *("DELETE /api/org/users/3", "PATCH /api/org/users/3", "DELETE /api/orgs/1/users/3", "PATCH /api/orgs/1/users/3"),
    *("DELETE /api/admin/users/3", "POST /api/admin/users/3/disable", "POST /api/admin/users/3/logout"),
    *("POST /api/admin/users/3/revoke-auth-token", "PUT /api/admin/users/3/password", "PUT /api/users/3"),
    *("PUT /api/admin/users/3/permissions", "POST /api/user/revoke-auth-token", "PUT /api/user/password"),
    *("DELETE /api/serviceaccounts/5", "DELETE /api/serviceaccounts/5/tokens/1", "PATCH /api/serviceaccounts/5"),
    *("DELETE /api/auth/keys/1", "DELETE /api/teams/1/members/3", "PUT /api/teams/1/members", "DELETE /api/orgs/1"),
    *("POST /api/access-control/datasources/prom/users/3", "DELETE /api/access-control/users/3/roles/abc"),
    *("PUT /api/access-control/roles/abc", "DELETE /api/access-control/teams/1/roles/abc"),
    *("POST /api/datasources/1/permissions", "DELETE /api/datasources/uid/prom/permissions/4"),
    *("DELETE /scim/v2/Users/abc", "DELETE /apis/iam.grafana.app/v0alpha1/namespaces/default/users/abc"),
    *("PUT /api/v1/sso-settings/github", "POST /api/admin/provisioning/access-control/reload"),
)


@pytest.mark.parametrize("change", CHANGES)
async def test_taken_through_millpond_it_works_at_once(tmp_path: Path, change: str) -> None:
    async with standing(tmp_path) as stand:
        await is_hit(stand, basic("viewer"))
        method, _, path = change.partition(" ")
        answers(stand, path, lambda: leave_org(stand.world))
        assert (await stand.ask(Call(method=method, path=path), ADMIN)).status == 200
        await is_as_grafanas(stand, basic("viewer"))


async def test_after_log_out_there_is_no_hit(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        who = session_of("viewer")(stand.world)
        await is_hit(stand, who)
        assert (await stand.ask(Call(method="GET", path="/logout"), who)).status == 302
        assert (await is_as_grafanas(stand, who)).status == 401


async def test_after_log_out_past_millpond_there_is_none_within_the_permission_ttl(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        who = session_of("viewer")(stand.world)
        await is_hit(stand, who)
        await stand.behind(Call(method="GET", path="/logout"), who)
        stand.turn(PERMISSION_SECONDS)
        assert (await is_as_grafanas(stand, who)).status == 401


SWITCHES = {
    "api": Call(method="POST", path="/api/user/using/2"),
    "page": Call(method="GET", path="/d/abc/dashboard?orgId=2"),
    "any API": Call(method="GET", path="/api/search?query=&orgId=2"),
    "spelled otherwise": Call(method="GET", path="/d/abc/dashboard?org%49d=2"),
    "query": calls.asked("prom").but(path="/api/ds/query?orgId=2"),
    "resource": calls.resource("prom", "up").but(path="/api/datasources/uid/prom/resources/names?orgId=2"),
    "asset": Call(method="GET", path="/public/build/app.js?orgId=2"),
}


@pytest.mark.parametrize("switch", SWITCHES.values(), ids=SWITCHES)
@pytest.mark.parametrize("same_session", [True, False], ids=["same session", "another session"])
async def test_who_moves_to_another_organisation_sees_its_answers_at_once(
    tmp_path: Path, switch: Call, same_session: bool
) -> None:
    async with standing(tmp_path) as stand:
        who = session_of("both")(stand.world)
        mover = who if same_session else session_of("both")(stand.world)
        await is_hit(stand, who)
        await stand.ask(switch, mover)
        assert user(stand.world, "both").org_id == 2
        assert (await is_as_grafanas(stand, who)).row()["org"] == 2


# Data sources


def edit(world: World) -> None:
    source(world).url = "http://elsewhere"
    source(world).version += 1


def delete(world: World) -> None:
    del world.sources[source(world).id]


def replace(world: World) -> None:
    delete(world)
    world.add_source(1, "prom", "prometheus", name="another")


def forward_users(world: World) -> None:
    source(world).json_data = {"keepCookies": ["tenant"]}
    source(world).version += 1


@pytest.mark.parametrize("effect", [edit, delete, replace, forward_users], ids=lambda effect: effect.__name__)
@pytest.mark.parametrize("call", KINDS.values(), ids=KINDS)
async def test_a_data_source_changed_behind_millponds_back_is_noticed_within_a_minute(
    tmp_path: Path, effect: Callable[[World], None], call: Call
) -> None:
    async with standing(tmp_path) as stand:
        await is_hit(stand, basic("viewer"), call)
        effect(stand.world)
        stand.turn(A_MINUTE)
        await is_as_grafanas(stand, basic("viewer"), call)


def _put(stand: Stand, path: str) -> Call:
    changed = {"name": "prom", "type": "prometheus", "access": "proxy", "url": "http://elsewhere"}
    return calls.ds_query().but(method="PUT", path=path, body=str(changed).replace("'", '"').encode())


WRITES: Mapping[str, Callable[[Stand], Call]] = {
    "changed by uid": lambda stand: _put(stand, "/api/datasources/uid/prom"),
    "changed by id": lambda stand: _put(stand, f"/api/datasources/{source(stand.world).id}"),
    "changed by another spelling": lambda stand: _put(stand, "/api/datasources/uid/%70rom"),
    "changed, a slash at the end": lambda stand: _put(stand, "/api/datasources/uid/prom/"),
    "deleted by uid": lambda _: Call(method="DELETE", path="/api/datasources/uid/prom"),
    "deleted by id": lambda stand: Call(method="DELETE", path=f"/api/datasources/{source(stand.world).id}"),
    "deleted by name": lambda _: Call(method="DELETE", path="/api/datasources/name/prom"),
    "reloaded": lambda _: Call(method="POST", path="/api/admin/provisioning/datasources/reload"),
    "changed by the newer API": lambda _: Call(
        method="PATCH", path="/apis/prometheus.datasource.grafana.app/v0alpha1/namespaces/default/datasources/prom"
    ),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("call", [calls.asked("prom"), calls.resource("prom", "up")], ids=["query", "resource"])
async def test_a_data_source_changed_through_millpond_has_no_old_answers_from_then_on(
    tmp_path: Path, write: Callable[[Stand], Call], call: Call
) -> None:
    async with standing(tmp_path) as stand:
        await is_hit(stand, basic("viewer"), call)
        written = write(stand)
        stand.world.staged.append({"org": 1, "uid": "prom", "url": "http://elsewhere"})
        if written.path.startswith("/apis/") or written.path.endswith("/"):
            answers(stand, written.path, lambda: edit(stand.world))
        assert (await stand.ask(written, ADMIN)).status == 200
        await is_as_grafanas(stand, basic("viewer"), call)


async def test_a_secret_changed_through_millpond_moves_no_version_and_still_leaves_nothing(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        await is_hit(stand, basic("viewer"))
        answers(stand, "/api/datasources/uid/prom", lambda: None)
        await stand.ask(Call(method="PUT", path="/api/datasources/uid/prom"), ADMIN)
        stand.faults.clear()
        assert (await stand.ask(calls.asked("prom"), basic("viewer"))).x_cache == "MISS"


async def test_what_was_refused_changes_nothing(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        await is_hit(stand, basic("viewer"))
        write = Call(method="DELETE", path="/api/datasources/uid/prom")
        assert (await stand.ask(write, basic("viewer"))).status == 403
        assert (await stand.ask(calls.asked("prom"), basic("viewer"))).x_cache == "HIT"


# Grafana cannot say


async def _drop(request: web.Request, _: Handler) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    raise ConnectionResetError


def _says(
    status: int, body: str, content_type: str = "application/json"
) -> Callable[..., Awaitable[web.StreamResponse]]:
    async def say(_: web.Request, __: Handler) -> web.StreamResponse:
        return web.Response(status=status, text=body, content_type=content_type)

    return say


UNCLEAR = {
    "500": _says(500, '{"message":"boom"}'),
    "502 of a proxy": _says(502, "<html>Bad gateway</html>", "text/html"),
    "404 of a proxy": _says(404, "<html>Not found</html>", "text/html"),
    "404": _says(404, '{"message":"Not found"}'),
    "429": _says(429, "{}"),
    "401": _says(401, '{"message":"Unauthorized"}'),
    "redirect": _says(302, ""),
    "a page": _says(200, "<html>log in</html>", "text/html"),
    "nothing": _says(200, ""),
    "a list": _says(200, "[]"),
    "another shape": _says(200, '{"datasources:query":"datasources:*","id":"1"}'),
    "breaks off": _drop,
}
ASKED_OF_GRAFANA = ("/api/org", "/api/access-control/user/permissions")


@pytest.mark.parametrize("path", ASKED_OF_GRAFANA)
@pytest.mark.parametrize("fault", UNCLEAR.values(), ids=UNCLEAR)
async def test_where_grafana_does_not_say_who_asks_there_is_no_hit(
    tmp_path: Path, path: str, fault: Callable[..., Awaitable[web.StreamResponse]]
) -> None:
    async with standing(tmp_path) as stand:
        await is_hit(stand, basic("viewer"))
        stand.turn(PERMISSION_SECONDS)
        stand.faults[path] = fault
        assert (await is_as_grafanas(stand, basic("viewer"))).status == 200


async def test_where_grafana_is_slow_to_say_who_asks_there_is_no_hit(tmp_path: Path) -> None:
    async with patient(tmp_path) as stand:
        await is_hit(stand, basic("viewer"))
        stand.turn(PERMISSION_SECONDS)

        async def never(request: web.Request, handler: Handler) -> web.StreamResponse:
            async with stand.world.behind("never"):
                return await handler(request)

        stand.world.close_gate("never")
        stand.faults["/api/access-control/user/permissions"] = never
        try:
            assert (await stand.ask(calls.asked("prom"), basic("viewer"))).x_cache == "BYPASS"
        finally:
            stand.world.open_gate("never")


async def test_where_grafana_is_down_there_is_no_hit(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        await is_hit(stand, basic("viewer"))
        stand.turn(PERMISSION_SECONDS)
        for path in (*ASKED_OF_GRAFANA, "/api/ds/query"):
            stand.faults[path] = _drop
        answer = await stand.ask(calls.asked("prom"), basic("viewer"))
        assert (answer.status, answer.x_cache) == (502, "BYPASS")


@pytest.mark.parametrize("fault", UNCLEAR.values(), ids=UNCLEAR)
async def test_where_grafana_does_not_say_what_may_be_queried_nobody_who_may_not_gets_a_hit(
    tmp_path: Path, fault: Callable[..., Awaitable[web.StreamResponse]]
) -> None:
    async with standing(tmp_path) as stand:
        deny(stand.world, "user:viewer")
        await stand.ask(calls.asked("prom"), ADMIN)
        stand.faults["/api/access-control/user/permissions"] = fault
        assert (await is_as_grafanas(stand, basic("viewer"))).status == 403


# The steps


async def is_hit(stand: Stand, who: Headers, call: Call = KINDS["query"]) -> None:
    """Another caller has filled the cache, and this one is answered from it."""
    await stand.ask(call, ADMIN)
    answer = await stand.ask(call, who)
    assert (answer.status, answer.x_cache) == (200, "HIT")


async def is_as_grafanas(stand: Stand, who: Headers, call: Call = KINDS["query"]) -> Answer:
    """No hit, though what another caller has filled is there, and the oracle's answer."""
    expected = await stand.oracle(call, who)
    answer = await stand.ask(call, who)
    assert answer.x_cache != "HIT"
    assert answer.status == expected.status
    if answer.status == 200:
        names = ("org", "uid", "version")
        assert [calls.said(answer)[name] for name in names] == [calls.said(expected)[name] for name in names]
    return answer


def answers(stand: Stand, path: str, effect: Callable[[], object]) -> None:
    """A part of Grafana's API that the small one does not have."""

    async def carry_out(_: web.Request, __: Handler) -> web.StreamResponse:
        effect()
        return web.json_response({"message": "done"})

    stand.faults[path] = carry_out


@asynccontextmanager
async def patient(data_dir: Path) -> AsyncIterator[Stand]:
    """It waits a quarter of a second for what Grafana says."""
    async with standing(data_dir, timeouts=LongTimeouts(total_ms=Duration(250))) as stand:
        yield stand
