"""Whether a time parameter says the same moment whenever it is asked.

A time below zero is refused: Prometheus reads it as a date before 1970, VictoriaMetrics as so long before now, and the
latter is often declared as the former.
"""

import re

_UNIX = r"\d+(?:\.\d+)?(?:[eE]\+?\d+)?"
_RFC3339 = r"\d{4}(?:-\d\d(?:-\d\d(?:[T ]\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?)?)?)?(?:Z|[+-]\d\d:?\d\d)?"
ABSOLUTE = rf"(?:{_UNIX}|{_RFC3339})"
"""A regular expression: a Unix time in any unit, or RFC 3339, whole or cut off on the right."""

_ABSOLUTE = re.compile(ABSOLUTE, re.ASCII)


def is_absolute(text: str | None) -> bool:
    """False for an absent time and for all that may be relative ("now", "-1h", "5m")."""
    return text is not None and _ABSOLUTE.fullmatch(text) is not None
