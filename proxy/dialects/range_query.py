"""Range queries read as Prometheus' servers read them: start and end in milliseconds, step in milliseconds, and whether
the text may be sliced.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from ..core.model import Request
from ..core.range_query import Codec, Narrowed, RangeQuery
from .form import Form, decode, without
from .promql import Sliceable

MOST_STEPS = 11_000
"""More is an error at the source (web/api/v1: exceeded maximum resolution), and must stay one."""
_PATIENCE = "timeout"
"""Says how long to wait, not what to answer."""
_NO_PART_OF_THE_QUESTION = frozenset((b"start", b"end", b"step", _PATIENCE.encode()))

_SECONDS = re.compile(r"\d{1,11}(?:\.\d+)?", re.ASCII)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_DURATION = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII)
_UNITS_MS = (31_536_000_000, 604_800_000, 86_400_000, 3_600_000, 60_000, 1000, 1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Times(Protocol):
    """How a family writes times in requests."""

    def read(self, text: str) -> tuple[int, bool] | None:
        """Milliseconds, rounded down, and whether they were rounded; None for what is not understood."""

    def write(self, time_ms: int) -> str: ...


class Seconds:
    """Seconds since 1970 with at most three decimals that count, or RFC 3339."""

    def read(self, text: str) -> tuple[int, bool] | None:
        if _SECONDS.fullmatch(text):
            return go_nanoseconds(float(text)) // 1_000_000, False
        if _RFC3339.fullmatch(text):
            try:
                since = datetime.fromisoformat(text) - _EPOCH
            except ValueError:
                return None
            return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000, False
        return None

    def write(self, time_ms: int) -> str:
        return f"{time_ms // 1000}.{time_ms % 1000:03d}"


def go_nanoseconds(seconds: float) -> int:
    """Prometheus' parseTime, in the same floating-point steps: it rounds the fraction to thousandths, then cuts."""
    fraction, whole = math.modf(seconds)
    fraction = math.floor(fraction * 1000 + 0.5) / 1000
    return int(whole) * 1_000_000_000 + int(fraction * 1e9)


def step_ms(text: str) -> int | None:
    """None for what is no whole number of milliseconds: the engine would cut it, and the grid be another."""
    if _SECONDS.fullmatch(text):
        nanoseconds = int(float(text) * 1e9)
        return nanoseconds // 1_000_000 if nanoseconds % 1_000_000 == 0 and nanoseconds > 0 else None
    match = _DURATION.fullmatch(text)
    if match is None or len(text) > 40:
        return None
    milliseconds = sum(int(count or 0) * unit for count, unit in zip(match.groups(), _UNITS_MS, strict=True))
    return milliseconds if milliseconds > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeReader:
    """Reads the range queries of one family. `parameters` are those whose effect on a part of a range is known: with any
    other the query is not sliced. `requires` have to have one of their values. `adds` go into requests for a part.
    `withheld_ms` gives `RangeQuery.withheld_ms` for a step.
    """

    codec: Codec
    times: Times
    sliceable: Callable[[str], Sliceable | None]
    parameters: frozenset[str]
    requires: Mapping[str, frozenset[str]] | None = None
    adds: tuple[tuple[str, str], ...] = ()
    withheld_ms: Callable[[int], int] = lambda step_ms: 0

    def read(self, request: Request, form: Form) -> RangeQuery | None:
        """None for what cannot be proved to be sliceable. `form` has each single-valued parameter once."""
        given = form.given
        if not self._is_understood(given):
            return None
        start, end = self.times.read(given.get("start", "")), self.times.read(given.get("end", ""))
        step = step_ms(given.get("step", ""))
        if start is None or end is None or step is None:
            return None
        (start_ms, starts_between), (end_ms, _) = start, end
        if start_ms < 0:  # stamps with a sign
            return None
        # Where the start was rounded down, the end may be before it within the same millisecond. The range may be aligned,
        # which can make it a step longer.
        if end_ms < start_ms + starts_between or end_ms // step - start_ms // step > MOST_STEPS:
            return None
        expression = self.sliceable(given.get("query", ""))
        if expression is None:
            return None
        return RangeQuery(
            start_ms=start_ms,
            end_ms=end_ms,
            step_ms=step,
            parts=without(form.parts, _NO_PART_OF_THE_QUESTION),
            codec=self.codec,
            narrow=lambda first_ms, last_ms: self._narrow(request, first_ms, last_ms),
            patience=given.get(_PATIENCE, ""),
            verbatim=not self.adds,
            starts_between=starts_between,
            pinned_ms=expression.pinned_ms,
            withheld_ms=self.withheld_ms(step),
        )

    def _is_understood(self, given: Mapping[str, str]) -> bool:
        if not given.keys() <= self.parameters:
            return False
        requires = self.requires or {}
        return all(given[name] in values for name, values in requires.items() if name in given)

    def _narrow(self, request: Request, first_ms: int, last_ms: int) -> Narrowed:
        """The same request, byte for byte, but for its start and end."""
        values = {"start": self.times.write(first_ms), "end": self.times.write(last_ms)}
        query = _with_values(request.query, values)
        body = _with_values(request.body.decode("utf-8", "surrogateescape"), values)
        added = "&".join(f"{name}={value}" for name, value in self.adds)
        return Narrowed(
            query="&".join(filter(None, (query, added))),
            body=body.encode("utf-8", "surrogateescape"),
        )


def _with_values(encoded: str, values: Mapping[str, str]) -> str:
    fields = encoded.split("&")
    for number, field in enumerate(fields):
        name = decode(field.partition("=")[0])
        if name in values:
            fields[number] = f"{name}={values[name]}"
    return "&".join(fields)
