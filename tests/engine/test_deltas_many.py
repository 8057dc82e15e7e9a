"""Many viewers and one source: who waits for whom, what one who leaves takes with him, and what many write at once."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pytest
from aiohttp import web

from proxy.cache.memory import MemoryStore
from proxy.cache.store import ANY, Lookup, Version
from proxy.core.model import Entry, Key
from proxy.errors import UpstreamError

from .ranges import HOUR, STEP_MS, Asked, Board, View, dashboard, for_parts, parsed, truly
from .stack import UID, Answered, Clock
from .test_deltas_failures import breaks_off, status

MANY = 200
NEXT = HOUR.moved(STEP_MS)
GAP = (NEXT.end_ms, NEXT.end_ms)


async def warm(board: Board) -> None:
    """The hour is known, fifteen seconds more have gone by, and the source keeps what it is asked waiting."""
    await board.see(HOUR)
    board.stack.clock.seconds += STEP_MS / 1000
    board.took()
    board.stack.source.gate.clear()


def asked(board: Board, views: Iterable[View]) -> list[asyncio.Task[Answered]]:
    return [asyncio.ensure_future(board.stack.ask(view.ask)) for view in views]


async def answers(board: Board, tasks: list[asyncio.Task[Answered]], after: int) -> list[Answered]:
    """Theirs, once the source has been asked so often in all and whoever can wait does."""
    await board.stack.source.has(after)
    board.stack.source.gate.set()
    return await asyncio.gather(*tasks)


async def test_many_viewers_of_one_panel_are_one_request() -> None:
    async with dashboard() as board:
        await warm(board)
        views = [replace(NEXT, post=bool(number % 2)) for number in range(MANY)]
        replies = await answers(board, asked(board, views), 2)
        assert board.took() == [GAP]
        assert {reply.x_cache for reply in replies} == {"MISS"}
        assert {bytes(reply.body) for reply in replies} == {board.truth(NEXT)}
        assert sum("collapsed" in reply.cache_status for reply in replies) == MANY - 1
        assert all('detail="' in reply.cache_status and "stored" in reply.cache_status for reply in replies)
        assert await board.metric("coalesced_total", datasource_uid=UID) == MANY - 1
        assert (await board.see(NEXT)).x_cache == "HIT"


async def test_many_viewers_of_what_nobody_has_seen_are_one_request() -> None:
    async with dashboard() as board:
        board.stack.source.gate.clear()
        replies = await answers(board, asked(board, [HOUR] * MANY), 1)
        assert board.took() == [HOUR.span]
        assert {bytes(reply.body) for reply in replies} == {board.truth(HOUR)}
        assert sum("collapsed" in reply.cache_status for reply in replies) == MANY - 1


async def test_ranges_that_lack_the_same_part_share_its_request() -> None:
    async with dashboard() as board:
        await warm(board)
        views = [NEXT.over(NEXT.start_ms + number * STEP_MS, NEXT.end_ms) for number in range(50)]
        replies = await answers(board, asked(board, views), 2)
        assert board.took() == [GAP]
        for view, reply in zip(views, replies, strict=True):
            assert parsed(reply.body) == parsed(board.truth(view))
        for view in views:
            assert (await board.see(view)).x_cache == "HIT"


async def test_who_hangs_up_takes_nothing_from_the_others() -> None:
    async with dashboard(max_concurrent=1) as board:
        await warm(board)
        first, *others = asked(board, [NEXT] * 5 + [NEXT.over(HOUR.end_ms, NEXT.end_ms)] * 5)
        await board.stack.source.has(2)
        first.cancel()
        others[-1].cancel()
        board.stack.source.gate.set()
        *replies, left = await asyncio.gather(*others, return_exceptions=True)
        assert isinstance(left, asyncio.CancelledError)
        assert all(isinstance(reply, Answered) for reply in replies)
        assert board.took() == [GAP]


async def test_all_hang_up_and_the_part_is_kept() -> None:
    async with dashboard() as board:
        await warm(board)
        tasks = asked(board, [NEXT] * 3)
        await board.stack.source.has(2)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        board.stack.source.gate.set()
        await board.see(NEXT)
        assert board.took() == [GAP]


async def test_a_part_that_is_refused_to_many_is_asked_twice() -> None:
    async with dashboard() as board:
        await warm(board)
        board.source.answers = for_parts(status(422), status(422, "of the whole"))
        replies = await answers(board, asked(board, [NEXT] * MANY), 2)
        assert {(reply.status, bytes(reply.body)) for reply in replies} == {(422, b"of the whole")}
        assert board.took() == [GAP, NEXT.span]


async def test_a_part_that_breaks_off_fails_all_and_the_next_tries_again() -> None:
    async with dashboard() as board:
        await warm(board)
        board.source.answers = for_parts(breaks_off)
        tasks = asked(board, [NEXT] * 20)
        await board.stack.source.has(2)
        board.stack.source.gate.set()
        errors = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(error) for error in errors} == {UpstreamError}
        board.source.answers = truly
        await board.see(NEXT)


async def test_an_answer_for_one_alone_goes_to_one_alone() -> None:
    async with dashboard(max_concurrent=MANY) as board:
        numbers = iter(range(MANY))

        async def cookies(asked: Asked) -> web.StreamResponse:
            headers = {"Set-Cookie": f"session={next(numbers)}"}
            return web.Response(body=asked.body, content_type="application/json", headers=headers)

        board.source.answers = cookies
        board.stack.source.gate.clear()
        replies = await answers(board, asked(board, [HOUR] * 20), 1)
        assert len({reply.headers["Set-Cookie"] for reply in replies}) == 20
        assert board.took() == [HOUR.span] * 20


class Yielding(MemoryStore):
    """Lets others run before and after each call, as a store does that is asked over a network."""

    async def get(self, key: Key) -> Lookup:
        await asyncio.sleep(0)
        found = await super().get(key)
        await asyncio.sleep(0)
        return found

    async def get_many(self, keys: Sequence[Key]) -> Sequence[Lookup]:
        await asyncio.sleep(0)
        found = await super().get_many(keys)
        await asyncio.sleep(0)
        return found

    async def put(self, key: Key, entry: Entry, *, over: Version | None = ANY) -> bool:
        await asyncio.sleep(0)
        kept = await super().put(key, entry, over=over)
        await asyncio.sleep(0)
        return kept

    async def sweep(self, generations: Mapping[str, str]) -> bool:
        return await super().sweep(generations)


def yielding(clock: Clock) -> MemoryStore:
    return Yielding(max_size_bytes=2**24, max_value_bytes=2**20, clock=clock)


@pytest.mark.parametrize("writers", [2, 5, 25, 60])
async def test_of_what_many_write_at_once_nothing_is_lost(writers: int) -> None:
    """All of them add to one chunk, and each read it before any of them wrote."""
    async with dashboard(store=yielding, max_concurrent=writers) as board:
        short = HOUR.over(HOUR.start_ms, HOUR.start_ms + 2 * STEP_MS)
        views = [short.moved(3 * STEP_MS * number) for number in range(writers)]
        board.stack.source.gate.clear()
        replies = await answers(board, asked(board, views), writers)
        for view, reply in zip(views, replies, strict=True):
            assert parsed(reply.body) == parsed(board.truth(view))
        board.took()
        assert (await board.see(short.over(short.start_ms, views[-1].end_ms))).x_cache == "HIT"
        assert board.took() == []


async def test_an_answer_that_took_long_does_not_take_the_place_of_a_later_one() -> None:
    """Two overlapping ranges are asked for; the first answer was made before a sample came late, and arrives last."""
    async with dashboard(max_concurrent=2) as board:
        slow, quick = HOUR.over(HOUR.start_ms + STEP_MS, HOUR.end_ms), HOUR
        gate = asyncio.Event()

        async def answers(asked: Asked) -> web.StreamResponse:
            if asked.span == slow.span:
                await gate.wait()
            return await truly(asked)

        board.source.answers = answers
        (waiting,) = asked(board, [slow])
        await board.stack.source.has(1)
        made_early = board.truth(slow)
        board.stack.clock.seconds += 5
        board.source.series = [replace(each, floats=lambda time_ms: f"{time_ms}.5") for each in board.source.series]
        await board.see(quick)
        gate.set()
        assert parsed((await waiting).body) == parsed(made_early)
        for view in (quick, slow):
            assert (await board.see(view)).x_cache == "HIT"
