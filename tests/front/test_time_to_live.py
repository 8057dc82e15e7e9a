"""For how long an answer serves: the TTLs, and the interval that a moving range is rounded to."""

from pathlib import Path
from typing import Any

import pytest

from proxy.config.schema import Caching, Duration, SourceCache
from tests.servers.grafana.server import basic

from . import calls
from .calls import BASE, FROM_MS, QUERY, TO_MS, of, over
from .stand import standing
from .test_several_queries import A, B, executed

VIEWER, EDITOR = basic("viewer"), basic("editor")
INTERVAL_MS = 15_000

MINUTE_MS = 60_000


@pytest.mark.parametrize(
    ("members", "fresh_s", "stale_s"),
    [
        ({}, 299, 300),
        ({"queryCachingTTL": 10_000}, 9, 10),
        ({"queryCachingTTL": 900_000}, 899, 900),
        ({"queryCachingTTL": 0}, 299, 300),
        ({"queryCachingTTL": None}, 299, 300),
        ({"queryCachingTTL": "10000"}, 299, 300),
    ],
)
async def test_the_panels_ttl_comes_before_the_sources(
    tmp_path: Path, members: dict[str, Any], fresh_s: int, stale_s: int
) -> None:
    async with standing(tmp_path) as stand:
        call = of(QUERY | members)
        await stand.ask(call, VIEWER)
        stand.turn(fresh_s)
        assert (await stand.ask(call, VIEWER)).x_cache == "HIT"
        stand.turn(stale_s - fresh_s)
        assert (await stand.ask(call, VIEWER)).x_cache == "MISS"


async def test_the_smallest_ttl_of_a_mixed_request_holds(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        call = calls.ds_query(A | {"queryCachingTTL": 10_000}, B)
        await stand.ask(call, VIEWER)
        stand.turn(9)
        assert (await executed(stand, call))[:2] == ("HIT", [0, 0])
        stand.turn(1)
        assert (await executed(stand, call))[:2] == ("MISS", [1, 1])


async def test_max_ttl_caps_the_panels_too(tmp_path: Path) -> None:
    async with standing(tmp_path, caching=Caching(max_ttl_ms=Duration(MINUTE_MS))) as stand:
        call = of(QUERY | {"queryCachingTTL": 900_000})
        await stand.ask(call, VIEWER)
        stand.turn(59)
        assert (await stand.ask(call, VIEWER)).x_cache == "HIT"
        stand.turn(1)
        assert (await stand.ask(call, VIEWER)).x_cache == "MISS"


async def test_a_source_of_ttl_zero_is_not_kept_unless_the_panel_says_so(tmp_path: Path) -> None:
    async with standing(tmp_path, source_cache=SourceCache(enabled=True, ttl_queries_ms=Duration(0))) as stand:
        for _ in range(2):
            assert (await stand.ask(BASE, VIEWER)).x_cache == "BYPASS"
        for x_cache in ("MISS", "HIT"):
            assert (await stand.ask(of(QUERY | {"queryCachingTTL": 10_000}), VIEWER)).x_cache == x_cache


@pytest.mark.parametrize(
    ("from_", "to", "x_cache"),
    [
        (FROM_MS - 86_400_000, TO_MS - 86_400_000, "HIT"),
        (FROM_MS, TO_MS, "MISS"),  # it ends now: what comes late may be missing in it
        ("now-2d", "now-1d", "MISS"),
    ],
)
async def test_a_range_that_is_over_may_live_longer(tmp_path: Path, from_: object, to: object, x_cache: str) -> None:
    async with standing(tmp_path, past_ttl_ms=Duration(3_600_000)) as stand:
        query = QUERY | {"intervalMs": 3_600_000 // 2}
        call = calls.ds_query(query, **{"from": str(from_), "to": str(to)})
        await stand.ask(call, VIEWER)
        stand.turn(301)
        assert (await stand.ask(call, VIEWER)).x_cache == x_cache


@pytest.mark.parametrize(("step", "x_cache"), [(0, "MISS"), (100, "HIT"), (250, "HIT"), (7, "MISS")])
async def test_widths_that_differ_little_may_share(tmp_path: Path, step: int, x_cache: str) -> None:
    async with standing(tmp_path, max_data_points_step=step) as stand:
        await stand.ask(of(QUERY | {"maxDataPoints": 210}), VIEWER)
        answer = await stand.ask(of(QUERY | {"maxDataPoints": 240}), VIEWER)
        assert answer.x_cache == x_cache
        assert answer.row()["maxDataPoints"] == (210 if x_cache == "HIT" else 240)


# Ranges that move with the clock


@pytest.mark.parametrize(
    ("from_", "to"),
    [
        ("now-1h", "now"),
        ("now-6h", "now-1h"),
        ("now-1d/d", "now"),
        ("1h", "now"),
        ("now-1d/d", "now-1d/d"),
        ("now-1w", "now"),
    ],
)
async def test_a_relative_range_is_answered_from_its_interval(tmp_path: Path, from_: str, to: str) -> None:
    async with standing(tmp_path) as stand:
        call = over(from_, to)
        first = await stand.ask(call, VIEWER)
        stand.turn(INTERVAL_MS // 1000 - 1)
        again = await stand.ask(call, EDITOR)
        assert (first.x_cache, again.x_cache, first.body) == ("MISS", "HIT", again.body)
        assert first.row()["from"] == from_  # Grafana is asked what the client asked
        stand.turn(1)
        moves = to != "now-1d/d"
        assert (await stand.ask(call, VIEWER)).x_cache == ("MISS" if moves else "HIT")


async def test_a_later_refresh_of_an_absolute_range_is_a_hit_within_the_interval_and_then_none(tmp_path: Path) -> None:
    """A dashboard of the last hour with a refresh of five seconds, each to the millisecond."""
    async with standing(tmp_path) as stand:
        answers = []
        for _ in range(12):
            now_ms = stand.clock.now_ms() + 137
            answers.append((await stand.ask(over(now_ms - 3_600_000, now_ms), VIEWER)).x_cache)
            stand.turn(5)
        assert answers == ["MISS", "HIT", "HIT"] * 4
        assert stand.executions("prom") == 4
