"""A dashboard that refreshes, zooms and pans asks its source only for points that are not known, and what it shows is
what the source would say.
"""

import asyncio
from dataclasses import replace

import pytest

from proxy.config.schema import Caching, Delta, Duration

from .ranges import HOUR, HOUR_MS, STEP_MS, View, dashboard
from .stack import NOW_MS, TTL_MS, UID

SECOND = 1000
FRESHNESS_MS = 600_000


async def test_a_refresh_asks_for_new_points_alone() -> None:
    async with dashboard() as board:
        first = await board.see(HOUR)
        view, second = await board.refresh(HOUR, STEP_MS)
        assert board.took() == [HOUR.span, (view.end_ms, view.end_ms)]
        assert (first.x_cache, second.x_cache) == ("MISS", "MISS")
        assert first.cache_status == "millpond; fwd=uri-miss; fwd-status=200; stored"
        moment = view.end_ms // SECOND
        assert second.cache_status == f'millpond; fwd=partial; fwd-status=200; stored; detail="{moment}..{moment}"'
        third = await board.see(view)
        assert (third.x_cache, third.cache_status) == ("HIT", "millpond; hit; ttl=45")
        assert (third.headers["Age"], third.headers["Content-Type"]) == ("15", "application/json")
        assert "Age" not in second.headers
        assert board.took() == []


async def test_a_panel_of_five_seconds_and_a_ttl_of_a_minute() -> None:
    """What the source is asked in three minutes, in full: a new point a refresh, and once a minute the young part."""
    async with dashboard() as board:
        view = replace(HOUR, step_ms=5 * SECOND)
        await board.see(view)
        expected = [view.span]
        for number in range(1, 37):
            view, _ = await board.refresh(view, 5 * SECOND)
            young_from = view.end_ms - FRESHNESS_MS
            if number % 12 == 0:
                # What was settled when it was last asked, a minute ago, ended where the young part began then.
                expected.append((young_from - TTL_MS + 5 * SECOND, view.end_ms))
            else:
                expected.append((view.end_ms, view.end_ms))
        assert board.took() == expected


async def test_the_cost_of_an_hour_is_the_new_points_and_the_young_ones() -> None:
    async with dashboard() as board:
        view = HOUR
        await board.see(view)
        for _ in range(240):
            view, _ = await board.refresh(view, STEP_MS)
        asked = sum((end - start) // STEP_MS + 1 for start, end in board.took())
        new, young_and_the_minute_before = 240 - 60, 44
        assert asked == HOUR.points + new + 60 * young_and_the_minute_before


@pytest.mark.parametrize("post", [False, True])
@pytest.mark.parametrize(
    ("start_ms", "end_ms"),
    [
        (NOW_MS - HOUR_MS + STEP_MS, NOW_MS - STEP_MS),
        (NOW_MS - HOUR_MS, NOW_MS - 7 * STEP_MS - 1),  # the end need not be a point
        (NOW_MS - 600 * SECOND, NOW_MS),
        (NOW_MS, NOW_MS),
    ],
)
async def test_a_part_of_what_is_known_asks_nobody(post: bool, start_ms: int, end_ms: int) -> None:
    async with dashboard() as board:
        await board.see(HOUR)
        assert (await board.see(replace(HOUR.over(start_ms, end_ms), post=post))).x_cache == "HIT"
        assert board.took() == [HOUR.span]


async def test_a_pan_asks_for_what_lies_beside() -> None:
    async with dashboard() as board:
        await board.see(HOUR)
        earlier = HOUR.moved(-HOUR_MS // 4)
        answered = await board.see(earlier)
        assert board.took() == [HOUR.span, (earlier.start_ms, HOUR.start_ms - STEP_MS)]
        gap = f"{earlier.start_ms // SECOND}..{(HOUR.start_ms - STEP_MS) // SECOND}"
        assert f'detail="{gap}"' in answered.cache_status
        assert (await board.see(earlier.over(earlier.start_ms, HOUR.end_ms))).x_cache == "HIT"


async def test_a_hole_between_is_one_request_and_both_its_sides_are_kept() -> None:
    async with dashboard() as board:
        one, other = HOUR.moved(-5 * HOUR_MS), HOUR.moved(-3 * HOUR_MS)
        await board.see(one)
        await board.see(other)
        board.took()
        whole = HOUR.over(one.start_ms, other.end_ms)
        assert (await board.see(whole)).x_cache == "MISS"
        assert board.took() == [(one.end_ms + STEP_MS, other.start_ms - STEP_MS)]


async def test_points_are_counted_by_their_origin() -> None:
    async with dashboard() as board:
        view = HOUR
        await board.see(view)
        for _ in range(3):
            view, _ = await board.refresh(view, STEP_MS)
            await board.see(view)
        counted = [await board.metric("delta_points_total", datasource_uid=UID, origin=o) for o in ("source", "cache")]
        assert counted == [HOUR.points + 3, 3 * (HOUR.points - 1) + 3 * HOUR.points]


async def test_an_expression_or_a_step_of_its_own_shares_nothing() -> None:
    async with dashboard() as board:
        for view in (HOUR, replace(HOUR, query="up + 1"), replace(HOUR, step_ms=30 * SECOND)):
            await board.see(view)
        assert board.took() == [HOUR.span] * 3


@pytest.mark.parametrize("left_ms", [1, 0])
async def test_a_young_point_lives_for_the_query_ttl_to_the_millisecond(left_ms: int) -> None:
    async with dashboard() as board:
        await board.see(HOUR)
        board.stack.clock.seconds += (TTL_MS - left_ms) / SECOND
        answered = await board.see(HOUR.over(NOW_MS - FRESHNESS_MS + STEP_MS, NOW_MS))
        assert answered.x_cache == ("HIT" if left_ms else "MISS")


@pytest.mark.parametrize("left_ms", [1, 0])
async def test_a_settled_point_lives_for_the_settled_ttl_to_the_millisecond(left_ms: int) -> None:
    delta = Delta(settled_ttl_ms=Duration(2 * HOUR_MS))
    async with dashboard(delta=delta) as board:
        await board.see(HOUR)
        board.stack.clock.seconds += (2 * HOUR_MS - left_ms) / SECOND
        answered = await board.see(HOUR.over(HOUR.start_ms, NOW_MS - FRESHNESS_MS))
        assert answered.x_cache == ("HIT" if left_ms else "MISS")


async def test_what_is_settled_ends_where_the_freshness_window_begins() -> None:
    async with dashboard() as board:
        await board.see(HOUR)
        board.stack.clock.seconds += TTL_MS / SECOND
        assert (await board.see(HOUR.over(HOUR.start_ms, NOW_MS - FRESHNESS_MS))).x_cache == "HIT"
        board.took()
        await board.see(HOUR)
        assert board.took() == [(NOW_MS - FRESHNESS_MS + STEP_MS, NOW_MS)]


async def test_max_ttl_governs_both() -> None:
    caching = Caching(max_ttl_ms=Duration(10 * SECOND))
    async with dashboard(caching=caching) as board:
        await board.see(HOUR)
        board.stack.clock.seconds += 9.999
        assert (await board.see(HOUR)).x_cache == "HIT"
        board.stack.clock.seconds += 0.001
        await board.see(HOUR)
        assert board.took() == [HOUR.span] * 2


async def test_a_point_that_lay_ahead_when_it_was_asked_is_asked_again_when_its_time_has_come() -> None:
    """A viewer of the whole day knows nothing of what comes: another, of the last hour, sees it come."""
    async with dashboard() as board:
        now_ms = board.stack.clock.now_ms

        def so_far(time_ms: int) -> str | None:
            return str(time_ms) if time_ms <= now_ms() else None

        board.source.series = [replace(each, floats=so_far) for each in board.source.series]
        day = HOUR.over(NOW_MS - HOUR_MS, NOW_MS + HOUR_MS)
        await board.see(day)
        assert (await board.see(day)).x_cache == "HIT"
        view = HOUR
        for _ in range(3):
            view, _ = await board.refresh(view, STEP_MS)
        await board.see(day)


async def test_nothing_is_kept_of_an_answer_whose_panel_has_no_ttl() -> None:
    async with dashboard() as board:
        await board.stack.set_ttl(0)
        for _ in "12":
            answered = await board.see(HOUR)
            assert (answered.x_cache, answered.cache_status) == ("BYPASS", "millpond; fwd=bypass; detail=ttl-zero")
        assert board.kept == 0
        await board.stack.set_ttl(TTL_MS)
        assert (await board.see(HOUR)).x_cache == "MISS"


async def test_one_point() -> None:
    async with dashboard() as board:
        point = HOUR.over(NOW_MS, NOW_MS)
        assert [(await board.see(point)).x_cache for _ in "12"] == ["MISS", "HIT"]


async def test_many_chunks_are_one_look_up() -> None:
    async with dashboard() as board:
        week = View(start_ms=NOW_MS - 44 * HOUR_MS, step_ms=STEP_MS)
        await board.see(week)
        assert (await board.see(week)).x_cache == "HIT"
        asked = await asyncio.gather(*(board.see(week.over(week.start_ms, NOW_MS - n * STEP_MS)) for n in range(5)))
        assert {each.x_cache for each in asked} == {"HIT"}
        assert board.took() == [week.span]


async def test_old_points_that_nobody_looks_at_make_nobody_ask_again() -> None:
    """Of a longer range, which was seen once and has expired."""
    async with dashboard() as board:
        await board.see(HOUR)
        board.stack.clock.seconds += TTL_MS / SECOND
        view = HOUR.over(NOW_MS - TTL_MS, NOW_MS)
        await board.see(view)
        assert (await board.see(view)).x_cache == "HIT"
        board.took()
        view, _ = await board.refresh(view, STEP_MS)
        assert board.took() == [(view.end_ms, view.end_ms)]
