"""Many callers miss together: one execution for all who may share it, and each is answered for himself."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from tests.servers.grafana.model import Flags

from . import calls
from .people import Identity, everybody
from .stand import Answer, Call, Handler, Stand, standing, until

SHARING = ("admin", "viewer", "editor", "session of viewer", "another session of viewer", "both in org 1", "robot")
OF_THE_OTHER = ("viewer2", "both in org 2", "robot2", "session of both in org 2")
REFUSED = (
    "denied",
    "wrong password",
    "no credentials",
    "stranger",
    "revoked session",
    "viewer in org 2",
    "robot-denied",
)
CROWD = (*SHARING * 4, *OF_THE_OTHER * 3, *REFUSED * 2)

ONE = calls.ds_query(calls.query("prom", gate="river"))
SEVERAL_FREE = calls.ds_query(calls.query("prom"), calls.query("prom", "down", ref_id="B"))
SEVERAL = calls.ds_query(calls.query("prom", gate="river"), calls.query("prom", "down", ref_id="B"))


@pytest.mark.parametrize("call", [ONE, SEVERAL], ids=["one unit", "several"])
@pytest.mark.parametrize("flags", [Flags(), Flags(rotation="old")], ids=["new manner", "old manner"])
async def test_a_crowd_of_mixed_identities(tmp_path: Path, call: Call, flags: Flags) -> None:
    async with standing(tmp_path, flags) as stand:
        people = {each.name: each for each in everybody(stand.world)}
        crowd = [people[name] for name in CROWD]
        assert len(crowd) > 50
        expected = {each.name: (await stand.oracle(call, each.headers)).status for each in crowd}
        stand.world.close_gate("river")
        asking = [asyncio.ensure_future(stand.ask(call, each.headers)) for each in crowd]
        waiting = 4 * len(SHARING) + 3 * len(OF_THE_OTHER) - 2
        await until(lambda: stand.coalesced == waiting)
        stand.world.open_gate("river")
        for who, answer in zip(crowd, await asyncio.gather(*asking), strict=True):
            assert answer.status == expected[who.name], who.name
            assert answer.cookies == []
            if answer.status == 200:
                assert answer.row()["org"] == (2 if who.name in OF_THE_OTHER else 1)
        assert [stand.executions("prom", org_id=org_id) for org_id in (1, 2)] == [1, 1]


async def test_who_is_refused_when_it_comes_to_it_is_refused_alone(tmp_path: Path) -> None:
    """The first asker's session ends after Grafana said that they may, and before it is asked for all."""
    async with standing(tmp_path) as stand:
        people = {each.name: each for each in everybody(stand.world)}
        first, others = people["session of viewer"], [people[name] for name in ("admin", "editor", "robot")]
        arrived = await _all_wait_for(stand, first, others, lambda: stand.world.sessions.clear())
        assert [answer.status for answer in arrived] == [401, 200, 200, 200]
        assert len({answer.row()["execution"] for answer in arrived[1:]}) == 3  # each went his own way
        assert (await stand.ask(calls.asked("prom"), others[0].headers)).x_cache == "MISS"
        assert (await stand.ask(calls.asked("prom"), others[0].headers)).x_cache == "HIT"


@pytest.mark.parametrize("call", [calls.asked("prom"), SEVERAL_FREE], ids=["one unit", "several"])
async def test_a_page_that_one_is_shown_instead_of_an_answer_is_his_alone(tmp_path: Path, call: Call) -> None:
    """A proxy before Grafana may ask for a log-in with status 200."""
    async with standing(tmp_path) as stand:
        people = {each.name: each for each in everybody(stand.world)}
        first, others = people["viewer"], [people["admin"], people["editor"]]

        async def logs_in(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.headers.get("Authorization") != first.headers["Authorization"]:
                return await handler(request)
            async with stand.world.behind("door"):
                return web.Response(text="<html>Log in, viewer</html>", content_type="text/html")

        stand.world.close_gate("door")
        stand.faults["/api/ds/query"] = logs_in
        asking = [asyncio.ensure_future(stand.ask(call, first.headers))]
        await until(lambda: stand.world.gates["door"].waiting == 1)
        asking += [asyncio.ensure_future(stand.ask(call, each.headers)) for each in others]
        await until(lambda: stand.coalesced == len(others))
        stand.world.open_gate("door")
        shown, *answered = await asyncio.gather(*asking)
        assert b"Log in, viewer" in shown.body
        assert [answer.row()["org"] for answer in answered] == [1, 1]


async def test_a_crowd_is_not_served_from_what_was_cleaned_while_it_waited(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        people = {each.name: each for each in everybody(stand.world)}
        stand.world.close_gate("river")
        waiting = [asyncio.ensure_future(stand.ask(ONE, people[name].headers)) for name in SHARING]
        await until(lambda: stand.coalesced == len(SHARING) - 1)
        clean = Call(method="POST", path="/api/datasources/prom/cache/clean")
        assert (await stand.ask(clean, people["admin"].headers)).status == 200
        stand.world.open_gate("river")
        await asyncio.gather(*waiting)
        answer = await stand.ask(ONE, people["viewer"].headers)
        assert (answer.x_cache, answer.row()["execution"]) == ("MISS", 2)


async def _all_wait_for(
    stand: Stand, first: Identity, others: list[Identity], meanwhile: Callable[[], None]
) -> list[Answer]:
    """The first one's query is held back until all the others wait for it."""

    async def held_back(request: web.Request, handler: Handler) -> web.StreamResponse:
        async with stand.world.behind("door"):
            return await handler(request)

    stand.world.close_gate("door")
    stand.faults["/api/ds/query"] = held_back
    asking = [asyncio.ensure_future(stand.ask(calls.asked("prom"), first.headers))]
    await until(lambda: stand.world.gates["door"].waiting == 1)
    asking += [asyncio.ensure_future(stand.ask(calls.asked("prom"), each.headers)) for each in others]
    await until(lambda: stand.coalesced == len(others))
    meanwhile()
    stand.world.open_gate("door")
    return await asyncio.gather(*asking)
