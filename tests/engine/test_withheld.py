"""VictoriaMetrics gives points younger than `-search.latencyOffset` the value of the last one before them, or none where
the range begins with them (adjustLastPoints): what it says of them is no part of another answer.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiohttp import web

from proxy.config.schema import Delta, Duration

from .stack import Ask, Stack, running

LATENCY_MS = 30_000
STEP_MS = 15_000


def said(start_ms: int, end_ms: int, now_ms: int) -> list[dict[str, Any]]:
    values: list[tuple[int, str]] = []
    for time_ms in range(start_ms, end_ms + 1, STEP_MS):
        if time_ms <= now_ms - LATENCY_MS:
            values.append((time_ms // 1000, str(time_ms)))
        elif values:
            values.append((time_ms // 1000, values[-1][1]))
    return [{"metric": {"__name__": "up"}, "values": values}] if values else []


@asynccontextmanager
async def victoriametrics(**delta: Any) -> AsyncIterator[Stack]:
    async with running(type="victoriametrics", delta=Delta(enabled=True, **delta)) as stack:

        async def respond(request: web.Request, number: int) -> web.StreamResponse:
            start_ms, end_ms = (round(float(request.query[name]) * 1000) for name in ("start", "end"))
            data = {"resultType": "matrix", "result": said(start_ms, end_ms, stack.clock.now_ms())}
            return web.Response(body=orjson.dumps({"status": "success", "data": data}), content_type="application/json")

        stack.source.respond = respond
        yield stack


async def see(stack: Stack, start_ms: int, end_ms: int) -> str:
    """Raises AssertionError where it is not what the source would say; else whether it was asked."""
    query = f"query=up&start={start_ms // 1000}&end={end_ms // 1000}&step={STEP_MS // 1000}"
    answered = await stack.ask(Ask(path="/api/v1/query_range", query=query))
    truth = said(start_ms, end_ms, stack.clock.now_ms())
    assert json.loads(answered.body)["data"]["result"] == json.loads(orjson.dumps(truth))
    return answered.x_cache


@pytest.mark.parametrize("every_s", [1, 5, 15, 40, 200])
@pytest.mark.parametrize("delta", [{}, {"freshness_ms": Duration(1000)}], ids=["usual", "short freshness"])
async def test_a_panel_that_follows_the_moment_is_the_sources(every_s: int, delta: dict[str, Any]) -> None:
    async with victoriametrics(**delta) as stack:
        for _ in range(60):
            now_ms = stack.clock.now_ms() // STEP_MS * STEP_MS
            for start_ms, end_ms in (
                (now_ms - 3_600_000, now_ms),
                (now_ms - 60_000, now_ms),
                (now_ms - 900_000, now_ms + 60_000),
            ):
                await see(stack, start_ms, end_ms)
            stack.clock.seconds += every_s


async def test_what_is_older_is_not_asked_again() -> None:
    async with victoriametrics() as stack:
        now_ms = stack.clock.now_ms()
        await see(stack, now_ms - 3_600_000, now_ms)
        stack.clock.seconds += 15
        await see(stack, now_ms - 3_600_000 + STEP_MS, now_ms + STEP_MS)
        assert [request.query["start"] for request in stack.source.requests][1:] == [f"{(now_ms - 60_000) // 1000}.000"]
        assert await see(stack, now_ms - 3_000_000, now_ms - 75_000) == "HIT"


async def test_a_range_of_nothing_else_is_asked_each_time() -> None:
    async with victoriametrics() as stack:
        now_ms = stack.clock.now_ms()
        for _ in range(2):
            assert await see(stack, now_ms - STEP_MS, now_ms) == "MISS"
