"""Grafana that answers some things and not others: our own questions wait neither long nor in line behind others' calls."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from proxy.engine.front import sources
from tests.servers.grafana.server import basic

from .calls import asked
from .stand import PERMISSION_SECONDS, Handler, standing, until

VIEWER = basic("viewer")


@pytest.mark.parametrize(
    ("question", "x_cache"),
    [
        ("/api/org", "BYPASS"),
        ("/api/access-control/user/permissions", "BYPASS"),
        ("/api/datasources/uid/prom", "MISS"),  # the pages know it too
    ],
)
async def test_a_question_of_ours_that_hangs_is_given_up_and_the_call_passes(
    tmp_path: Path, question: str, x_cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = asyncio.Event()

    async def hangs(request: web.Request, handler: Handler) -> web.StreamResponse:
        await never.wait()
        return web.Response()

    monkeypatch.setattr(sources, "_ASKED_MS", 1000)
    async with standing(tmp_path) as stand:
        stand.faults[question] = hangs
        answer = await stand.ask(asked("prom"), VIEWER)
        never.set()
        assert (answer.status, answer.x_cache) == (200, x_cache)


async def test_calls_that_hang_keep_no_question_waiting_nor_a_hit(tmp_path: Path) -> None:
    hanging = 0
    opened = asyncio.Event()

    async def hangs(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal hanging
        hanging += 1
        await opened.wait()
        return await handler(request)

    async with standing(tmp_path, max_concurrent=1) as stand:
        assert (await stand.ask(asked("prom"), VIEWER)).x_cache == "MISS"
        stand.faults["/api/ds/query"] = hangs
        slow = asyncio.ensure_future(stand.ask(asked("prom", "slow"), VIEWER))
        await until(lambda: hanging == 1)
        stand.turn(PERMISSION_SECONDS)
        assert (await stand.ask(asked("prom"), VIEWER)).x_cache == "HIT"
        opened.set()
        assert (await slow).x_cache == "MISS"
