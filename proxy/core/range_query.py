"""A range query as the engine sees it: points of a grid, an expression that says nothing but what each of them is, and a
codec that takes its answers apart and puts them together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol, Self

from .chunk import Part
from .grid import Grid
from .matrix import Row, Stamps


class Flaw(StrEnum):
    """Why an answer cannot be taken for what was asked. Closed, so that it can be a metric's label."""

    SHAPE = "shape"  # not the document that is expected, or more than that
    GRID = "grid"  # a sample that is not at one of the points that were asked for
    ORDER = "order"  # samples of a series that do not follow one another in time
    DOUBLE = "double"  # two series with one label set
    PARTIAL = "partial"  # the source's own mark that something is missing


class Codec(Protocol):
    """How a family of sources writes series. Pure."""

    @property
    def stamps(self) -> Stamps: ...

    def read(self, body: bytes, grid: Grid, first: int, last: int) -> Part | Flaw:
        """A whole answer for the points `first` to `last`, every sample looked at."""

    def write(self, rows: Sequence[Row], infos: Sequence[str], warnings: Sequence[str]) -> bytes:
        """A whole answer, as the source would write it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowed:
    """A request for a part of the range: raw query, and body."""

    query: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeQuery:
    """`parts` are as `Call.parts`, but without the range. `narrow` writes the request for another range, in ms.

    `verbatim`: the client's own request asks for just these points. `starts_between`: the start is no whole millisecond, so
    only `aligned` has a grid. `pinned_ms`: the latest time that the expression names. `withheld_ms`: what the source says
    of points younger than that belongs to one answer alone.
    """

    start_ms: int
    end_ms: int
    step_ms: int
    parts: tuple[bytes, ...]
    codec: Codec
    narrow: Callable[[int, int], Narrowed]
    patience: str = ""
    """The request's own timeout, which is no part of the question."""
    verbatim: bool = True
    starts_between: bool = False
    pinned_ms: int | None = None
    withheld_ms: int = 0

    @property
    def grid(self) -> Grid:
        return Grid(self.step_ms, self.start_ms % self.step_ms)

    @property
    def first(self) -> int:
        return self.start_ms // self.step_ms

    @property
    def last(self) -> int:
        """The end need not be a point: no answer reaches beyond the last one before it."""
        return self.first + (self.end_ms - self.start_ms) // self.step_ms

    def aligned(self) -> Self:
        """From and to whole multiples of the step: another question, which the operator has chosen to ask."""
        return replace(
            self,
            start_ms=self.start_ms // self.step_ms * self.step_ms,
            end_ms=self.end_ms // self.step_ms * self.step_ms,
            starts_between=False,
            verbatim=False,
        )
