"""What somebody could see a moment ago: once Grafana would refuse it, no hit shows it.

Done behind Millpond's back it works within `permission_ttl`; done through it, at once.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.servers.grafana import sessions
from tests.servers.grafana.model import Flags, User
from tests.servers.grafana.server import basic, bearer, cookie
from tests.servers.grafana.world import World

from . import calls
from .stand import PERMISSION_SECONDS, Call, standing
from .steps import ADMIN, KINDS, Headers, answers, deny, is_as_grafanas, is_hit


def user(world: World, login: str) -> User:
    found = world.user(login)
    assert found is not None
    return found


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
