"""Ranges that are moved to whole steps are one range, whoever moved them from where."""

import asyncio
import json
from typing import Any
from urllib.parse import quote

import orjson
from aiohttp import web

from proxy.config.schema import Delta
from proxy.dialects.range_query import MOST_STEPS
from tests.sources.loki_metrics import matrix, parse

from .stack import Ask, Stack, running

QUERY = 'sum by (level) (count_over_time({job="x"}[1m]))'
STEP_NS = 5_000_000_000
START_NS, END_NS = 1_700_000_000_000_000_000, 1_700_000_300_000_000_000


async def respond(request: web.Request, number: int) -> web.StreamResponse:
    result = matrix(parse(request.query["query"]), int(request.query["start"]), int(request.query["end"]), STEP_NS)
    data = {"resultType": "matrix", "result": result, "stats": {"number": number}}
    return web.Response(body=orjson.dumps({"status": "success", "data": data}), content_type="application/json")


def panel(off_ns: int) -> Ask:
    return Ask(
        path="/loki/api/v1/query_range",
        query=f"query={quote(QUERY)}&start={START_NS + off_ns}&end={END_NS + off_ns}&step=5s",
    )


def result(body: bytes) -> Any:
    return json.loads(body)["data"]["result"]


async def viewers(stack: Stack, *off_ns: int) -> list[Any]:
    """What they see who ask at the same time."""
    stack.source.gate.clear()
    before = len(stack.source.requests)
    tasks = [asyncio.create_task(stack.ask(panel(each))) for each in off_ns]
    await stack.source.has(before + 1)
    stack.source.gate.set()
    return [result((await task).body) for task in tasks]


async def test_viewers_who_do_not_align_make_one_request() -> None:
    async with running(type="loki", delta=Delta(enabled=True, align=True)) as stack:
        stack.source.respond = respond
        truth = matrix(parse(QUERY), START_NS, END_NS, STEP_NS)
        assert await viewers(stack, 0, 1, 999_999, 1_000_001, 4_999_999_999) == [truth] * 5
        assert len(stack.source.requests) == 1
        later = matrix(parse(QUERY), START_NS + STEP_NS, END_NS + STEP_NS, STEP_NS)
        assert await viewers(stack, STEP_NS, STEP_NS + 7, STEP_NS + 1_234_567) == [later] * 3
        assert len(stack.source.requests) == 2


async def test_the_aligned_range_ends_with_the_step_before_the_end() -> None:
    async with running(type="loki", delta=Delta(enabled=True, align=True)) as stack:
        stack.source.respond = respond
        await stack.ask(panel(4_999_999_999))
        (request,) = stack.source.requests
        assert (request.query["start"], request.query["end"]) == (str(START_NS), str(END_NS))


async def test_a_range_of_the_most_steps_is_not_made_longer_by_aligning_it() -> None:
    """From before one step to before another: whole steps have one more of them, which Loki refuses."""
    async with running(type="loki", delta=Delta(enabled=True, align=True)) as stack:

        async def strictly(request: web.Request, number: int) -> web.StreamResponse:
            steps = (int(request.query["end"]) - int(request.query["start"])) // STEP_NS
            return web.Response(status=400) if steps > MOST_STEPS else await respond(request, number)

        stack.source.respond = strictly
        start_ns, end_ns = START_NS + STEP_NS - 1, START_NS + (MOST_STEPS + 1) * STEP_NS
        query = f"query={quote(QUERY)}&start={start_ns}&end={end_ns}&step=5s"
        assert (await stack.ask(Ask(path="/loki/api/v1/query_range", query=query))).status == 200
