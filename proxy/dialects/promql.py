"""Whether a PromQL query's range may be cut into slices: whether each point depends on its own time alone.

No parser: what could tie a point to something else than its time is an `@`, an `offset`, the arithmetic of durations, or a
function, and all of them show in the lexemes. Functions are allowed by name, and what is not known to be safe is not.
Texts that Prometheus would refuse may pass: it is asked all the same, and says so itself.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from .lexemes import AT, CLOSE, END, OPEN, Grammar, Lexeme, Token, Undecidable, lex, with_next


@dataclass(frozen=True, slots=True)
class Sliceable:
    """Each point of the expression depends on its own time alone. `pinned_ms`: the latest instant that an `@` names, in
    ms since 1970, or None.
    """

    pinned_ms: int | None


FUNCTIONS = frozenset(
    """
    abs absent acos acosh asin asinh atan atanh ceil clamp clamp_max clamp_min cos cosh day_of_month day_of_week day_of_year
    days_in_month deg exp floor histogram_avg histogram_count histogram_fraction histogram_quantile histogram_stddev
    histogram_stdvar histogram_sum hour label_join label_replace ln log10 log2 minute month pi rad round scalar sgn sin sinh
    sort sort_by_label sort_by_label_desc sort_desc sqrt tan tanh time timestamp vector year
    """.split()
)
"""Of instant vectors and scalars. Sorting has no effect on ranges, which are in the order of their labels.

Left out: `start`, `end`, `range` (what they are named for), `step` (nothing but the step, but nobody needs it here),
`info` (joins with series that come and go), `histogram_quantiles` and whatever else is newer than this list.
"""
ROLLUPS = frozenset(
    """
    absent_over_time avg_over_time changes count_over_time delta deriv double_exponential_smoothing first_over_time
    holt_winters idelta increase irate last_over_time mad_over_time max_over_time min_over_time predict_linear
    present_over_time quantile_over_time rate resets stddev_over_time stdvar_over_time sum_over_time ts_of_first_over_time
    ts_of_last_over_time ts_of_max_over_time ts_of_min_over_time
    """.split()
)
"""Of range vectors: they see the samples of their window, which ends at the point's time."""
AGGREGATIONS = frozenset("avg bottomk count count_values group max min quantile stddev stdvar sum topk".split())
KEYWORDS = frozenset("and atan2 bool by group_left group_right ignoring on or unless without".split())
"""Those after which a parenthesis may open."""
UNSAFE_WORDS = frozenset("anchored fill fill_left fill_right limit_ratio limitk smoothed".split())
"""Modifiers that look ahead, or are too new to be known; aggregations that choose among series by their hashes."""

_FROM_THE_START = Lexeme(Token.NAME, "predict_linear")
"""With an `@`, Prometheus (2.42) gives it fewer samples at each further point: it depends on the range's start."""
_NO_NAME = (Lexeme(Token.NAME, "vector"), OPEN)
"""What has none, so that `or vector(0)` brings together no two names."""
_NAMED = re.compile(r"\{[ \t\n\r]*+(?:__name__[ \t\n\r]*+=[ \t\n\r]*+)?+[\"'`]")
"""The beginning of a selector that says its metric's name in braces."""

_BYTE = re.compile(r"""["'](?:[^\\]|\\.)*?\\(?:x[89A-Fa-f]|[23][0-7])""", re.DOTALL)
"""A string with a byte escaped in it, and so perhaps a label that is no UTF-8: in JSON different ones are alike."""

_GRAMMAR = Grammar()
_PLAIN = re.compile(r"(?:(?:0|[1-9][0-9]*+)(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][-+]?[0-9]++)?")
"""A number that every reader takes for the same: no octal, no hexadecimal, no underscore."""

REMEMBERED_CHARS = 4096
REMEMBERED_TEXTS = 512


def sliceable(text: str) -> Sliceable | None:
    """None: it depends on more than the time, or that cannot be told."""
    return _remembered(text) if len(text) <= REMEMBERED_CHARS else _decide(text)


def _decide(text: str) -> Sliceable | None:
    try:
        return depends_on_time_alone(lex(text, _GRAMMAR), functions=FUNCTIONS | ROLLUPS, unsafe=UNSAFE_WORDS)
    except Undecidable:
        return None


_remembered = lru_cache(maxsize=REMEMBERED_TEXTS)(_decide)
"""A dashboard asks the same again and again."""


def depends_on_time_alone(
    lexemes: Iterable[Lexeme], *, functions: frozenset[str], unsafe: frozenset[str]
) -> Sliceable | None:
    """Raises what `lexemes` raises. `unsafe`: words that may stand nowhere outside of braces and strings."""
    lexemes = tuple(lexemes)
    pinned_ms: int | None = None
    depth, before = 0, END
    for lexeme, after in with_next(iter(lexemes)):
        match lexeme:
            case Lexeme(Token.NAME, text):
                word = text.lower()
                if word in unsafe or (word == "offset" and after.kind not in (Token.DURATION, Token.NUMBER)):
                    return None
                if called(after) and not (text in functions or word in AGGREGATIONS or word in KEYWORDS):
                    return None
            case Lexeme(Token.STRING, text) if _BYTE.match(text):
                return None
            case Lexeme(Token.WINDOW) if before == CLOSE:  # a range of what is no selector
                return None
            case _ if lexeme == AT:
                instant_ms = _instant_ms(after)
                if instant_ms is None:
                    return None
                pinned_ms = max(instant_ms, pinned_ms or 0)
            case _ if lexeme == OPEN:
                depth += 1
            case _ if lexeme == CLOSE:
                depth -= 1
                if depth < 0:
                    return None
        before = lexeme
    if pinned_ms is not None and _FROM_THE_START in lexemes:
        return None
    if depth != 0 or before is END or _names_may_collide(lexemes):
        return None
    return Sliceable(pinned_ms)


def _names_may_collide(lexemes: Sequence[Lexeme]) -> bool:
    """Whether series of several names may lose their names all over the range, and not point by point: what rollups and
    signs do. Two that are alike then are an error, however far from each other they are.
    """
    kinds = {lexeme.kind for lexeme in lexemes}
    sub_query, nameless, negated, either = Token.SUBQUERY in kinds, False, False, False
    for before, lexeme, after, second in zip(
        (END, *lexemes), lexemes, (*lexemes[1:], END), (*lexemes[2:], END, END), strict=False
    ):
        operand_before = before == CLOSE or (before.kind is not Token.SIGN and before is not END and not _joins(before))
        match lexeme:
            case Lexeme(Token.SELECTOR, text):
                has_name = before.kind is Token.NAME and not _joins(before)
                nameless = nameless or not (has_name or _NAMED.match(text))
            case Lexeme(Token.SIGN, "-"):
                negated = negated or not (operand_before or after.kind is Token.NUMBER)
            case Lexeme(Token.NAME, text) if text.lower() == "or":
                either = either or (after, second) != _NO_NAME
    return (nameless and (negated or sub_query or Token.WINDOW in kinds)) or (either and (negated or sub_query))


def _joins(lexeme: Lexeme) -> bool:
    return lexeme.kind is Token.NAME and lexeme.text.lower() in KEYWORDS


def called(after: Lexeme) -> bool:
    """Whether a name is that of a function or an aggregation, or a keyword with a list, by what comes after it."""
    return after == OPEN or (after.kind is Token.NAME and after.text.lower() in ("by", "without"))


def _instant_ms(lexeme: Lexeme) -> int | None:
    if lexeme.kind is not Token.NUMBER or not _PLAIN.fullmatch(lexeme.text):
        return None
    exact_ms = float(lexeme.text) * 1000
    if not exact_ms < 2**63:
        return None
    floor_ms = math.floor(exact_ms)
    return floor_ms + (exact_ms - floor_ms >= 0.5)  # as Go's math.Round has it
