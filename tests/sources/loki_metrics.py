"""LogQL's metric queries, as far as the small Loki knows them, over lines that follow from the time alone.

    [sum|min|max|count|avg [by (…)]] ( count_over_time|rate|bytes_over_time|bytes_rate ( {…} [|= "…"] [[window]] ) )

Each point counts the lines of its window, which is open on the left, and so depends on nothing else; a series has no
sample where its window has no line. Anything else is a ValueError.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Any

from .recorder import number

_MS = 10**6
_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

_RANGE = re.compile(
    r'\s*(?P<function>[a-z_]+)\s*\(\s*(?P<selector>\{[^}]*\}|[a-z]+)\s*(?:\|=\s*"(?P<text>[^"]*)")?\s*'
    r"\[(?P<count>\d+)(?P<unit>ms|[smhd])\]\s*\)\s*"
)
_AGGREGATION = re.compile(
    r"\s*(?P<operator>sum|min|max|count|avg)\s*"
    r"(?:by\s*\((?P<before>[a-z_,\s]*)\)\s*)?\((?P<inner>.*?)\)\s*(?:by\s*\((?P<behind>[a-z_,\s]*)\))?\s*",
    re.DOTALL,
)
_MATCHER = re.compile(r'\s*([a-z_]+)\s*(=~|!=|=)\s*"([^"]*)"\s*')

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One line in each `every_ms`, at some moment in it; in every second stretch of `present` lines if that is not 0."""

    labels: Labels
    every_ms: int
    present: int = 0

    def lines(self, after_ms: int, to_ms: int) -> Iterator[str]:
        """Those later than `after_ms` and not later than `to_ms`."""
        for index in count(after_ms // self.every_ms - 1):
            if index * self.every_ms > to_ms:
                return
            at_ms = index * self.every_ms + number(self.labels, index) * self.every_ms // 1000
            if after_ms < at_ms <= to_ms and not (self.present and index // self.present % 2):
                yield f"line {number(self.labels, index, 'text')}"


STREAMS = (
    Stream(labels=(("app", "shop"), ("job", "x"), ("level", "error")), every_ms=61_000, present=40),
    Stream(labels=(("app", "shop"), ("job", "x"), ("level", "info")), every_ms=7_000),
    Stream(labels=(("app", "web"), ("job", "x"), ("level", "error")), every_ms=29_500),
    Stream(labels=(("app", "web"), ("job", "y"), ("level", "info")), every_ms=13_300, present=300),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    function: str
    streams: Sequence[Stream]
    text: str
    window_ms: int
    operator: str | None = None
    by: Sequence[str] = ()

    def at(self, time_ms: int) -> dict[Labels, float]:
        """The value of each series that has one."""
        found = {}
        for stream in self.streams:
            lines = [line for line in stream.lines(time_ms - self.window_ms, time_ms) if self.text in line]
            if lines:
                found[stream.labels] = self._value(lines)
        return self._grouped(found) if self.operator else found

    def _value(self, lines: Sequence[str]) -> float:
        total = len("".join(lines)) if self.function.startswith("bytes") else len(lines)
        return total / (self.window_ms / 1000) if self.function.endswith("rate") else total

    def _grouped(self, found: dict[Labels, float]) -> dict[Labels, float]:
        groups: dict[Labels, list[float]] = {}
        for labels, value in found.items():
            groups.setdefault(tuple(pair for pair in labels if pair[0] in self.by), []).append(value)
        return {labels: _OPERATORS[self.operator or ""](values) for labels, values in groups.items()}


_OPERATORS: dict[str, Callable[[list[float]], float]] = {
    "sum": sum,
    "min": min,
    "max": max,
    "count": len,
    "avg": lambda values: sum(values) / len(values),
}


def parse(text: str) -> Query:
    operator, by = None, ""
    if aggregation := _AGGREGATION.fullmatch(text):
        operator, by, text = (
            aggregation["operator"],
            aggregation["before"] or aggregation["behind"] or "",
            aggregation["inner"],
        )
    found = _RANGE.fullmatch(text)
    if found is None or found["function"] not in ("count_over_time", "rate", "bytes_over_time", "bytes_rate"):
        raise ValueError("not understood")
    return Query(
        function=found["function"],
        streams=[stream for stream in STREAMS if _matches(found["selector"], dict(stream.labels))],
        text=found["text"] or "",
        window_ms=int(found["count"]) * _UNITS_MS[found["unit"]],
        operator=operator,
        by=[name.strip() for name in by.split(",")],
    )


def _matches(selector: str, labels: dict[str, str]) -> bool:
    """A bare word selects all."""
    for matcher in filter(str.strip, selector.strip("{}").split(",") if selector.startswith("{") else ()):
        found = _MATCHER.fullmatch(matcher)
        if found is None:
            raise ValueError("not understood")
        name, sign, value = found.groups()
        if {"=": labels.get(name) != value, "!=": labels.get(name) == value}.get(
            sign, not re.fullmatch(value, labels.get(name, ""))
        ):
            return False
    return True


def matrix(query: Query, start_ns: int, end_ns: int, step_ns: int) -> list[dict[str, Any]]:
    """Evaluated at the start, and after each step up to the end; the stamps are cut to milliseconds."""
    found: dict[Labels, list[list[object]]] = {}
    for at_ms in (at_ns // _MS for at_ns in range(start_ns, end_ns + 1, step_ns)):
        stamp = at_ms // 1000 if at_ms % 1000 == 0 else at_ms / 1000
        for labels, value in query.at(at_ms).items():
            found.setdefault(labels, []).append([stamp, _written(value)])
    return [{"metric": dict(labels), "values": found[labels]} for labels in sorted(found)]


def _written(value: float) -> str:
    """As Go writes it: the shortest that reads back, and no exponent."""
    return format(Decimal(repr(value)), "f").removesuffix(".0")
