"""Extents: which points of a grid are known, how old that knowledge is, and what has to be asked.

All is reckoned in indices (`core.grid`), ends inclusive. An extent without any sample is knowledge too: that there is
none. Extents are kept sorted and disjoint.

A point that was older than the freshness window when it was asked is settled: it will not change, and lives for long.
A younger one was true when it was asked, and lives for the query TTL.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from .grid import Grid

_BRIDGE_POINTS = 8
"""A request costs the source more than so many points that it was asked for before."""
_MOST_GAPS = 3
_MOST_YOUNG = 64
"""In one chunk. More are put together, which makes the younger of them as old as the oldest."""


class Extent(NamedTuple):
    """Points `first` to `last`, asked together `age_ms` ago, when such points lived for `ttl_ms`."""

    first: int
    last: int
    age_ms: int
    ttl_ms: int
    settled: bool


class Gap(NamedTuple):
    """Points `first` to `last` that have to be asked."""

    first: int
    last: int

    @property
    def points(self) -> int:
        return self.last - self.first + 1


class Lives(NamedTuple):
    """How long young and settled points live by the settings of now. Shortening bites at once, lengthening revives
    nothing: of this and the TTL that is stored, the smaller one counts. For `stale_ms` more they may still answer.
    """

    young_ms: int
    settled_ms: int
    stale_ms: int = 0

    def capped(self, other: "Lives") -> "Lives":
        return Lives(*map(min, self, other))

    def left_ms(self, extent: Extent) -> int:
        """Of its life; below 0 it is stale for so long."""
        return min(extent.ttl_ms, self.settled_ms if extent.settled else self.young_ms) - extent.age_ms


def are_sound(extents: Sequence[Extent]) -> bool:
    """Whether they are sorted and disjoint, and none is empty or was asked in a time to come."""
    return all(extent.first <= extent.last and extent.age_ms >= 0 for extent in extents) and all(
        one.last < other.first for one, other in pairwise(extents)
    )


def aged(extents: Iterable[Extent], passed_ms: int) -> list[Extent]:
    return [
        Extent(first, last, age_ms + passed_ms, ttl_ms, settled) for first, last, age_ms, ttl_ms, settled in extents
    ]


def without_forecasts(extents: Iterable[Extent], grid: Grid, now_ms: int, withheld_ms: int = 0) -> list[Extent]:
    """Without the points whose time has come since they were asked: what a source says of points ahead is a forecast.
    Settled ones were past. Where a source withholds points until they are older than `withheld_ms`, their time comes as
    much later, and what it says before is not even a forecast.
    """
    now_ms -= withheld_ms
    last_come = grid.index_at(now_ms)
    found = []
    for extent in extents:
        last_then = last_come if extent.settled else grid.index_at(now_ms - extent.age_ms)
        if extent.last <= last_then:
            found.append(extent)
            continue
        if extent.first <= last_then:
            found.append(_bounded(extent, extent.first, last_then))
        if extent.last > last_come and not withheld_ms:
            found.append(_bounded(extent, last_come + 1, extent.last))
    return found


def fresh(extents: Iterable[Extent], lives: Lives) -> list[Extent]:
    """Those that may answer. Young points are refreshed together: once some have expired, the younger ones after them are
    asked again with them, by one request a TTL rather than one for each time that they were asked at.
    """
    found = []
    refresh = False
    for extent in extents:
        if lives.left_ms(extent) + lives.stale_ms <= 0:
            refresh = refresh or not extent.settled
        elif extent.settled or not refresh:
            found.append(extent)
    return found


def within(extents: Iterable[Extent], first: int, last: int) -> list[Extent]:
    """What of them lies in `first` to `last`."""
    return [
        extent if extent.first >= first and extent.last <= last else _bounded(extent, first, last)
        for extent in extents
        if extent.first <= last and extent.last >= first
    ]


def _bounded(extent: Extent, first: int, last: int) -> Extent:
    return extent._replace(first=max(extent.first, first), last=min(extent.last, last))


def gaps(known: Iterable[Extent], first: int, last: int) -> list[Gap]:
    """What of `first` to `last` is in no extent, as few requests.

    Points between two gaps are asked again where they are few, where there would be many requests, or where more is
    missing than is known.
    """
    return _economical(unknown(known, first, last))


def unknown(known: Iterable[Extent], first: int, last: int) -> list[Gap]:
    """What of `first` to `last` is in no extent."""
    found: list[Gap] = []
    cursor = first
    for extent in within(known, first, last):
        if extent.first > cursor:
            found.append(Gap(cursor, extent.first - 1))
        cursor = max(cursor, extent.last + 1)
    if cursor <= last:
        found.append(Gap(cursor, last))
    return found


def added(extents: Iterable[Extent], new: Sequence[Extent]) -> list[Extent]:
    """With `new`, which are adjacent, in place of whatever was known of the same points."""
    first, last = new[0].first, new[-1].last
    before = [e if e.last < first else _bounded(e, e.first, first - 1) for e in extents if e.first < first]
    after = [e if e.first > last else _bounded(e, last + 1, e.last) for e in extents if e.last > last]
    merged = _merged([*before, *new, *after])
    young = sum(not extent.settled for extent in merged)
    return merged if young <= _MOST_YOUNG else _merged(merged, whatever_age=True)


def asked(first: int, last: int, *, settled_to: int, age_ms: int, lives: Lives) -> list[Extent]:
    """What a request for `first` to `last` makes known, of which points up to `settled_to` were settled."""
    cut = min(last, settled_to)
    new = []
    if first <= cut:
        new.append(Extent(first, cut, age_ms, lives.settled_ms, True))
    if cut < last:
        new.append(Extent(max(first, cut + 1), last, age_ms, lives.young_ms, False))
    return new


def _merged(extents: Iterable[Extent], *, whatever_age: bool = False) -> list[Extent]:
    """Adjacent ones put together where nothing is lost but some life of settled points, or `whatever_age` they have."""
    found: list[Extent] = []
    for extent in extents:
        last = found[-1] if found else None
        if last is not None and last.last + 1 == extent.first and _alike(last, extent, whatever_age):
            found[-1] = Extent(
                last.first,
                extent.last,
                max(last.age_ms, extent.age_ms),
                min(last.ttl_ms, extent.ttl_ms),
                extent.settled,
            )
        else:
            found.append(extent)
    return found


def _alike(one: Extent, other: Extent, whatever_age: bool) -> bool:
    if one.settled != other.settled:
        return False
    return one.settled or whatever_age or (one.age_ms == other.age_ms and one.ttl_ms == other.ttl_ms)


def _economical(found: list[Gap]) -> list[Gap]:
    if len(found) < 2:
        return found
    span = Gap(found[0].first, found[-1].last)
    if len(found) > _MOST_GAPS or 2 * sum(gap.points for gap in found) > span.points:
        return [span]
    bridged = [found[0]]
    for gap in found[1:]:
        if gap.first - bridged[-1].last - 1 <= _BRIDGE_POINTS:
            bridged[-1] = Gap(bridged[-1].first, gap.last)
        else:
            bridged.append(gap)
    return bridged
