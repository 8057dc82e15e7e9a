"""Extents against an oracle that holds every point by itself."""

import itertools
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from proxy.core.extents import Extent, Gap, Lives, added, aged, asked, fresh, gaps, within, without_forecasts
from proxy.core.grid import Grid

LIVES = Lives(young_ms=60, settled_ms=1000)
POINTS = st.integers(-20, 60)


@st.composite
def stretches(draw: st.DrawFn) -> tuple[int, int]:
    first = draw(POINTS)
    return first, draw(st.integers(first, first + 40))


@dataclass(frozen=True, slots=True)
class Point:
    """What is known of one point: when it was asked, and whether it was settled then."""

    asked_at: int
    settled: bool


class Oracle:
    """Knowledge as a set of points."""

    def __init__(self) -> None:
        self.points: dict[int, Point] = {}

    def ask(self, first: int, last: int, settled_to: int, now: int) -> None:
        for index in range(first, last + 1):
            self.points[index] = Point(now, index <= settled_to)

    def fresh(self, now: int) -> set[int]:
        lives = {True: LIVES.settled_ms, False: LIVES.young_ms}
        return {index for index, point in self.points.items() if now - point.asked_at < lives[point.settled]}


def indices(extents: list[Extent]) -> set[int]:
    return {index for extent in extents for index in range(extent.first, extent.last + 1)}


@given(st.lists(st.tuples(stretches(), POINTS, st.integers(0, 400)), max_size=12), st.integers(0, 100))
def test_what_was_asked_is_known_as_long_as_it_lives(steps: list[tuple[tuple[int, int], int, int]], later: int) -> None:
    """No point is fresh that is not fresh by itself; and none that no other was put together with is lost."""
    oracle, extents, now = Oracle(), list[Extent](), 0
    for (first, last), settled_to, passed in steps:
        now += passed
        extents = aged(extents, passed)
        oracle.ask(first, last, settled_to, now)
        extents = added(extents, asked(first, last, settled_to=settled_to, age_ms=0, lives=LIVES))
        assert indices(extents) == set(oracle.points)
        assert {i for e in extents if e.settled for i in range(e.first, e.last + 1)} == {
            index for index, point in oracle.points.items() if point.settled
        }
    found = indices(fresh(aged(extents, later), LIVES))
    assert found <= oracle.fresh(now + later)
    assert all(one.last < other.first for one, other in itertools.pairwise(extents))


@given(st.lists(stretches(), max_size=12), stretches())
def test_gaps_and_what_is_known_make_the_range(known: list[tuple[int, int]], wanted: tuple[int, int]) -> None:
    extents: list[Extent] = []
    for first, last in known:
        extents = added(extents, asked(first, last, settled_to=100, age_ms=0, lives=LIVES))
    first, last = wanted
    found = gaps(extents, first, last)
    asked_for = {index for gap in found for index in range(gap.first, gap.last + 1)}
    missing = set(range(first, last + 1)) - indices(extents)
    assert missing <= asked_for <= set(range(first, last + 1))
    assert asked_for | indices(within(extents, first, last)) == set(range(first, last + 1))
    assert bool(found) == bool(missing)
    assert len(found) <= 3
    assert all(one.last + 1 < other.first for one, other in itertools.pairwise(found))
    assert sum(gap.points for gap in found) <= 2 * len(missing) + 8 * len(found)


def young(first: int, last: int, age_ms: int) -> Extent:
    return Extent(first, last, age_ms, LIVES.young_ms, False)


def settled(first: int, last: int, age_ms: int) -> Extent:
    return Extent(first, last, age_ms, LIVES.settled_ms, True)


def test_settled_and_young_are_told_apart_where_they_were_when_asked() -> None:
    assert asked(0, 9, settled_to=5, age_ms=3, lives=LIVES) == [settled(0, 5, 3), young(6, 9, 3)]
    assert asked(0, 9, settled_to=9, age_ms=3, lives=LIVES) == [settled(0, 9, 3)]
    assert asked(0, 9, settled_to=-1, age_ms=3, lives=LIVES) == [young(0, 9, 3)]


def test_adjacent_settled_ones_become_one_as_old_as_the_oldest() -> None:
    assert added([settled(0, 9, 50)], [settled(10, 12, 3)]) == [settled(0, 12, 50)]


def test_young_ones_of_different_ages_stay_apart() -> None:
    assert added([settled(0, 9, 50), young(10, 12, 50)], [young(13, 13, 0)]) == [
        settled(0, 9, 50),
        young(10, 12, 50),
        young(13, 13, 0),
    ]


def test_very_many_young_ones_are_put_together_as_old_as_the_oldest() -> None:
    extents: list[Extent] = []
    for index in range(200):
        extents = added(aged(extents, 1), [young(index, index, 0)])
    assert len(extents) <= 65
    assert indices(extents) == set(range(200))
    assert all(extent.age_ms >= 199 - extent.first for extent in extents)


def test_a_new_answer_takes_the_place_of_what_was_known() -> None:
    assert added([settled(0, 9, 50)], [young(4, 5, 0)]) == [settled(0, 3, 50), young(4, 5, 0), settled(6, 9, 50)]


def test_what_a_source_withheld_is_no_knowledge_until_it_is_asked_anew() -> None:
    grid, extents = Grid(10, 0), [settled(0, 4, 30), young(5, 14, 30)]
    assert without_forecasts(extents, grid, 120, 20) == [
        settled(0, 4, 30),
        young(5, 7, 30),
    ]  # at 90, which shows 70
    assert without_forecasts(extents, grid, 900, 20) == [settled(0, 4, 30), young(5, 14, 30)]
    assert without_forecasts([young(5, 14, 0)], grid, 40, 20) == []


def test_once_some_young_points_expire_the_younger_ones_are_asked_again_with_them() -> None:
    known = [settled(0, 9, 500), young(10, 12, 60), young(13, 13, 30), young(14, 14, 10)]
    assert fresh(known, LIVES) == [settled(0, 9, 500)]
    assert gaps(fresh(known, LIVES), 0, 15) == [Gap(10, 15)]


def test_points_that_lay_ahead_when_they_were_asked_are_unknown_once_they_have_come() -> None:
    grid, now_ms = Grid(10, 0), 1005
    asked_at_945 = [settled(0, 80, 900), young(81, 120, 60)]
    assert without_forecasts(asked_at_945, grid, now_ms) == [
        settled(0, 80, 900),
        young(81, 94, 60),
        young(101, 120, 60),
    ]
    assert without_forecasts([young(95, 100, 60)], grid, now_ms) == []
    assert indices(without_forecasts([young(81, 120, 5)], grid, now_ms)) == set(range(81, 121))
    assert without_forecasts([settled(0, 99, 900)], grid, now_ms) == [settled(0, 99, 900)]


def test_shortening_bites_and_lengthening_revives_nothing() -> None:
    extent = young(0, 0, 30)
    assert Lives(young_ms=20, settled_ms=1000).left_ms(extent) <= 0
    assert Lives(young_ms=10_000, settled_ms=10_000).left_ms(extent) == 30
    assert Lives(young_ms=10_000, settled_ms=10_000).left_ms(young(0, 0, 60)) <= 0


def test_points_between_gaps_are_asked_again_where_that_saves_requests() -> None:
    apart = [settled(10, 17, 0), settled(30, 99, 0)]
    assert gaps(apart, 0, 119) == [Gap(0, 29), Gap(100, 119)]  # 8 points are few
    islands = [settled(start, start + 15, 0) for start in range(10, 110, 20)]
    assert gaps(islands, 0, 119) == [Gap(0, 119)]  # more than three requests
    assert gaps([settled(40, 59, 0)], 0, 99) == [Gap(0, 99)]  # most of it is missing
