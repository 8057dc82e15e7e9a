"""What is promised where the source changes what it has said: samples that come late, deletions, back-fills.

Within the freshness window a change is seen when the query TTL is over, beyond it when `settled_ttl` is, and after a
clean at once.
"""

import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from itertools import count

import orjson
import pytest

from proxy.core.model import XCache
from tests.engine.stack import Ask
from tests.servers.binaries import find
from tests.servers.prometheus_living import Living, Sample

from .panel import Panel, Range
from .seed import LONG, SEED
from .stand import Answer, Clocks, Stand, standing
from .test_differential import memory

NOW_MS = 1_795_399_200_000
"""A full hour: on a grid that is not regular a range is only kept whole when it is first asked for."""
STEP_MS = 15_000
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
TTL_MS = MINUTE_MS
FRESH_MS = 10 * MINUTE_MS
SETTLED_MS = 24 * HOUR_MS
BEFORE = Range(NOW_MS - HOUR_MS, NOW_MS)
STEPS = 1000 if LONG else 60


def samples(start_ms: int, end_ms: int, *, without: Range | None = None, value: float = 1) -> list[Sample]:
    return [
        (time_ms, value + time_ms % 7)
        for time_ms in range(start_ms, end_ms + 1, STEP_MS)
        if without is None or not without.start_ms <= time_ms <= without.end_ms
    ]


def panel(query: str) -> Panel:
    return Panel(query=query, step_ms=STEP_MS, step_texts=("15",), phase_ms=0)


def asking(query: str, range_: Range) -> Ask:
    return panel(query).plainly(range_)


def front_of(source: Living, clocks: Clocks) -> AbstractAsyncContextManager[Stand]:
    delta = {"enabled": True, "freshness": f"{FRESH_MS}ms", "settled_ttl": f"{SETTLED_MS}ms"}
    return standing(source.url, clocks=clocks, store=memory, caching={"ttl": f"{TTL_MS}ms"}, delta=delta)


async def sees(stand: Stand, ask: Ask) -> bool:
    """Whether the answer is what the source says now."""
    return (await stand.ask(ask)).difference(await stand.ask_source(ask)) is None


_numbers = count()


@pytest.fixture
def name() -> str:
    """Of this test's metric."""
    return f"m{next(_numbers)}"


async def comes_late(source: Living, name: str, lost: Range) -> None:
    source.write({"__name__": name, "a": "1"}, samples(lost.start_ms, lost.end_ms))


async def is_back_filled(source: Living, name: str, lost: Range) -> None:
    source.write({"__name__": name, "a": "2"}, samples(lost.start_ms, lost.end_ms, value=5))


async def is_deleted(source: Living, name: str, lost: Range) -> None:
    source.delete(f'{name}{{a="1"}}')


Change = Callable[[Living, str, Range], Awaitable[None]]
CHANGES = pytest.mark.parametrize("change", [comes_late, is_back_filled, is_deleted])
QUERIES = pytest.mark.parametrize("query", ["{0}", "sum({0})", "rate({0}[1m])", "absent({0})"])


def written(source: Living, name: str, lost: Range | None) -> None:
    source.write({"__name__": name, "a": "1"}, samples(NOW_MS - 2 * HOUR_MS, NOW_MS, without=lost))


@QUERIES
@pytest.mark.parametrize("late_ms", [STEP_MS, 3 * MINUTE_MS, FRESH_MS - MINUTE_MS])
@pytest.mark.parametrize("shortened", [False, True])
async def test_what_comes_late_within_the_window_is_seen_when_the_ttl_is_over(
    prometheus_living: Living, name: str, query: str, late_ms: int, shortened: bool
) -> None:
    query = query.format(name)
    lost = Range(NOW_MS - late_ms, NOW_MS)
    written(prometheus_living, name, lost)
    clocks = Clocks(NOW_MS)
    async with front_of(prometheus_living, clocks) as stand:
        assert await sees(stand, asking(query, BEFORE))
        part = asking(query, Range(BEFORE.start_ms + MINUTE_MS, BEFORE.end_ms))
        assert (await stand.ask(part)).x_cache is XCache.HIT
        await comes_late(prometheus_living, name, lost)
        if shortened:
            await stand.set_ttl(TTL_MS // 10)
        clocks.advance(TTL_MS // 10 if shortened else TTL_MS)
        for range_ in (BEFORE, Range(BEFORE.start_ms + MINUTE_MS, NOW_MS + MINUTE_MS), Range(lost.start_ms, NOW_MS)):
            assert await sees(stand, asking(query, range_))


@CHANGES
@pytest.mark.parametrize("lost_ms", [5 * MINUTE_MS, 45 * MINUTE_MS])
async def test_a_change_is_seen_after_a_clean_at_once(
    prometheus_living: Living, name: str, change: Change, lost_ms: int
) -> None:
    lost = Range(NOW_MS - lost_ms, NOW_MS - lost_ms + 4 * MINUTE_MS)
    written(prometheus_living, name, lost)
    async with front_of(prometheus_living, Clocks(NOW_MS)) as stand:
        ask = asking(f"rate({name}[1m])", BEFORE)
        assert await sees(stand, ask)
        await change(prometheus_living, name, lost)
        assert not await sees(stand, ask)
        await stand.clean()
        assert await sees(stand, ask)


@CHANGES
@QUERIES
async def test_a_change_of_settled_points_is_seen_when_their_ttl_is_over(
    prometheus_living: Living, name: str, change: Change, query: str
) -> None:
    """Each time a little of the range is new, which must not keep the rest alive."""
    query = query.format(name)
    lost = Range(NOW_MS - 45 * MINUTE_MS, NOW_MS - 30 * MINUTE_MS)
    written(prometheus_living, name, lost)
    clocks = Clocks(NOW_MS)
    async with front_of(prometheus_living, clocks) as stand:
        assert await sees(stand, asking(query, BEFORE))
        await change(prometheus_living, name, lost)
        clocks.advance(HOUR_MS)
        assert not await sees(stand, asking(query, Range(lost.start_ms, lost.end_ms))) or query.startswith("absent")
        for _ in range(4):
            clocks.advance(SETTLED_MS // 4)
            shown = await stand.ask(asking(query, Range(BEFORE.start_ms, clocks.wall_ms())))
            assert shown.status == 200
        assert await sees(stand, asking(query, BEFORE))


@pytest.mark.parametrize("query", ["m", "sum(m)", "rate(m[2m])", "count(m) by (a) or absent(m)"])
@pytest.mark.timeout(0 if LONG else 120)
async def test_nothing_is_shown_that_was_not_so_within_its_ttl(query: str) -> None:
    """Samples come in time, late and never, whole series go, and panels are refreshed in between."""
    find("prometheus")
    chance = random.Random(SEED)
    clocks = Clocks(NOW_MS)
    with Living() as source:
        written(source, "m", None)
        async with front_of(source, clocks) as stand:
            past = Past(query, stand)
            await past.note()
            for step in range(STEPS):
                if happens(chance, source, clocks, step):
                    await stand.clean()
                    past.forget()
                await past.note()
                end_ms = clocks.wall_ms() - chance.choice((0, 0, 0, 30)) * STEP_MS
                range_ = Range(end_ms - chance.choice((8, 60, 200)) * STEP_MS, end_ms)
                past.check(range_, await stand.ask(asking(query, range_)), f"DELTA_SEED={SEED}, step {step}")


def happens(chance: random.Random, source: Living, clocks: Clocks, step: int) -> bool:
    """Something, or nothing. Gives whether an operator cleans."""
    match chance.randrange(10):
        case 0 | 1 | 2 | 3:
            clocks.advance(STEP_MS)
            for one in chance.sample(("1", "2", "3"), chance.randrange(4)):
                source.write({"__name__": "m", "a": one}, [(clocks.wall_ms(), chance.randrange(50))])
        case 4:
            time_ms = clocks.wall_ms() - chance.randrange(1, 200) * STEP_MS
            source.write({"__name__": "m", "a": f"late-{step}"}, [(time_ms, 7)])
        case 5 if chance.random() < 0.4:
            source.delete(f'm{{a=~"{chance.choice(("1", "2", "late-.*"))}"}}')
        case 6 if chance.random() < 0.3:
            return True
        case 7 if chance.random() < 0.2:
            clocks.advance(chance.choice((TTL_MS, FRESH_MS, SETTLED_MS // 2)))
    return False


Labels = tuple[tuple[str, str], ...]
Points = dict[int, dict[Labels, str]]
"""Values by time and labels."""


class Past:
    """What the source said of each point, and when."""

    def __init__(self, query: str, stand: Stand) -> None:
        self._query = query
        self._stand = stand
        self._versions: list[tuple[int, Points]] = []
        """Each with the time from which on it was so."""

    async def note(self) -> None:
        now_ms = self._stand.clocks.wall_ms()
        answer = await self._stand.ask_source(asking(self._query, Range(now_ms - HOUR_MS, now_ms)))
        self._versions.append((now_ms, _points(answer)))

    def forget(self) -> None:
        """What was so before the last change."""
        self._versions.clear()

    def check(self, range_: Range, answer: Answer, where: str) -> None:
        now_ms = self._stand.clocks.wall_ms()
        found = _points(answer)
        young, settled = (self._in_force(now_ms - lives_ms) for lives_ms in (TTL_MS, SETTLED_MS))
        for time_ms in range(range_.start_ms, range_.end_ms + 1, STEP_MS):
            said = [points.get(time_ms, {}) for points in (young if time_ms > now_ms - FRESH_MS else settled)]
            assert found.get(time_ms, {}) in said, (
                f"{where}: {self._query} at {time_ms - now_ms} ms from now; {answer.cache_status}"
            )

    def _in_force(self, since_ms: int) -> list[Points]:
        """Those that were so at any moment since then."""
        later = [points for from_ms, points in self._versions if from_ms > since_ms]
        earlier = [points for from_ms, points in self._versions if from_ms <= since_ms]
        return earlier[-1:] + later


def _points(answer: Answer) -> Points:
    assert answer.status == 200
    points: Points = defaultdict(dict)
    for series in orjson.loads(answer.body)["data"]["result"]:
        labels = tuple(sorted(series["metric"].items()))
        for time, value in series["values"]:
            points[round(time * 1000)][labels] = value
    return points
