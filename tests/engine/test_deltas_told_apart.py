"""Which queries share points, and which are left to the source as they are: parameters, steps, phases, ranges; and what is
kept for clients that do not align theirs.
"""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from proxy.cache.memory import MemoryStore

from .ranges import HOUR, HOUR_MS, PATH, STEP_MS, Board, View, dashboard, parsed
from .stack import NOW_MS, Ask

ZOOM = HOUR.over(HOUR.start_ms + STEP_MS, HOUR.end_ms)
NEXT = HOUR.moved(STEP_MS)

APART = [
    {"lookback_delta": "1m"},
    {"dedup": "true"},
    {"partial_response": "true"},
    {"partial_response": "false"},
    {"max_source_resolution": "5m"},
    {"max_source_resolution": "auto"},
    {"engine": "thanos"},
    {"replicaLabels[]": "replica"},
]


def named(more: Mapping[str, str]) -> str:
    return "&".join(f"{name}={value}" for name, value in more.items())


@pytest.mark.parametrize("more", APART, ids=named)
async def test_a_parameter_that_acts_on_each_point_has_points_of_its_own(more: dict[str, str]) -> None:
    async with dashboard() as board:
        with_it = replace(HOUR, more=more)
        for one, other in ((HOUR, with_it), (with_it, HOUR)):
            await board.stack.book.move_generation()
            await board.see(one)
            board.took()
            await board.see(replace(other, start_ms=ZOOM.start_ms))
            assert board.took() == [ZOOM.span]
            assert (await board.see(replace(one, start_ms=ZOOM.start_ms))).x_cache == "HIT"
            other_value = replace(with_it, more=dict.fromkeys(more, "other"))
            if "dedup" not in more:  # which is not sliced unless it is true
                assert (await board.see(other_value)).x_cache == "MISS"


UNSLICED = [
    {"limit": "1"},
    {"limit": "0"},
    {"stats": "all"},
    {"stats": ""},
    {"dedup": "false"},
    {"storeMatch[]": '{a="b"}'},
    {"explain": "true"},
    {"analyze": "true"},
    {"time": "1"},
    {"x": "1"},
    {"Limit": "1"},
    {"_": "1"},
]


@pytest.mark.parametrize("more", UNSLICED, ids=named)
async def test_a_parameter_that_acts_on_the_whole_or_is_not_known_is_asked_as_it_is(more: dict[str, str]) -> None:
    async with dashboard() as board:
        with_it = replace(HOUR, more=more)
        await board.see(HOUR)
        for x_cache in ("MISS", "HIT"):
            assert (await board.see(with_it)).x_cache == x_cache
        await board.see(with_it.over(*ZOOM.span))
        board.stack.clock.seconds += STEP_MS / 1000
        await board.see(with_it.over(*NEXT.span))
        assert board.took() == [HOUR.span, HOUR.span, ZOOM.span, NEXT.span]
        assert all(f"{name}=" in each.request.query_string for each in board.source.asked for name in more)


async def test_the_timeout_is_no_part_of_the_question_and_is_passed_on() -> None:
    async with dashboard() as board:
        await board.see(replace(HOUR, more={"timeout": "10s"}))
        assert (await board.see(replace(HOUR, more={"timeout": "20s"}))).x_cache == "HIT"
        board.stack.clock.seconds += STEP_MS / 1000
        await board.see(replace(NEXT, more={"timeout": "30s"}))
        assert [asked.request.query["timeout"] for asked in board.source.asked] == ["10s", "30s"]


@pytest.mark.parametrize(
    "query", ["up @ start()", "up offset -5m", "limitk(1, up)", "up @ 1795391990", "no_such(up)", "(up"]
)
async def test_an_expression_that_may_not_be_sliced_is_asked_as_it_is(query: str) -> None:
    async with dashboard() as board:
        view = replace(HOUR, query=query)
        assert [(await board.see(view)).x_cache for _ in "12"] == ["MISS", "HIT"]
        await board.see(view.over(*ZOOM.span))
        assert board.took() == [HOUR.span, ZOOM.span]


@pytest.mark.parametrize("step_ms", [1, 500, 1500, 2500, 7001, 86_400_000])
@pytest.mark.parametrize("post", [False, True])
async def test_steps_of_any_length(step_ms: int, post: bool) -> None:
    async with dashboard() as board:
        end_ms = NOW_MS // step_ms * step_ms
        view = View(start_ms=end_ms - 300 * step_ms, end_ms=end_ms, step_ms=step_ms, post=post)
        await board.see(view)
        pan = view.moved(-10 * step_ms)
        await board.see(pan)
        assert board.took() == [view.span, (pan.start_ms, view.start_ms - step_ms)]
        for ends_ms in (0, 1, step_ms - 1):
            part = view.over(view.start_ms + 3 * step_ms, view.end_ms - 5 * step_ms + ends_ms)
            assert (await board.see(part)).x_cache == "HIT"


@pytest.mark.parametrize("step", ["1.5", "1500ms", "1s500ms", "1.500"])
async def test_a_step_may_be_written_in_many_ways(step: str) -> None:
    async with dashboard() as board:
        view = View(start_ms=NOW_MS - 300_000, step_ms=1500)
        await board.see(view)
        written_so = f"query=up&start={view.start_ms / 1000}&end={view.end_ms / 1000:.3f}&step={step}"
        answered = await board.stack.ask(Ask(path=PATH, query=written_so))
        assert (answered.x_cache, parsed(answered.body)) == ("HIT", parsed(board.truth(view)))


async def test_times_may_be_written_in_many_ways() -> None:
    async with dashboard() as board:
        view = View(start_ms=NOW_MS - 300_000, end_ms=NOW_MS, step_ms=STEP_MS)
        await board.see(view)
        for start, end in (
            ("1795391700", "1795392000"),
            ("1795391700.000", "1795392000.0001"),
            ("2026-11-22T23:55:00Z", "2026-11-23T01:00:00%2B01:00"),
        ):
            answered = await board.stack.ask(Ask(path=PATH, query=f"query=up&start={start}&end={end}&step=15"))
            assert (answered.x_cache, parsed(answered.body)) == ("HIT", parsed(board.truth(view)))
        assert board.took() == [view.span]


async def test_eleven_thousand_steps_are_the_most() -> None:
    async with dashboard() as board:
        most = View(start_ms=NOW_MS - 11_000 * STEP_MS, end_ms=NOW_MS)
        await board.see(most)
        assert (await board.see(most.over(most.start_ms + STEP_MS, most.end_ms))).x_cache == "HIT"
        one_more = most.over(most.start_ms - STEP_MS, most.end_ms)
        assert (await board.stack.ask(one_more.ask)).status == 400
        assert board.took() == [most.span, one_more.span]


async def test_an_end_before_the_start_is_refused_by_the_source() -> None:
    async with dashboard() as board:
        await board.see(HOUR)
        turned = HOUR.over(HOUR.end_ms, HOUR.start_ms)
        assert [(await board.stack.ask(turned.ask)).status for _ in "12"] == [400, 400]
        assert board.took() == [HOUR.span, turned.span, turned.span]


async def test_too_many_points_are_not_made_of_parts_that_are_known() -> None:
    """Two ranges that are known make one that the source would refuse."""
    async with dashboard() as board:
        half = View(start_ms=NOW_MS - 6_000 * STEP_MS, end_ms=NOW_MS)
        await board.see(half)
        await board.see(half.moved(-6_000 * STEP_MS))
        board.took()
        whole = half.over(half.start_ms - 6_000 * STEP_MS, half.end_ms)
        assert (await board.stack.ask(whole.ask)).status == 400
        assert board.took() == [whole.span]


def stored(board: Board) -> int:
    assert isinstance(board.stack.store, MemoryStore)
    return len(board.stack.store)


async def test_a_thousand_phases_leave_no_chunk() -> None:
    """One entry each, under the request's own key, and it is used when just this is asked again."""
    async with dashboard() as board:
        short = View(start_ms=NOW_MS - 60_000, end_ms=NOW_MS)
        for phase_ms in range(1, 1001):
            await board.see(short.moved(phase_ms))
            assert stored(board) == phase_ms
        assert len(board.took()) == 1000
        assert (await board.see(short.moved(1000))).x_cache == "HIT"
        assert (await board.see(short.moved(500))).x_cache == "HIT"
        assert board.took() == []


@pytest.mark.parametrize("step_ms", [15_000, 1500, 2500, 7000])
async def test_a_phase_that_is_seen_twice_is_used(step_ms: int) -> None:
    async with dashboard() as board:
        end_ms = NOW_MS // step_ms * step_ms + 123
        view = View(start_ms=end_ms - 200 * step_ms, end_ms=end_ms, step_ms=step_ms)
        assert [(await board.see(view)).x_cache for _ in "12"] == ["MISS", "HIT"]
        assert board.took() == [view.span]
        part = view.over(view.start_ms + step_ms, view.end_ms - step_ms)
        for x_cache in ("MISS", "HIT"):
            assert (await board.see(part)).x_cache == x_cache
        await board.see(view.moved(step_ms))
        assert board.took() == [part.span, (view.end_ms, view.end_ms + step_ms)]
        assert (await board.see(view.moved(step_ms))).x_cache == "HIT"


@pytest.mark.parametrize("offset_ms", [-5 * HOUR_MS, int(5.5 * HOUR_MS), int(5.75 * HOUR_MS)])
async def test_who_aligns_in_another_time_zone_is_known_at_once(offset_ms: int) -> None:
    async with dashboard() as board:
        day_ms = 24 * HOUR_MS
        start_ms = NOW_MS // day_ms * day_ms - 30 * day_ms - offset_ms
        view = View(start_ms=start_ms, end_ms=start_ms + 29 * day_ms, step_ms=day_ms)
        await board.see(view)
        assert (await board.see(view.over(view.start_ms + day_ms, view.end_ms))).x_cache == "HIT"


async def test_phases_of_one_step_share_nothing() -> None:
    async with dashboard() as board:
        for phase_ms in (0, 5, 0, 5, 0):
            await board.see(HOUR.moved(phase_ms))
        await board.see(ZOOM.moved(5))
        assert (await board.see(ZOOM)).x_cache == "HIT"
        assert board.took() == [HOUR.span, HOUR.moved(5).span, ZOOM.moved(5).span]


async def test_a_part_is_asked_as_the_client_asked_but_for_its_times() -> None:
    async with dashboard() as board:
        headers = {"Authorization": "Bearer a", "X-Scope-OrgID": "t", "User-Agent": "Grafana"}
        view = replace(HOUR, more={"timeout": "10s"}, headers=headers)
        await board.see(view)
        board.stack.clock.seconds += STEP_MS / 1000
        for post in (True, False):
            await board.see(replace(view.moved(STEP_MS * (2 - post)), post=post))
        first, posted, got = (asked.request for asked in board.source.asked)
        assert (posted.method, posted.query_string, got.method) == ("POST", "", "GET")
        assert {name: got.headers[name] for name in headers} == headers
        assert {name: posted.headers[name] for name in headers} == headers
        assert got.query["start"] == got.query["end"]
        assert {**got.query, "start": "", "end": ""} == {**first.query, "start": "", "end": ""}
