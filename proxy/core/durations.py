"""Durations as Grafana and Go write them: "30s", "5m", "1h30m", "1d", "250ms"."""

import re

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)(ms|s|m|h|d|w)")


def parse_ms(text: str) -> int:
    """Whole milliseconds. Raises ValueError, with a message for whoever wrote it."""
    text = text.strip()
    if text == "0":
        return 0
    total_ms, end = 0.0, 0
    for part in _PART.finditer(text):
        if part.start() != end:
            break
        total_ms += float(part[1]) * _UNITS_MS[part[2]]
        end = part.end()
    if not text or end != len(text):
        raise ValueError(f"{text!r} is not a duration; write it like 30s, 5m or 1h30m")
    return round(total_ms)


def format_ms(duration_ms: int) -> str:
    """The shortest text that reads back as `duration_ms`."""
    if duration_ms == 0:
        return "0s"
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, duration_ms = divmod(duration_ms, _UNITS_MS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)
