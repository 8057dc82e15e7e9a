"""What changes while points are known: the settings, and the data themselves."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from aiohttp import web

from proxy.config.schema import Delta, Duration
from proxy.engine import delta
from proxy.errors import UpstreamError

from .ranges import HOUR, HOUR_MS, STEP_MS, Asked, Board, Series, View, dashboard, for_parts, parsed, truly
from .stack import NOW_MS, TTL_MS, UID, Stack
from .test_deltas_failures import hangs_up, status

FRESHNESS_MS = 600_000
NEXT = HOUR.moved(STEP_MS)
GAP = (NEXT.end_ms, NEXT.end_ms)
SETTLED = HOUR.over(HOUR.start_ms, NOW_MS - FRESHNESS_MS)
YOUNG = HOUR.over(NOW_MS - FRESHNESS_MS + STEP_MS, NOW_MS)

Change = Callable[[Stack], Awaitable[object]]
CHANGES: dict[str, Change] = {
    "clean": lambda stack: stack.book.move_generation(),
    "clean of this source": lambda stack: stack.book.move_generation(UID),
    "disable": lambda stack: stack.book.set_enabled(UID, False),
}


async def test_a_ttl_that_is_shortened_bites_at_once() -> None:
    async with dashboard() as board:
        await board.see(HOUR)
        board.stack.clock.seconds += 6
        await board.stack.set_ttl(6_001)
        assert (await board.see(HOUR)).x_cache == "HIT"
        await board.stack.set_ttl(6_000)
        board.took()
        await board.see(HOUR)
        assert board.took() == [YOUNG.span]


async def test_a_ttl_that_is_lengthened_revives_nothing() -> None:
    async with dashboard() as board:
        await board.see(HOUR)
        board.stack.clock.seconds += TTL_MS / 1000
        await board.stack.set_ttl(10 * TTL_MS)
        board.took()
        await board.see(HOUR)
        assert board.took() == [YOUNG.span]


async def test_a_longer_ttl_holds_for_what_is_asked_under_it() -> None:
    async with dashboard() as board:
        await board.stack.set_ttl(5_000)
        await board.see(HOUR)
        await board.stack.set_ttl(TTL_MS)
        board.stack.clock.seconds += 4.999
        assert (await board.see(YOUNG)).x_cache == "HIT"
        board.stack.clock.seconds += 0.001
        assert (await board.see(YOUNG)).x_cache == "MISS"
        board.stack.clock.seconds += TTL_MS / 1000 - 0.001
        assert (await board.see(YOUNG)).x_cache == "HIT"


async def test_a_ttl_of_zero_reads_nothing_of_what_is_known() -> None:
    async with dashboard() as board:
        await board.see(HOUR)
        await board.stack.set_ttl(0)
        assert (await board.see(HOUR)).x_cache == "BYPASS"
        await board.stack.set_ttl(TTL_MS)
        assert (await board.see(HOUR)).x_cache == "HIT"


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_a_change_takes_all_points(change: Change) -> None:
    async with dashboard() as board:
        await board.see(HOUR)
        await change(board.stack)
        await board.stack.book.set_enabled(UID, True)
        board.took()
        await board.see(NEXT)
        assert board.took() == [NEXT.span]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize("shown", [NEXT, NEXT.moved(-5 * HOUR_MS)], ids=["a part", "the whole"])
async def test_what_was_asked_before_a_change_is_answered_and_not_kept(change: Change, shown: View) -> None:
    async with dashboard() as board:
        await board.see(HOUR)
        board.stack.clock.seconds += STEP_MS / 1000
        board.stack.source.gate.clear()
        old = asyncio.ensure_future(board.stack.ask(shown.ask))
        await board.stack.source.has(2)
        truth = board.truth(shown)
        await change(board.stack)
        new = asyncio.ensure_future(board.stack.ask(shown.ask))
        await board.stack.source.has(3)  # nobody joins what was asked before
        board.stack.source.gate.set()
        assert parsed((await old).body) == parsed(truth)
        assert "generation" in (await old).cache_status
        assert "stored" not in (await old).cache_status.split("detail")[0]
        assert parsed((await new).body) == parsed(truth)
        await board.stack.book.set_enabled(UID, True)
        board.took()
        await board.see(shown)
        assert board.took() == ([shown.span] if change is CHANGES["disable"] else [])


async def test_a_ttl_that_is_cut_while_a_part_is_in_flight_holds_for_it() -> None:
    async with dashboard() as board:
        await board.see(HOUR)
        board.stack.clock.seconds += STEP_MS / 1000
        board.stack.source.gate.clear()
        asking = asyncio.ensure_future(board.stack.ask(NEXT.ask))
        await board.stack.source.has(2)
        await board.stack.set_ttl(5_000)
        board.stack.source.gate.set()
        await asking
        newest = NEXT.over(NEXT.end_ms, NEXT.end_ms)
        board.stack.clock.seconds += 4.999
        assert (await board.see(newest)).x_cache == "HIT"
        await board.stack.set_ttl(TTL_MS)
        board.stack.clock.seconds += 0.001
        assert (await board.see(newest)).x_cache == "MISS"


async def test_the_age_of_a_point_counts_from_when_it_was_asked_not_from_when_it_came() -> None:
    async with dashboard() as board:
        board.stack.source.gate.clear()
        asking = asyncio.ensure_future(board.stack.ask(HOUR.ask))
        await board.stack.source.has(1)
        board.stack.clock.seconds += 10
        board.stack.source.gate.set()
        await asking
        board.stack.clock.seconds += TTL_MS / 1000 - 10.001
        assert (await board.see(YOUNG)).x_cache == "HIT"
        board.stack.clock.seconds += 0.001
        assert (await board.see(YOUNG)).x_cache == "MISS"


async def test_the_age_of_a_point_counts_while_an_answer_is_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    async with dashboard() as board:
        write: Callable[..., bytes] = delta._write

        def slowly(*arguments: object) -> bytes:
            board.stack.clock.seconds += 10
            return write(*arguments)

        await board.see(HOUR)
        board.stack.clock.seconds += STEP_MS / 1000
        monkeypatch.setattr(delta, "_write", slowly)
        await board.see(NEXT)
        monkeypatch.undo()
        newest = NEXT.over(NEXT.end_ms, NEXT.end_ms)
        board.stack.clock.seconds += TTL_MS / 1000 - 10.001
        assert (await board.see(newest)).x_cache == "HIT"
        board.stack.clock.seconds += 0.001
        assert (await board.see(newest)).x_cache == "MISS"


async def test_a_point_loses_no_more_of_its_age_than_a_millisecond_each_time_its_chunk_is_written() -> None:
    """Ages are whole milliseconds. Two hundred times, after odd times."""
    async with dashboard(delta=Delta(freshness_ms=Duration(10 * HOUR_MS))) as board:
        chunk_ms = (NOW_MS // STEP_MS // 256 - 1) * 256 * STEP_MS
        old = HOUR.over(chunk_ms, chunk_ms + STEP_MS)
        await board.see(old)
        for number in range(200):
            board.stack.clock.seconds += 0.0137
            beside_ms = chunk_ms + (number + 2) * STEP_MS
            await board.see(old.over(beside_ms, beside_ms))
        board.stack.clock.seconds = 1000 + TTL_MS / 1000 - 0.1
        assert (await board.see(old)).x_cache == "HIT"
        board.stack.clock.seconds = 1000 + TTL_MS / 1000 + 0.2
        assert (await board.see(old)).x_cache == "MISS"


def changed(board: Board, from_ms: int, to_ms: int) -> None:
    """At the source these points are others from now on."""

    def value(time_ms: int) -> str:
        return f"{time_ms}.5" if from_ms <= time_ms <= to_ms else str(time_ms)

    board.source.series = [replace(each, floats=value) for each in board.source.series]


async def test_a_sample_that_comes_late_is_seen_within_the_ttl() -> None:
    async with dashboard() as board:
        before = board.truth(HOUR)
        await board.see(HOUR)
        changed(board, NOW_MS - 60_000, NOW_MS)
        board.stack.clock.seconds += TTL_MS / 1000 - 0.001
        known = await board.stack.ask(HOUR.ask)
        assert (known.x_cache, parsed(known.body)) == ("HIT", parsed(before))
        board.stack.clock.seconds += 0.001
        await board.see(HOUR)


async def test_what_changes_beyond_the_window_is_seen_after_the_settled_ttl_or_a_clean() -> None:
    delta = Delta(settled_ttl_ms=Duration(2 * HOUR_MS))
    async with dashboard(delta=delta) as board:
        before = board.truth(SETTLED)
        await board.see(HOUR)
        board.source.series = [Series({"__name__": "up", "instance": "z"})]
        board.stack.clock.seconds += 2 * HOUR_MS / 1000 - 0.001
        known = await board.stack.ask(SETTLED.ask)
        assert (known.x_cache, parsed(known.body)) == ("HIT", parsed(before))
        board.stack.clock.seconds += 0.001
        await board.see(SETTLED)
        board.source.series = []
        await board.stack.book.move_generation(UID)
        await board.see(SETTLED)


async def test_a_part_of_a_series_that_was_deleted_is_not_glued_to_its_rest() -> None:
    """A young part that is asked again says what is so now, also that there is nothing."""
    async with dashboard() as board:
        await board.see(HOUR)
        gone = board.source.series[0]
        board.source.series = [
            replace(gone, floats=lambda time_ms: str(time_ms) if time_ms <= SETTLED.end_ms else None),
            *board.source.series[1:],
        ]
        board.stack.clock.seconds += TTL_MS / 1000
        await board.see(HOUR)
        assert (await board.see(YOUNG)).x_cache == "HIT"


async def test_a_wall_clock_that_is_set_forward_or_back_ages_nothing() -> None:
    async with dashboard() as board:
        await board.see(HOUR)
        for off_ms in (-HOUR_MS, HOUR_MS):
            board.stack.clock.wall_off_ms = off_ms
            assert (await board.see(SETTLED)).x_cache == "HIT"
        board.stack.clock.wall_off_ms = 0
        assert (await board.see(HOUR)).x_cache == "HIT"


@pytest.mark.parametrize("fails", [status(503), hangs_up])
async def test_stale_points_stand_in_for_a_source_that_fails(
    fails: Callable[..., Awaitable[web.StreamResponse]],
) -> None:
    async with dashboard(stale_if_error_ms=30_000) as board:
        await board.see(HOUR)
        board.source.answers = for_parts(fails, fails)
        board.stack.clock.seconds += TTL_MS / 1000 + 29.999
        stale = await board.see(HOUR)
        assert (stale.x_cache, stale.cache_status) == ("HIT", "millpond; hit; ttl=-30; detail=stale")
        assert stale.headers["Age"] == "89"
        board.stack.clock.seconds += 0.001
        board.source.answers = for_parts(status(503), status(503))
        assert (await board.stack.ask(HOUR.ask)).status == 503


async def test_stale_points_do_not_stand_in_for_points_that_nobody_knows() -> None:
    async with dashboard(stale_if_error_ms=30_000) as board:
        await board.see(HOUR)
        board.source.answers = for_parts(status(503), status(503))
        board.stack.clock.seconds += TTL_MS / 1000
        assert (await board.stack.ask(NEXT.ask)).status == 503


async def test_stale_points_are_shown_while_one_request_renews_them() -> None:
    async with dashboard(stale_while_revalidate_ms=30_000) as board:
        await board.see(HOUR)
        board.stack.clock.seconds += TTL_MS / 1000 + 1
        board.took()
        board.stack.source.gate.clear()
        replies = await asyncio.gather(*(board.see(HOUR) for _ in range(20)))  # nobody waits: the gate is shut
        assert {reply.cache_status for reply in replies} == {"millpond; hit; ttl=-1; detail=stale"}
        await board.stack.source.has(2)
        board.stack.source.gate.set()
        while "stale" in (await board.see(HOUR)).cache_status:
            await asyncio.sleep(0)
        assert board.took() == [YOUNG.span]


async def test_who_waits_for_another_gets_no_points_that_have_expired_meanwhile() -> None:
    """The first asks for one new point while the young ones are known, and waits long; the second knows them no more."""
    async with dashboard(max_concurrent=2) as board:
        await board.see(HOUR)
        board.stack.clock.seconds += TTL_MS / 1000 - 1
        board.stack.source.gate.clear()
        view = HOUR.moved(TTL_MS)
        first = asyncio.ensure_future(board.stack.ask(view.ask))
        await board.stack.source.has(2)
        board.stack.clock.seconds += 30
        changed(board, NOW_MS - 60_000, NOW_MS)
        second = asyncio.ensure_future(board.stack.ask(view.ask))
        await board.stack.source.has(3)
        board.stack.source.gate.set()
        await first
        assert parsed((await second).body) == parsed(board.truth(view))


async def test_who_waits_for_another_gets_no_older_points_than_he_knows() -> None:
    """Meanwhile a third has asked for the young points again, which the first knew from before."""
    async with dashboard(max_concurrent=2) as board:
        await board.see(HOUR)
        board.stack.clock.seconds += TTL_MS / 1000 - 1
        view, gate = HOUR.moved(TTL_MS), asyncio.Event()

        async def newest_late(asked: Asked) -> web.StreamResponse:
            if asked.end_ms == view.end_ms:
                await gate.wait()
            return await truly(asked)

        board.source.answers = newest_late
        first = asyncio.ensure_future(board.stack.ask(view.ask))
        await board.stack.source.has(2)
        board.stack.clock.seconds += 2
        changed(board, NOW_MS - 60_000, NOW_MS)
        await board.see(HOUR)
        second = asyncio.ensure_future(board.stack.ask(view.ask))
        while await board.metric("coalesced_total", datasource_uid=UID) < 1:
            await asyncio.sleep(0)
        gate.set()
        await first
        assert parsed((await second).body) == parsed(board.truth(view))


async def test_no_stale_points_where_a_clean_came_while_the_source_was_asked() -> None:
    async with dashboard(stale_if_error_ms=30_000) as board:
        await board.see(HOUR)
        board.stack.clock.seconds += TTL_MS / 1000
        board.stack.source.gate.clear()
        board.source.answers = hangs_up
        asked = len(board.stack.source.requests)
        asking = asyncio.ensure_future(board.stack.ask(HOUR.ask))
        await board.stack.source.has(asked + 1)
        await board.stack.book.move_generation(UID)
        board.stack.source.gate.set()
        with pytest.raises(UpstreamError):
            await asking
