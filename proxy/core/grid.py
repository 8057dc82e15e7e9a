"""The points in time at which a range query is evaluated: start, start + step, and so on.

A point is named by its index, counted in steps since 1970, never by its time: two ranges of one expression that share
step and phase then share indices, and nothing can end between two points (Mimir's and Cortex's results_cache.go need
rules for that because they reckon in milliseconds).
"""

from typing import NamedTuple

_QUARTER_MS = 15 * 60 * 1000
_QUARTERS_OF_A_DAY = 96


class Grid(NamedTuple):
    """`phase_ms` is a time of a point modulo `step_ms`; never negative."""

    step_ms: int
    phase_ms: int

    def time_ms(self, index: int) -> int:
        return self.phase_ms + index * self.step_ms

    def index_at(self, time_ms: int) -> int:
        """Of the last point that is not after `time_ms`."""
        return (time_ms - self.phase_ms) // self.step_ms

    @property
    def is_regular(self) -> bool:
        """Whether somebody who aligns ranges to the step, in whatever time zone, arrives at this phase.

        Grafana floors to a multiple of the step in the browser's offset from UTC; offsets are quarters of an hour.
        """
        return self.phase_ms == 0 or any(
            (self.phase_ms + quarters * _QUARTER_MS) % self.step_ms == 0 for quarters in range(_QUARTERS_OF_A_DAY)
        )
