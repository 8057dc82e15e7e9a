"""PromQL composed at random over the history's metrics: what can be cut into pieces, what cannot, and what is no PromQL.

Prometheus itself adds floats up in a random order where it goes through a map, and breaks ties so: after a binary
operation, an aggregation or a function of an instant vector. What is `ordered` comes in the order of its storage; only
that is summed, averaged or ranked here, or the source would differ from itself in the last digit.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.servers.prometheus_history import END_S, HARD_PATHS

_FINE_GAUGES = ("temp", "up", "extreme", "pod", "fast", "job:req:rate5m", "start:end:offset", "once")
_FINE_COUNTERS = ("req_total", "lat_bucket", "fresh_total", "new_name_total")
_COARSE_GAUGES = ("slow", "temp", "job:req:rate5m")
_COARSE_COUNTERS = ("slow_total", "req_total")
_MATCHED: dict[str, dict[str, tuple[str, ...]]] = {
    "req_total": {"instance": ("a", "[bc]", ".+"), "code": ("200", "4..|5.."), "path": HARD_PATHS},
    "lat_bucket": {"instance": ("a", "b"), "le": ("0.5", ".+", ".Inf")},
    "temp": {"instance": ("a", "a|d"), "offset": ("x", "x|y"), "nowhere": ("",)},
    "up": {"instance": ("a", "a|b|é"), "job": ("web",)},
    "extreme": {"e": ("-9", "2.")},
    "pod": {"pod": ("p-0.", "p-2[0-9]", "p-11"), "zone": ("e", "u")},
    "fast": {"n": ("1", "[12]")},
    "slow": {"site": ("öst", "n.*|s.*")},
    "slow_total": {"site": ("north", ".*")},
}
"""Labels of the metrics, and values or patterns that fit some of their series."""
_LABELS = ("instance", "job", "code", "path", "offset", "pod", "zone", "site", "n", "le", "nowhere")
_OF_RANGES = "rate increase irate resets changes delta idelta deriv".split()
_OVER_TIME = "avg min max sum count stddev stdvar last present".split()
_MATH = "abs ceil floor exp sgn sqrt ln log2 log10 deg rad sin cos tan atan sinh".split()
_DATES = "minute hour month year day_of_week day_of_month day_of_year days_in_month".split()
_ANY_ORDER = "min max count group".split()
_ORDERED = "sum avg stddev stdvar".split()


@dataclass(frozen=True, slots=True)
class Vector:
    """`plain` can take a window, an offset or an `@` behind it."""

    text: str
    ordered: bool = False
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Expression:
    text: str
    kinds: frozenset[str]


Make = Callable[[int], Vector]


class Expressions:
    """`coarse`: for steps of an hour and more. Vectors are made to a depth of at most `depth`."""

    def __init__(self, chance: random.Random, *, coarse: bool) -> None:
        self._chance = chance
        self._gauges = _COARSE_GAUGES if coarse else _FINE_GAUGES
        self._counters = _COARSE_COUNTERS if coarse else _FINE_COUNTERS
        self._windows = ("20m", "1h", "6h", "1d", "1d12h") if coarse else ("10s", "40s", "1m", "90s", "5m", "17m", "1h")
        self._steps = ("10m", "30m", "1h") if coarse else ("5s", "15s", "1m", "70s")
        self._kinds: Counter[str] = Counter()
        self._leaves: tuple[Make, ...] = (self._selector,) * 3 + (self._over_range,) * 4 + (self._moved, self._pinned)
        self._makes: tuple[Make, ...] = (
            *(self._over_range, self._over_time, self._over_subquery, self._moved, self._pinned, self._aggregation),
            *(self._aggregation, self._ranked, self._quantile, self._count_values, self._histogram, self._absent),
            *(self._relabelled, self._with_scalar, self._matched, self._compared, self._set_operation, self._function),
            *(self._date, self._sorted, self._of_scalar, self._negative, self._in_parentheses, self._names_off),
        )

    def next(self) -> Expression:
        self._kinds.clear()
        depth = self._chance.choice((0, 1, 1, 2, 2, 3))
        roll = self._chance.random()
        if roll < 0.86:
            text = self._vector(depth).text
        elif roll < 0.94:
            text = self._number()
        else:
            text = self._wrong()
        return Expression(self._dressed(text), frozenset(self._kinds))

    def _vector(self, depth: int) -> Vector:
        return self._chance.choice(self._makes if depth > 0 else self._leaves)(depth - 1)

    def _is(self, kind: str) -> None:
        self._kinds[kind] += 1

    def _one_of(self, names: list[str] | tuple[str, ...]) -> str:
        name = self._chance.choice(names)
        self._is(name)
        return name

    # What reads storage.

    def _selector(self, _: int = 0) -> Vector:
        name = self._chance.choice(self._gauges + self._counters)
        match self._chance.randrange(12):
            case 0 | 1 | 2 | 3 if name in _MATCHED:
                self._is("matchers")
                matchers = [self._matcher(name) for _ in range(self._chance.choice((1, 1, 2)))]
                text = self._chance.choice((",", " , ")).join(matchers)
                return Vector(f"{name}{{{text}{self._chance.choice(('', ','))}}}", ordered=True, plain=True)
            case 4:
                self._is("names by pattern")
                text = self._chance.choice(
                    ('{__name__=~"temp|up"}', '{__name__="up"}', '{job="web",__name__!~"req.*"}')
                )
                return Vector(text, ordered=True)
            case 5 if ":" not in name:
                self._is("no such series")
                return Vector(f'{name}{{instance="nobody"}}', ordered=True, plain=True)
            case _:
                self._is("recorded name" if ":" in name else "name")
                return Vector(name, ordered=True, plain=True)

    def _matcher(self, name: str) -> str:
        label = self._chance.choice(list(_MATCHED[name]))
        value = self._chance.choice(_MATCHED[name][label])
        operator = self._chance.choice(("=", "!=") if value in HARD_PATHS else ("=~", "=~", "!~", "="))
        return f"{label}{self._chance.choice(('', ' '))}{operator}{self._quoted(value)}"

    def _quoted(self, value: str) -> str:
        """In one of PromQL's three quotes."""
        self._is("string in quotes of all kinds")
        quote = self._chance.choice("\"'`")
        if quote == "`":
            return f"`{value}`"
        return quote + value.replace("\\", "\\\\").replace(quote, f"\\{quote}") + quote

    def _plain(self) -> Vector:
        while not (vector := self._selector()).plain:
            pass
        return vector

    def _window(self, _: int = 0) -> str:
        """A range vector."""
        of = self._plain()
        return f"{of.text}[{self._chance.choice(self._windows)}]{self._shift()}"

    def _counter_window(self) -> str:
        return f"{self._chance.choice(self._counters)}[{self._chance.choice(self._windows)}]{self._shift()}"

    def _shift(self) -> str:
        roll = self._chance.random()
        if roll < 0.75:
            return ""
        return self._offset() if roll < 0.9 else f" @ {self._instant()}"

    def _offset(self) -> str:
        sign = self._chance.choice(("", "", "", "", "", "", "-", "- "))
        self._is("negative offset" if sign else "offset")
        word = self._chance.choice(("offset", "OFFSET"))
        return f" {word} {sign}{self._chance.choice(('30s', '5m', '7m30s', '1h', '1s', '1d'))}"

    def _instant(self) -> str:
        roll = self._chance.random()
        if roll < 0.2:
            return self._one_of(["start()", "end()", "start( )"])
        ages = {
            "@ old": (1300, 20_000),
            "@ older": (20_000, 90_000),
            "@ young": (-100, 700),
            "@ ahead": (-90_000, -1000),
        }
        kind = self._one_of(list(ages))
        return f"{END_S - self._chance.randint(*ages[kind])}{self._chance.choice(('', '.5', '.0', 'e0'))}"

    def _over_range(self, _: int) -> Vector:
        match self._chance.randrange(6):
            case 0:
                self._is("predict_linear")
                return Vector(f"predict_linear({self._window()}, {self._chance.choice((60, 3600))})", ordered=True)
            case 1:
                self._is("holt_winters")
                return Vector(f"holt_winters({self._window()}, 0.3, 0.7)", ordered=True)
            case 2:
                return self._over_time(0)
            case _:
                return Vector(f"{self._one_of(_OF_RANGES)}({self._counter_window()})", ordered=True)

    def _over_time(self, _: int) -> Vector:
        name = self._one_of([*_OVER_TIME, "quantile", "absent"])
        self._is(f"{name}_over_time")
        first = f"{self._chance.choice((0, 0.5, 0.99, 2))}, " if name == "quantile" else ""
        return Vector(f"{name}_over_time({first}{self._window()})", ordered=True)

    def _over_subquery(self, depth: int) -> Vector:
        """One in another has a small window: the source's work is the product."""
        of = self._vector(min(depth, 1))
        self._is("sub-query in a sub-query" if "_over_time((" in of.text else "sub-query")
        windows = self._windows[:2] if "_over_time((" in of.text else self._windows[:-1]
        step = self._chance.choice(("", *self._steps))
        self._is(f"sub-query {'with' if step else 'without'} step")
        name = self._chance.choice(("max", "min", "count", "last", "sum", "avg"))
        return Vector(
            f"{name}_over_time(({of.text})[{self._chance.choice(windows)}:{step}]{self._shift()})", ordered=of.ordered
        )

    def _moved(self, _: int) -> Vector:
        return Vector(self._plain().text + self._offset(), ordered=True)

    def _pinned(self, _: int) -> Vector:
        text = f"{self._plain().text} @ {self._instant()}"
        return Vector(text + (self._offset() if self._chance.random() < 0.3 else ""), ordered=True)

    # What makes vectors of vectors.

    def _grouping(self) -> str:
        word = self._one_of(("by", "without", "BY", "ungrouped"))
        if word == "ungrouped":
            return ""
        return f" {word} ({', '.join(self._chance.sample(_LABELS, self._chance.randrange(4)))})"

    def _aggregated(self, name: str, of: str) -> Vector:
        grouping = self._grouping()
        if self._chance.random() < 0.3:
            self._is("grouping behind")
            return Vector(f"{name}({of}){grouping}")
        return Vector(f"{name}{grouping} ({of})")

    def _aggregation(self, depth: int) -> Vector:
        of = self._vector(depth)
        return self._aggregated(self._one_of(_ANY_ORDER + (_ORDERED if of.ordered else [])), of.text)

    def _ranked(self, depth: int) -> Vector:
        of = self._vector(depth)
        while not of.ordered:
            of = self._vector(0)
        return self._aggregated(self._one_of(("topk", "bottomk")), f"{self._chance.randrange(5)}, {of.text}")

    def _quantile(self, depth: int) -> Vector:
        self._is("quantile")
        return self._aggregated("quantile", f"{self._chance.choice((-1, 0, 0.25, 0.9))}, {self._vector(depth).text}")

    def _count_values(self, depth: int) -> Vector:
        self._is("count_values")
        return self._aggregated("count_values", f'"v", {self._vector(depth).text}')

    def _histogram(self, _: int) -> Vector:
        self._is("histogram_quantile")
        inner = f"rate(lat_bucket[{self._chance.choice(self._windows)}])"
        if self._chance.random() < 0.6:
            inner = f"sum by (le{self._chance.choice(('', ', instance'))}) ({inner})"
        return Vector(f"histogram_quantile({self._chance.choice((0.5, 0.99, 1.1))}, {inner})")

    def _absent(self, depth: int) -> Vector:
        self._is("absent")
        return Vector(f"absent({self._vector(depth).text})", ordered=True)

    def _relabelled(self, depth: int) -> Vector:
        of = self._vector(depth).text
        if self._one_of(("label_replace", "label_join")) == "label_join":
            return Vector(f'label_join({of}, "z", "-", "instance", "job")')
        target = self._chance.choice(("z", "instance", "__name__"))
        return Vector(f'label_replace({of}, "{target}", "x$1\\t", "instance", "(.*)")')

    def _with_scalar(self, depth: int) -> Vector:
        operator = self._one_of(("+", "-", "*", "/", "%", "^", "atan2"))
        sides = [self._vector(depth).text, self._number()]
        self._chance.shuffle(sides)
        return Vector(f"({sides[0]} {operator} {sides[1]})")

    def _matched(self, depth: int) -> Vector:
        """One to one where labels have it so; an error of the source where not."""
        operator = self._one_of(("+", "*", "/", "-", ">", "!="))
        matching = self._chance.choice(("", " on (instance)", " ignoring (offset, zone)", " on (job)", " on ()"))
        if matching:
            self._is(matching.split()[0])
        if matching and self._chance.random() < 0.5:
            matching += " " + self._one_of(("group_left", "group_right", "group_left (offset)"))
        left, right = (self._vector(depth) if depth > 0 else self._selector() for _ in "ab")
        if not (left.ordered and right.ordered):  # an error would name two of the series, in any order
            left = right = self._selector()
        return Vector(f"({left.text} {operator}{matching} {right.text})")

    def _compared(self, depth: int) -> Vector:
        word = self._one_of(("", "bool"))
        operator = self._one_of(("==", "!=", ">", "<", ">=", "<="))
        return Vector(f"({self._vector(depth).text} {operator} {word} {self._number()})")

    def _set_operation(self, depth: int) -> Vector:
        operator = self._one_of(("and", "or", "unless", "AND"))
        matching = self._chance.choice(("", "", " on (instance)", " ignoring (job)"))
        return Vector(f"({self._vector(depth).text} {operator}{matching} {self._vector(depth).text})")

    def _function(self, depth: int) -> Vector:
        of = self._vector(depth).text
        name = self._one_of([*_MATH, "clamp", "clamp_min", "clamp_max", "round", "timestamp"])
        more = {"clamp": ", -1, 20.5", "clamp_min": ", 3", "clamp_max": ", 1e1", "round": ", 0.25"}.get(name, "")
        return Vector(f"{name}({of}{more})")

    def _date(self, depth: int) -> Vector:
        name = self._one_of(_DATES)
        return Vector(f"{name}({self._chance.choice(('', 'vector(time())', self._vector(depth).text))})")

    def _sorted(self, depth: int) -> Vector:
        return Vector(f"{self._one_of(('sort', 'sort_desc'))}({self._vector(depth).text})")

    def _of_scalar(self, _: int) -> Vector:
        self._is("vector")
        return Vector(f"vector({self._number()})", ordered=True)

    def _negative(self, depth: int) -> Vector:
        self._is("negative")
        return replace(of := self._vector(depth), text=f"-({of.text})", plain=False)

    def _in_parentheses(self, depth: int) -> Vector:
        self._is("parentheses")
        return replace(of := self._vector(depth), text=f"({of.text})", plain=False)

    def _names_off(self, depth: int) -> Vector:
        """What takes the names off series of several names: an error, where two are alike within the range."""
        self._is("names taken off")
        names = self._chance.choice(("temp|up", "old_name_total|new_name_total", "fast|slow"))
        match self._chance.randrange(3):
            case 0:
                return Vector(f'rate({{__name__=~"{names}"}}[1m])', ordered=True)
            case 1:
                return Vector(f'-{{__name__=~"{names}"}}', ordered=True)
            case _:
                return Vector(f"max_over_time(({' or '.join(names.split('|'))})[5m:1m])")

    # What is no vector.

    def _number(self) -> str:
        kind = self._one_of(("number", "number", "time()", "scalar", "pi()", "scalars added"))
        match kind:
            case "number":
                return self._chance.choice(("1", "0", "-3.25", "0x1F", "1e3", ".5", "NaN", "+Inf", "-Inf", "20"))
            case "scalar":
                return f"scalar({self._plain().text})"
            case "scalars added":
                return "(2 * time() - 1e9)"
            case _:
                return kind

    def _wrong(self) -> str:
        """What the source refuses, or Prometheus 2.42 does not know."""
        self._is("refused")
        of = self._plain().text
        return self._chance.choice(
            (
                *("temp{", "sum(", "1 +", "", "'unterminated", "temp offset", "{}", "temp @ nowhere", "☃", "temp)"),
                *(
                    "rate(temp)",
                    "nonsense(1)",
                    "topk(temp)",
                    "temp[5m]",
                    '"a string"',
                    "temp[0s]",
                    "sum(1)",
                    "temp temp",
                ),
                *(f"limitk(1, {of})", f"limit_ratio(0.5, {of})", f"info({of})", "step()", "range()", "now()", "end()"),
                *(f"{of} offset 5m offset 1m", f"{of} smoothed", f'label_replace({of}, "a b", "", "", "(")'),
                *(f"{of} @ 1 @ 2", "sum by (a b) (up)", 'up{instance="a"', "up{a=~'('}", "1 == 1", "-'x'"),
            )
        )

    def _dressed(self, text: str) -> str:
        match self._chance.randrange(12):
            case 0:
                self._is("comment")
                return f"{text} # offset -5m @ end() \"'`"
            case 1:
                self._is("comment before")
                return f"# start() it's\n\t{text}\n"
            case 2:
                self._is("white space")
                return text.replace(", ", " ,\n ").replace(" (", "\t(")
            case _:
                return text
