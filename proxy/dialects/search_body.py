"""Elasticsearch's query DSL, as far as a cache must understand it: does the answer depend on the moment of asking, and
is it a picker's list of terms.

False alarms cost a hit. `now` counts wherever a text has it as a word, because date math may stand in ranges, bounds,
origins, and inside the little language of `query_string`.
"""

import re

from .documents import Number, names, strings

_MOMENT = re.compile(
    r"(?<![A-Za-z0-9_])now(?![A-Za-z0-9_])"
    r"|currentTime|nanoTime|new\s+Date|\bClock\b|Math\s*\.\s*random|Random\b|randomUUID"  # in scripts
)
_MOMENT_NAMES = frozenset("random_score gauss linear exp pit".split())
"""Scores by chance or by the distance from an origin that may be left to be now, and a view of the index at a time."""

_DATE_MATH_INDEX = re.compile(r"<|%3C", re.IGNORECASE)
"""`<logs-{now/d}>`: which index is asked depends on the day."""


def depends_on_now(document: object) -> bool:
    """Whether a search's body, or any text in it, says so."""
    return any(map(says_now, strings(document))) or not _MOMENT_NAMES.isdisjoint(names(document))


def says_now(text: str) -> bool:
    """A backslash is taken out: the query language lets any letter be escaped."""
    return _MOMENT.search(text.replace("\\", "")) is not None


def is_date_math_index(index: str) -> bool:
    return _DATE_MATH_INDEX.search(index) is not None


def lists_terms(body: dict[str, object]) -> bool:
    """No hits, one aggregation, and that of terms alone: what fills a variable's list."""
    aggregations = [body[name] for name in ("aggs", "aggregations") if name in body]
    if body.get("size") != Number("0") or len(aggregations) != 1:
        return False
    match aggregations[0]:
        case dict() as named if len(named) == 1:
            (aggregation,) = named.values()
        case _:
            return False
    if not isinstance(aggregation, dict) or "terms" not in aggregation:
        return False
    return all(name == "terms" or (name in ("aggs", "aggregations") and not aggregation[name]) for name in aggregation)
