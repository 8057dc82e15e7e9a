"""The times of a query: epoch milliseconds, or relative to now."""

import re

_UNITS_MS = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 7 * 86_400_000,
    "M": 30 * 86_400_000,
    "y": 365 * 86_400_000,
}
_OFFSET = re.compile(r"([+-])(\d+)(ms|[smhdwMy])")


def epoch_ms(text: str, now_s: int) -> int:
    """Rounding (`now/d`) is left out: it is for showing that a time was understood, no more."""
    if text.isdigit():
        return int(text)
    offsets = sum(
        (1 if sign == "+" else -1) * int(count) * _UNITS_MS[unit] for sign, count, unit in _OFFSET.findall(text)
    )
    return now_s * 1_000 + offsets
