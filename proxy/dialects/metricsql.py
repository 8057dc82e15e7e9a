r"""Whether a query's range may be cut into slices at VictoriaMetrics, which reads MetricsQL: a part of PromQL, at most.

MetricsQL takes all of PromQL, more than that, and means something else by some of it: it works on whole series where
Prometheus works on points. What is left out for that reason:

* `or`: where the left side has gaps, the right side's values are put under the left side's labels, if there is a left side
  anywhere in the range; `scalar`: NaN everywhere, if there are two series anywhere in the range; `sgn`: 0 where a series
  has no value; `bottomk`: what has no value is the least.
* `rate`, `increase` and whatever else compares with the sample before its window, however old: it is there if it was
  fetched, so after a gap the value depends on where the range begins.
* `sort`, `sort_desc` and their like, and `topk`: the order of the answer, by the values of the range.
* `histogram_…`: a bucket that has no value at a point counts differently than one that is not in the range.
* A rollup without a window, or of anything but a selector or a subquery: its window is derived from the data fetched.
* Lists in parentheses, aggregations of several arguments (`union`), WITH templates, `limit`, `keep_metric_names`, `if`,
  `ifnot`, `default`, `prefix`.

What stays is how far a selector looks back, which is estimated from the data fetched, and that the very first sample of a
series is not found by a range that ends with it: the reasons why deltas of this source are the operator's choice.
"""

from dataclasses import dataclass
from functools import lru_cache

from .lexemes import AT, CLOSE, COMMA, DURATION, END, OPEN, RAW, STRING, Grammar, Lexeme, Token, Undecidable, lex
from .promql import (
    AGGREGATIONS,
    FUNCTIONS,
    REMEMBERED_CHARS,
    REMEMBERED_TEXTS,
    ROLLUPS,
    UNSAFE_WORDS,
    Sliceable,
    depends_on_time_alone,
)

_WHOLE_SERIES = frozenset("scalar sgn sort sort_by_label sort_by_label_desc sort_desc timestamp".split())
"""`timestamp` is a rollup here, and PromQL gives it no window."""
_SEE_BEFORE_THEIR_WINDOW = frozenset("changes delta holt_winters idelta increase irate rate resets".split())
_FUNCTIONS = frozenset(
    name
    for name in (FUNCTIONS | ROLLUPS) - _WHOLE_SERIES - _SEE_BEFORE_THEIR_WINDOW
    if not name.startswith(("histogram_", "ts_of_", "double_"))
)
_UNSAFE_WORDS = UNSAFE_WORDS | frozenset("bottomk default if ifnot keep_metric_names limit or prefix topk with".split())
_SINGLE = AGGREGATIONS - frozenset("count_values quantile".split())
"""Aggregations that have one argument in PromQL."""
_OPERATORS = frozenset("and atan2 bool unless".split())
"""A parenthesis after one is an operand."""

_RAW = RAW.removesuffix("`") + r"(?<!\\)`"
"""A backslash escapes a backtick here."""
_GRAMMAR = Grammar(string=STRING.replace(RAW, _RAW), duration=DURATION + "(?!-)")
"""`1h-5m` is one duration here."""


def sliceable(text: str) -> Sliceable | None:
    """None: it depends on more than the time, or that cannot be told."""
    return _remembered(text) if len(text) <= REMEMBERED_CHARS else _decide(text)


def _decide(text: str) -> Sliceable | None:
    try:
        lexemes = list(lex(text, _GRAMMAR))
    except Undecidable:
        return None
    decided = depends_on_time_alone(lexemes, functions=_FUNCTIONS, unsafe=_UNSAFE_WORDS)
    return decided if decided is not None and _means_the_same(lexemes) else None


_remembered = lru_cache(maxsize=REMEMBERED_TEXTS)(_decide)


@dataclass(slots=True)
class _Parenthesis:
    """An open one. `call`: the function, aggregation or keyword before it, in lower case, or nothing."""

    call: str
    argument: int = 0
    windowed: bool = False

    def of_range(self) -> bool:
        """Whether we are in the argument that is a range vector."""
        return self.call in ROLLUPS and self.argument == (self.call == "quantile_over_time")


def _means_the_same(lexemes: list[Lexeme]) -> bool:
    """Whether it is PromQL as far as calls and windows go. The parentheses are balanced."""
    stack = [_Parenthesis("")]
    listed = ""  # the aggregation whose arguments come after a list of labels: sum by (…) (…)
    before = END
    for lexeme in lexemes:
        inner = stack[-1]
        if lexeme == OPEN:
            if before.kind is Token.NAME:
                call = before.text.lower()
                stack.append(_Parenthesis("" if call in _OPERATORS else call))
            else:
                stack.append(_Parenthesis(listed if before == CLOSE else ""))
                listed = ""
        elif lexeme == CLOSE:
            if inner.call in ROLLUPS and not inner.windowed:
                return False
            stack.pop()
        elif lexeme == COMMA:
            if not inner.call or inner.call in _SINGLE:
                return False
            inner.argument += 1
        elif lexeme.kind in (Token.WINDOW, Token.SUBQUERY):
            if not inner.of_range() or inner.windowed:
                return False
            inner.windowed = True
        elif lexeme.kind is Token.SIGN and lexeme != AT and inner.of_range():
            return False
        elif lexeme.kind is Token.NAME:
            word = lexeme.text.lower()
            if word in _OPERATORS and inner.of_range():
                return False
            if word in ("by", "without"):
                listed = before.text.lower() if before.text.lower() in AGGREGATIONS else ""
        before = lexeme
    return True
