"""Many clients and one source: who waits for whom, what a client that leaves takes with it, and what a change of the
settings does to a fetch in flight.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from proxy.errors import UpstreamError

from .stack import SUCCESS, UID, Answered, Stack, running, success

MANY = 200


def asked(stack: Stack, count: int) -> list[asyncio.Task[Answered]]:
    return [asyncio.ensure_future(stack.ask()) for _ in range(count)]


async def test_identical_misses_are_one_request() -> None:
    async with running() as stack:
        stack.source.gate.clear()
        tasks = asked(stack, MANY)
        await stack.source.has(1)
        stack.source.gate.set()
        answers = await asyncio.gather(*tasks)
        assert len(stack.source.requests) == 1
        assert len({answer.body for answer in answers}) == 1
        assert {answer.x_cache for answer in answers} == {"MISS"}
        assert sum("collapsed" in answer.cache_status for answer in answers) == MANY - 1
        exposed = await asyncio.to_thread(stack.metrics.exposition)
        assert f'millpond_coalesced_total{{datasource_uid="{UID}"}} {MANY - 1}' in exposed.decode()


async def test_the_first_client_leaves_and_the_others_get_the_answer() -> None:
    async with running() as stack:
        stack.source.gate.clear()
        first, *others = asked(stack, 5)
        await stack.source.has(1)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        stack.source.gate.set()
        assert {answer.status for answer in await asyncio.gather(*others)} == {200}
        assert (await stack.ask()).x_cache == "HIT"
        assert len(stack.source.requests) == 1


async def test_all_clients_leave_and_the_answer_is_kept() -> None:
    async with running(max_concurrent=1) as stack:
        stack.source.gate.clear()
        tasks = asked(stack, 3)
        await stack.source.has(1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        stack.source.gate.set()
        assert (await stack.ask()).x_cache in ("HIT", "MISS")  # joined the fetch, or found what it brought
        assert len(stack.source.requests) == 1
        assert len(stack.pipeline._flights) == 0


@pytest.mark.parametrize(
    "header", [{"Set-Cookie": "session=1"}, {"Cache-Control": "no-store"}], ids=["cookie", "no-store"]
)
async def test_waiters_for_an_answer_that_cannot_be_shared_go_side_by_side(header: dict[str, str]) -> None:
    async def respond(request: web.Request, number: int) -> web.StreamResponse:
        return web.Response(body=SUCCESS, content_type="application/json", headers=header)

    async with running(max_concurrent=MANY) as stack:
        stack.source.respond = respond
        stack.source.gate.clear()
        tasks = asked(stack, MANY)
        await stack.source.has(1)
        stack.source.gate.set()
        answers = await asyncio.gather(*tasks)
        assert {answer.status for answer in answers} == {200}
        assert len(stack.source.requests) == MANY
        stack.source.gate.clear()
        again = asked(stack, 20)  # remembered: nobody waits for anybody
        await stack.source.has(MANY + 20)
        assert stack.source.at_once >= 20
        stack.source.gate.set()
        assert {answer.cache_status.rpartition("=")[2] for answer in await asyncio.gather(*again)} == {"remembered"}


async def test_a_cookie_goes_to_the_client_whose_request_brought_it_alone() -> None:
    async def respond(request: web.Request, number: int) -> web.StreamResponse:
        return web.Response(status=503, headers={"Set-Cookie": f"session={number}"})

    async with running() as stack:
        stack.source.respond = respond
        stack.source.gate.clear()
        tasks = asked(stack, 5)
        await stack.source.has(1)
        stack.source.gate.set()
        answers = await asyncio.gather(*tasks)
        cookies = [answer.headers["Set-Cookie"] for answer in answers if "Set-Cookie" in answer.headers]
        assert len(cookies) == len(set(cookies)) == len(stack.source.requests)


async def test_what_was_remembered_as_uncacheable_is_tried_again_after_a_while() -> None:
    async def respond(request: web.Request, number: int) -> web.StreamResponse:
        return web.Response(body=SUCCESS, headers={"Cache-Control": "no-store"})

    async with running() as stack:
        stack.source.respond = respond
        await stack.ask()
        stack.source.respond = success
        assert [(await stack.ask()).x_cache for _ in "12"] == ["MISS", "MISS"]
        stack.clock.seconds += 61
        assert [(await stack.ask()).x_cache for _ in "12"] == ["MISS", "HIT"]


async def breaks_off(request: web.Request, number: int) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(SUCCESS[:5])
    assert request.transport is not None
    request.transport.abort()
    return response


async def hangs_up(request: web.Request, number: int) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@pytest.mark.parametrize("respond", [breaks_off, hangs_up])
async def test_a_failure_is_everybodys_and_the_next_tries_again(
    respond: Callable[[web.Request, int], Awaitable[web.StreamResponse]],
) -> None:
    async with running() as stack:
        stack.source.respond = respond
        stack.source.gate.clear()
        tasks = asked(stack, 20)
        await stack.source.has(1)
        stack.source.gate.set()
        errors = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(error) for error in errors} == {UpstreamError}
        assert len(stack.source.requests) <= 2  # the second only where the first connection died without a byte
        stack.source.respond = success
        assert (await stack.ask()).x_cache == "MISS"


CHANGES: dict[str, Callable[[Stack], Awaitable[object]]] = {
    "clean": lambda stack: stack.book.move_generation(),
    "clean of this source": lambda stack: stack.book.move_generation(UID),
    "disable": lambda stack: stack.book.set_enabled(UID, False),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_a_fetch_that_began_before_a_change_stores_nothing(change: Callable[[Stack], Awaitable[object]]) -> None:
    async with running() as stack:
        stack.source.gate.clear()
        old = asyncio.ensure_future(stack.ask())
        await stack.source.has(1)
        await change(stack)
        new = asyncio.ensure_future(stack.ask())
        await stack.source.has(2)  # nobody joins the old fetch
        stack.source.gate.set()
        assert (await old).cache_status.endswith("detail=generation")
        assert (await new).body.endswith(b'"number":2}')
        await stack.book.set_enabled(UID, True)
        assert (await stack.ask()).body.endswith((b'"number":2}', b'"number":3}'))


async def test_a_ttl_that_is_cut_while_a_fetch_is_in_flight_holds_for_it() -> None:
    async with running() as stack:
        stack.source.gate.clear()
        fetch = asyncio.ensure_future(stack.ask())
        await stack.source.has(1)
        await stack.set_ttl(5_000)
        stack.source.gate.set()
        await fetch
        stack.clock.seconds += 4
        assert (await stack.ask()).x_cache == "HIT"
        stack.clock.seconds += 1
        assert (await stack.ask()).x_cache == "MISS"


async def test_a_stale_answer_is_served_while_one_fetch_renews_it() -> None:
    async with running(stale_while_revalidate_ms=30_000) as stack:
        first = await stack.ask()
        stack.clock.seconds += 61
        stack.source.gate.clear()
        stale = await asyncio.gather(*asked(stack, 20))  # nobody waits: the gate is shut
        assert {(answer.x_cache, answer.body) for answer in stale} == {("HIT", first.body)}
        assert {answer.cache_status for answer in stale} == {"millpond; hit; ttl=-1; detail=stale"}
        await stack.source.has(2)
        stack.source.gate.set()
        while (answer := await stack.ask()).body == first.body:
            await asyncio.sleep(0)
        assert (answer.x_cache, len(stack.source.requests)) == ("HIT", 2)


@pytest.mark.parametrize("status", [500, 503])
async def test_a_stale_answer_stands_in_for_a_source_that_fails(status: int) -> None:
    async def respond(request: web.Request, number: int) -> web.StreamResponse:
        return web.Response(status=status)

    async with running(stale_if_error_ms=30_000) as stack:
        first = await stack.ask()
        for fails in (respond, breaks_off, hangs_up):
            stack.source.respond = fails
            stack.clock.seconds = 1000 + 61
            stale = await stack.ask()
            assert (stale.x_cache, stale.body, stale.headers["Age"]) == ("HIT", first.body, "61")
            assert "detail=stale" in stale.cache_status
        stack.clock.seconds = 1000 + 91
        stack.source.respond = respond
        assert (await stack.ask()).status == status


async def test_no_stale_answer_after_a_clean() -> None:
    async with running(stale_if_error_ms=30_000, stale_while_revalidate_ms=30_000) as stack:
        await stack.ask()
        stack.clock.seconds += 61
        await stack.book.move_generation()
        stack.source.respond = hangs_up
        with pytest.raises(UpstreamError):
            await stack.ask()


async def test_no_stale_answer_where_a_clean_came_while_the_source_was_asked() -> None:
    async with running(stale_if_error_ms=30_000) as stack:
        await stack.ask()
        stack.clock.seconds += 61
        stack.source.gate.clear()
        stack.source.respond = hangs_up
        asking = asyncio.ensure_future(stack.ask())
        await stack.source.has(2)
        await stack.book.move_generation()
        stack.source.gate.set()
        with pytest.raises(UpstreamError):
            await asking
