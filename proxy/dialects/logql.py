"""Whether a LogQL query's range may be cut into slices: a metric query each of whose points depends on its own time alone.

A range aggregation counts the lines of its window, which ends at the point's time. What is not known to be safe is not:
unknown functions and stages, `topk` and its like, templates that ask for the time of the query.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from .lexemes import CLOSE, END, OPEN, QUOTED, RAW, Grammar, Lexeme, Token, Undecidable, lex, with_next
from .promql import KEYWORDS, REMEMBERED_CHARS, REMEMBERED_TEXTS, Sliceable, called

_RANGE_AGGREGATIONS = frozenset(
    """
    absent_over_time avg_over_time bytes_over_time bytes_rate count_over_time first_over_time last_over_time max_over_time
    min_over_time quantile_over_time rate rate_counter stddev_over_time stdvar_over_time sum_over_time
    """.split()
)
_CALLS = (
    _RANGE_AGGREGATIONS
    | frozenset("avg count max min stddev stdvar sum label_replace vector".split())
    | frozenset("bytes duration duration_seconds ip".split())  # conversions after `unwrap`, a filter of addresses
    | KEYWORDS - {"atan2"}
)
_TEMPLATES = frozenset("label_format line_format".split())
_STAGES = _TEMPLATES | frozenset("decolorize drop json keep logfmt pattern regexp unpack unwrap".split())
_COMPARISONS = frozenset("= == != =~ !~ > >= < <=".split())

_ASKS_THE_TIME = re.compile(r"now|date|\\", re.IGNORECASE)
"""`now`, and `date` of what is no date; a backslash could write either in another way."""

_UNIT = r"(?:[num]?s|[mhdwy]|[kKMGTP]?i?B)"
_GRAMMAR = Grammar(
    string=f"{QUOTED}|{RAW}",
    name=r"[A-Za-z_][0-9A-Za-z_]*+",
    number=rf"(?:[0-9]++(?:\.[0-9]*+)?(?:[eE][-+]?[0-9]++)?{_UNIT}?){{1,7}}(?![0-9A-Za-z_.])",
    # Go's comments are skipped by Loki's scanner: what stands in them is no text.
    sign=r"[-+*%^(),]|/(?![/*])|\|[=~>]?|!~|!>|=~|[=!<>]=|[=<>]",
)


def sliceable(text: str) -> Sliceable | None:
    """None: it is a query of log lines, it depends on more than the time, or that cannot be told."""
    return _remembered(text) if len(text) <= REMEMBERED_CHARS else _decide(text)


def _decide(text: str) -> Sliceable | None:
    try:
        return Sliceable(None) if _depends_on_time_alone(lex(text, _GRAMMAR)) else None
    except Undecidable:
        return None


_remembered = lru_cache(maxsize=REMEMBERED_TEXTS)(_decide)


def _depends_on_time_alone(lexemes: Iterable[Lexeme]) -> bool:
    depth, before = 0, END
    aggregated = windowed = templated = asks_the_time = False
    for lexeme, after in with_next(iter(lexemes)):
        match lexeme:
            case Lexeme(Token.NAME, text):
                word = text.lower()
                if word == "offset" and after.kind is not Token.DURATION:
                    return False
                if called(after) and word not in _CALLS:
                    return False
                if before.text == "|" and word not in _STAGES and after.text not in _COMPARISONS:
                    return False
                aggregated |= word in _RANGE_AGGREGATIONS and after == OPEN
                templated |= word in _TEMPLATES
            case Lexeme(Token.STRING, text):
                asks_the_time |= _ASKS_THE_TIME.search(text) is not None
            case Lexeme(Token.SELECTOR) if before is END:
                return False
            case Lexeme(Token.SUBQUERY):
                return False
            case Lexeme(Token.WINDOW):
                windowed = True
            case _ if lexeme == OPEN:
                depth += 1
            case _ if lexeme == CLOSE:
                depth -= 1
                if depth < 0:
                    return False
        before = lexeme
    return depth == 0 and aggregated and windowed and not (templated and asks_the_time)
