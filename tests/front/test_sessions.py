"""Sessions are renewed through Millpond as by Grafana itself: the new cookie reaches its owner, and nobody else."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from aiohttp import web

from tests.servers.grafana import sessions
from tests.servers.grafana.model import Flags
from tests.servers.grafana.server import basic, cookie
from tests.servers.grafana.world import World

from . import calls
from .stand import PERMISSION_SECONDS, Answer, Handler, Stand, standing, until

OLD, NEW = Flags(rotation="old"), Flags(rotation="new")
ASKED = calls.asked("prom")


def log_in(world: World, login: str = "viewer") -> Mapping[str, str]:
    """A session that has been seen, and is not due for ten minutes."""
    found = world.user(login)
    assert found is not None
    session = sessions.begin(world, found.id)
    session.seen = True
    return cookie(session.token)


def token_of(answer: Answer) -> str:
    """The only new one."""
    (line,) = (line for line in answer.cookies if line.startswith("grafana_session="))
    return line.partition(";")[0].removeprefix("grafana_session=")


async def fill(stand: Stand) -> None:
    assert (await stand.ask(ASKED, basic("admin"))).x_cache == "MISS"


async def test_old_manner_a_hit_brings_the_new_cookie_and_both_work(tmp_path: Path) -> None:
    async with standing(tmp_path, OLD) as stand:
        old = log_in(stand.world)
        stand.turn(sessions.ROTATION_S)
        await fill(stand)
        answer = await stand.ask(ASKED, old)
        assert (answer.status, answer.x_cache) == (200, "HIT")
        new = cookie(token_of(answer))
        assert new != old
        for who in (new, old):
            answer = await stand.ask(ASKED, who)
            assert (answer.status, answer.x_cache, answer.cookies) == (200, "HIT", [])


async def test_old_manner_the_replaced_cookie_ends_with_the_next_renewal(tmp_path: Path) -> None:
    async with standing(tmp_path, OLD) as stand:
        first = log_in(stand.world)
        stand.turn(sessions.ROTATION_S)
        second = cookie(token_of(await stand.ask(ASKED, first)))
        assert (await stand.ask(ASKED, second)).status == 200
        stand.turn(sessions.ROTATION_S)
        await fill(stand)
        third = cookie(token_of(await stand.ask(ASKED, second)))
        await stand.ask(ASKED, third)
        stand.turn(PERMISSION_SECONDS)
        statuses = [(await stand.ask(ASKED, who)).status for who in (first, second, third)]
        assert (
            statuses == [(await stand.oracle(ASKED, who)).status for who in (first, second, third)] == [401, 200, 200]
        )


async def test_old_manner_a_cookie_that_came_with_the_answer_itself_is_not_stored(tmp_path: Path) -> None:
    """The permission is remembered, so the query is what renews the session."""
    async with standing(tmp_path, OLD) as stand:
        who = log_in(stand.world)
        stand.turn(sessions.ROTATION_S - 1)
        await stand.ask(calls.asked("prom", "another"), who)
        stand.turn(1)
        filling = await stand.ask(ASKED, who)
        assert (filling.x_cache, len(filling.cookies)) == ("MISS", 1)
        for other in (who, basic("editor"), log_in(stand.world, "editor")):
            answer = await stand.ask(ASKED, other)
            assert (answer.x_cache, answer.cookies) == ("HIT", [])


@pytest.mark.parametrize("path", ["/api/org", "/api/datasources/uid/prom", "/api/ds/query"])
async def test_old_manner_who_waits_for_anothers_answer_does_not_get_their_cookie(tmp_path: Path, path: str) -> None:
    async with standing(tmp_path, OLD) as stand:
        due, other = log_in(stand.world), basic("editor")
        stand.turn(sessions.ROTATION_S - 1)
        if path != "/api/org":  # the callers are remembered, so that a later question renews the session
            await asyncio.gather(*(stand.ask(calls.asked("mysql"), who) for who in (due, other)))
        if path == "/api/ds/query":  # and so is the data source
            await stand.ask(calls.asked("prom", "another"), due)
        stand.turn(1)

        async def slowly(request: web.Request, handler: Handler) -> web.StreamResponse:
            async with stand.world.behind("slow"):
                return await handler(request)

        stand.world.close_gate("slow")
        stand.faults[path] = slowly
        first = asyncio.ensure_future(stand.ask(ASKED, due))
        await until(lambda: stand.world.gates["slow"].waiting == 1)
        second = asyncio.ensure_future(stand.ask(ASKED, other))
        await until(lambda: _is_waiting(stand, path))
        stand.world.open_gate("slow")
        answers = await asyncio.gather(first, second)
        assert [each.status for each in answers] == [200, 200]
        assert token_of(answers[0])
        assert answers[1].cookies == []


async def test_new_manner_a_due_session_is_refused_renewed_and_works(tmp_path: Path) -> None:
    async with standing(tmp_path, NEW) as stand:
        old = log_in(stand.world)
        await fill(stand)
        assert (await stand.ask(ASKED, old)).x_cache == "HIT"
        stand.turn(sessions.ROTATION_S)
        await stand.ask(ASKED, basic("admin"))
        refused = await stand.ask(ASKED, old)
        assert (refused.status, refused.json) == (401, (await stand.oracle(ASKED, old)).json)
        renew = calls.ds_query().but(path="/api/user/auth-tokens/rotate")
        new = cookie(token_of(await stand.ask(renew, old)))
        for who in (new, old):
            answer = await stand.ask(ASKED, who)
            assert (answer.status, answer.x_cache) == (200, "HIT")
            assert (await stand.oracle(ASKED, who)).status == 200


async def test_new_manner_a_page_renews_by_the_way(tmp_path: Path) -> None:
    async with standing(tmp_path, NEW) as stand:
        old = log_in(stand.world)
        stand.turn(sessions.ROTATION_S)
        await fill(stand)
        assert (await stand.ask(ASKED, old)).status == 401
        page = ASKED.but(method="GET", path="/user/auth-tokens/rotate?redirectTo=%2Fd%2Fabc", body=b"", headers={})
        moved = await stand.ask(page, old)
        assert (moved.status, moved.headers["Location"]) == (302, "/d/abc")
        assert (await stand.ask(ASKED, cookie(token_of(moved)))).x_cache == "HIT"


def _is_waiting(stand: Stand, path: str) -> bool:
    """The second one has come so far, too: it waits for the first one's question, or at the gate for its own."""
    match path:
        case "/api/org":
            return stand.world.gates["slow"].waiting == 2
        case "/api/ds/query":
            return stand.coalesced == 1
        case _:
            return stand.waiting_for_a_source == 2
