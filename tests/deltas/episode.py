"""A few panels on one dashboard and what a person and time do to them: some thirty requests, each asked twice.

An episode follows from its seed and number alone, so that a failed one can be run again without those before it.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from proxy.errors import UpstreamError
from tests.engine.stack import Ask
from tests.servers.prometheus_history import COARSE_S, END_S, FAST_S, FINE_S

from .expressions import Expressions
from .panel import EXTRAS, Panel, Range, step_texts
from .stand import Clocks, Stand

SECOND_MS = 1000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
END_MS = END_S * SECOND_MS
MOST_POINTS = 11_000

_FINE_STEPS_MS = (15_000, 15_000, 30_000, 60_000, 300_000, 5_000, 10_000, 7_001, 61_000)
_FAST_STEPS_MS = (1_000, 1_500, 2_500, 500, 2_000, 7_001, 5_000)
_COARSE_STEPS_MS = (HOUR_MS, 2 * HOUR_MS, 6 * HOUR_MS, 24 * HOUR_MS, 10 * MINUTE_MS)
_ZONES_MS = (2 * HOUR_MS, 5 * HOUR_MS + 30 * MINUTE_MS, -8 * HOUR_MS)


class Differs(Exception):
    """A client of Millpond was told something else than a client of the source."""


@dataclass
class Tally:
    comparisons: int = 0
    same_bytes: int = 0
    said: Counter[str] = field(default_factory=Counter)
    kinds: set[str] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)


@dataclass
class Episode:
    """`panels` share one stand. `log` is what was done, for whoever has to find out why."""

    number: int
    chance: random.Random
    panels: list[Panel]
    clocks: Clocks
    ttl_ms: int
    settled_ms: int
    reach_ms: int
    """How far back the data of its grain reach."""
    tally: Tally
    log: list[str] = field(default_factory=list)

    async def run(self, standing: Callable[[], AbstractAsyncContextManager[Stand]]) -> None:
        async with standing() as stand:
            ranges = {panel: self._first(panel) for panel in self.panels}
            for panel in self.panels:
                await self._compare(stand, panel, ranges[panel])
            for _ in range(self.chance.randint(5, 30)):
                panel = self.chance.choice(self.panels)
                operation = self.chance.choice(OPERATIONS)
                self.log.append(operation.__name__)
                ranges[panel] = await operation(self, stand, panel, ranges[panel])

    def _first(self, panel: Panel) -> Range:
        """A range as a dashboard opens with: up to now, or somewhere in the past."""
        end_ms = self.clocks.wall_ms() if self.chance.random() < 0.6 else END_MS - self.chance.randrange(self.reach_ms)
        points = self.chance.choice((1, 5, 20, 60, 60, 200, 400))
        end_ms = panel.on_grid(end_ms)
        return Range(end_ms - points * panel.step_ms, end_ms)

    async def _compare(self, stand: Stand, panel: Panel, *ranges: Range, oddly: bool = False) -> None:
        """Ask for the ranges, all at once, and hold each answer against the source's own."""

        async def one(ask: Ask) -> None:
            asked = f"{ask.method} ?{ask.query} {ask.body.decode()} {dict(ask.headers)}"
            try:
                ours, theirs = await asyncio.gather(stand.ask(ask), stand.ask_source(ask))
            except (UpstreamError, TimeoutError) as error:
                raise Differs(f"{error!r}\n  {panel}\n  {asked}") from error
            self.tally.comparisons += 1
            self.tally.same_bytes += ours.body == theirs.body
            self.tally.statuses[theirs.status] += 1
            self.tally.said[_word(ours.cache_status)] += 1
            if (difference := ours.difference(theirs)) is not None:
                raise Differs(f"{difference}\n  {panel}\n  {asked}\n  {ours.x_cache} {ours.cache_status}")

        asks = [panel.ask(self.chance, range_, oddly=oddly) for range_ in ranges]
        self.log.append(f"  panel {self.panels.index(panel)} at {self.clocks.wall_ms() - END_MS:+}: {_told(ranges)}")
        async with asyncio.TaskGroup() as tasks:
            for ask in asks:
                tasks.create_task(one(ask))


def episode(seed: int, number: int, tally: Tally) -> tuple[Episode, dict[str, Any]]:
    """An episode and the `delta` section it is to run under."""
    chance = random.Random(f"{seed}/{number}")
    grain = chance.choice(("fine", "fine", "fine", "fast", "coarse"))
    reach_s = {"fine": FINE_S, "fast": FAST_S, "coarse": COARSE_S}[grain]
    steps = {"fine": _FINE_STEPS_MS, "fast": _FAST_STEPS_MS, "coarse": _COARSE_STEPS_MS}[grain]
    expressions = Expressions(chance, coarse=grain == "coarse")
    panels = [_panel(chance, expressions, steps, tally) for _ in range(chance.choice((1, 1, 1, 2, 3)))]
    if len(panels) > 1 and chance.random() < 0.5:  # the same text by another step, or another parameter
        panels[1] = Panel(
            query=panels[0].query,
            step_ms=panels[1].step_ms,
            step_texts=panels[1].step_texts,
            phase_ms=panels[1].phase_ms,
            extra=chance.choice(EXTRAS),
        )
    freshness_ms = chance.choice((10 * MINUTE_MS, 10 * MINUTE_MS, MINUTE_MS, HOUR_MS, 0))
    settled_ms = chance.choice((24 * HOUR_MS, 10 * MINUTE_MS))
    now_ms = END_MS + chance.choice((-chance.randrange(HOUR_MS), chance.randrange(20 * MINUTE_MS), 24 * HOUR_MS))
    made = Episode(
        number=number,
        chance=chance,
        panels=panels,
        clocks=Clocks(now_ms),
        ttl_ms=chance.choice((5, 60, 60, 300)) * SECOND_MS,
        settled_ms=settled_ms,
        reach_ms=reach_s * SECOND_MS,
        tally=tally,
    )
    return made, {"enabled": True, "freshness": f"{freshness_ms}ms", "settled_ttl": f"{settled_ms}ms"}


def _panel(chance: random.Random, expressions: Expressions, steps_ms: tuple[int, ...], tally: Tally) -> Panel:
    expression = expressions.next()
    tally.kinds |= expression.kinds
    step_ms = chance.choice(steps_ms)
    texts = step_texts(step_ms)
    if chance.random() < 0.04:  # cut to whole milliseconds by the source; 0 and less it refuses
        step_ms, texts = 1000, chance.choice((("1.0005",), ("1.0009",), ("0",), ("-1",), ("",), ("1s1s",), ("0.0001",)))
    phase_ms = chance.choice((0, 0, 0, chance.choice(_ZONES_MS) % step_ms, chance.randrange(step_ms)))
    extra = chance.choice(EXTRAS) if chance.random() < 0.09 else ()
    return Panel(query=expression.text, step_ms=step_ms, step_texts=texts, phase_ms=phase_ms, extra=extra)


# What is done: each gives the range that the panel shows afterwards.


async def refresh(it: Episode, stand: Stand, panel: Panel, shown: Range) -> Range:
    it.clocks.advance(it.chance.choice((1, 5, 5, 15, 15, 30, 60)) * SECOND_MS)
    return await _follow(it, stand, panel, shown)


async def refresh_by_steps(it: Episode, stand: Stand, panel: Panel, shown: Range) -> Range:
    it.clocks.advance(panel.step_ms * it.chance.randint(1, 3))
    return await _follow(it, stand, panel, shown)


async def _follow(it: Episode, stand: Stand, panel: Panel, shown: Range) -> Range:
    """Move the range to now, keeping its length; one of the past is mostly asked for again as it is."""
    end_ms = panel.on_grid(it.clocks.wall_ms())
    if shown.end_ms < end_ms - (shown.end_ms - shown.start_ms) and it.chance.random() < 0.7:
        end_ms = shown.end_ms
    following = Range(end_ms - (shown.end_ms - shown.start_ms), end_ms)
    await it._compare(stand, panel, following)
    return following


async def zoom_in(it: Episode, stand: Stand, panel: Panel, shown: Range) -> Range:
    points = max(1, (shown.end_ms - shown.start_ms) // panel.step_ms)
    first = it.chance.randrange(points)
    last = it.chance.randint(first, points)
    inner = Range(shown.start_ms + first * panel.step_ms, shown.start_ms + last * panel.step_ms)
    await it._compare(stand, panel, inner)
    return inner if inner.end_ms > inner.start_ms and it.chance.random() < 0.5 else shown


async def zoom_out(it: Episode, stand: Stand, panel: Panel, shown: Range) -> Range:
    points = (shown.end_ms - shown.start_ms) // panel.step_ms
    more = it.chance.randint(0, max(1, min(points, 400))) * panel.step_ms
    wider = Range(
        shown.start_ms - more, shown.end_ms + it.chance.choice((0, more // 2 // panel.step_ms * panel.step_ms))
    )
    await it._compare(stand, panel, wider)
    return shown if points > 800 else wider


async def pan(it: Episode, stand: Stand, panel: Panel, shown: Range) -> Range:
    by_ms = it.chance.choice((-1, 1)) * panel.step_ms * it.chance.choice((1, 2, 7, 60, 257))
    moved = Range(shown.start_ms + by_ms, shown.end_ms + by_ms)
    await it._compare(stand, panel, moved)
    return moved


async def leave_a_gap_and_bridge_it(it: Episode, stand: Stand, panel: Panel, shown: Range) -> Range:
    length_ms = min(shown.end_ms - shown.start_ms, 200 * panel.step_ms)
    end_ms = shown.start_ms - it.chance.randint(1, 90) * panel.step_ms
    before = Range(end_ms - length_ms, end_ms)
    await it._compare(stand, panel, before)
    await it._compare(stand, panel, Range(before.start_ms, min(shown.end_ms, before.start_ms + 600 * panel.step_ms)))
    return shown


async def repeat(it: Episode, stand: Stand, panel: Panel, shown: Range) -> Range:
    await it._compare(stand, panel, shown)
    return shown


async def many_viewers(it: Episode, stand: Stand, panel: Panel, shown: Range) -> Range:
    it.clocks.advance(panel.step_ms * it.chance.randrange(3))
    end_ms = panel.on_grid(it.clocks.wall_ms())
    seen = [
        Range(end_ms - points * panel.step_ms, end_ms + later * panel.step_ms)
        for points, later in it.chance.choices(((60, 0), (60, 0), (61, 0), (10, 0), (300, 0), (60, 1)), k=4)
    ]
    await it._compare(stand, panel, *seen)
    return shown


async def unaligned(it: Episode, stand: Stand, panel: Panel, shown: Range) -> Range:
    off = it.chance.choice(((0, 1), (1, 0), (7, 3)))
    start_ms = shown.start_ms + off[0] * it.chance.randrange(panel.step_ms)
    end_ms = shown.end_ms + off[1] * it.chance.randrange(panel.step_ms)
    await it._compare(stand, panel, Range(start_ms, max(start_ms, end_ms)))
    return shown


async def written_oddly(it: Episode, stand: Stand, panel: Panel, shown: Range) -> Range:
    for _ in range(3):
        await it._compare(stand, panel, shown, oddly=True)
    return shown


async def around_the_epoch(it: Episode, stand: Stand, panel: Panel, shown: Range) -> Range:
    """Where times, and the remainders of times, are negative."""
    start_ms = panel.on_grid(0) - it.chance.choice((0, 3, 40)) * panel.step_ms
    for points in (20, 50):
        await it._compare(stand, panel, Range(start_ms, start_ms + points * panel.step_ms))
    return shown


async def end_before_start(it: Episode, stand: Stand, panel: Panel, shown: Range) -> Range:
    await it._compare(stand, panel, Range(shown.end_ms, shown.end_ms - it.chance.choice((1, panel.step_ms))))
    return shown


async def far_future(it: Episode, stand: Stand, panel: Panel, shown: Range) -> Range:
    start_ms = panel.on_grid(it.clocks.wall_ms()) - 20 * panel.step_ms
    await it._compare(stand, panel, Range(start_ms, start_ms + it.chance.choice((40, 300)) * panel.step_ms))
    return shown


async def one_point(it: Episode, stand: Stand, panel: Panel, shown: Range) -> Range:
    time_ms = it.chance.choice((shown.start_ms, shown.end_ms, panel.on_grid(END_MS - it.chance.randrange(it.reach_ms))))
    await it._compare(stand, panel, Range(time_ms, time_ms))
    return shown


async def too_many_points(it: Episode, stand: Stand, panel: Panel, shown: Range) -> Range:
    """One more than the source gives, or by a part of a step; what it gives to the last is asked of cheap panels."""
    over_ms = it.chance.choice((panel.step_ms, 1))
    if len(panel.query) < 12 and it.chance.random() < 0.2:
        over_ms = 0
    await it._compare(stand, panel, Range(shown.end_ms - MOST_POINTS * panel.step_ms - over_ms, shown.end_ms))
    return shown


async def ttl_ends(it: Episode, stand: Stand, panel: Panel, shown: Range) -> Range:
    it.clocks.advance(it.ttl_ms + it.chance.choice((-1, 0, 1)))
    await it._compare(stand, panel, shown)
    return shown


async def settled_ttl_ends(it: Episode, stand: Stand, panel: Panel, shown: Range) -> Range:
    it.clocks.advance(it.settled_ms // it.chance.choice((1, 2, 2)))
    await it._compare(stand, panel, shown)
    return shown


async def ttl_changes(it: Episode, stand: Stand, panel: Panel, shown: Range) -> Range:
    if it.chance.random() < 0.2:
        await stand.set_ttl(0)  # no deltas, for this once
        await it._compare(stand, panel, shown)
    it.ttl_ms = it.chance.choice((1, 5, 60, 600)) * SECOND_MS
    await stand.set_ttl(it.ttl_ms)
    await it._compare(stand, panel, shown)
    return shown


async def clean(it: Episode, stand: Stand, panel: Panel, shown: Range) -> Range:
    await stand.clean()
    await it._compare(stand, panel, shown)
    return shown


async def wall_clock_is_set_back(it: Episode, stand: Stand, panel: Panel, shown: Range) -> Range:
    it.clocks.set_wall_back(it.chance.choice((1, 60, 3600, -3600)) * SECOND_MS)
    await it._compare(stand, panel, shown)
    return shown


Operation = Callable[[Episode, Stand, Panel, Range], Awaitable[Range]]
OFTEN: tuple[Operation, ...] = (refresh, refresh_by_steps, zoom_in, pan, zoom_out)
SELDOM: tuple[Operation, ...] = (
    *(
        leave_a_gap_and_bridge_it,
        leave_a_gap_and_bridge_it,
        repeat,
        many_viewers,
        unaligned,
        end_before_start,
        far_future,
        one_point,
        too_many_points,
    ),
    *(ttl_ends, settled_ttl_ends, ttl_changes, clean, wall_clock_is_set_back),
)
OPERATIONS = 4 * OFTEN + SELDOM


def _word(cache_status: str) -> str:
    """Its first parameter: hit, fwd=partial, …"""
    return cache_status.split(";")[1].strip()


def _told(ranges: tuple[Range, ...]) -> str:
    return ", ".join(f"{one.start_ms - END_MS:+}…{one.end_ms - END_MS:+}" for one in ranges)
