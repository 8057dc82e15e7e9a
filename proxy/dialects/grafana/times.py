"""`from` and `to` of a query request, as Grafana's server reads them.

Its order: a whole number is milliseconds since 1970 ("1700000000000"), a Go duration is so long before now ("5m"), all
else is date math from now on ("now-1d/d"), in UTC, weeks beginning on Monday. Months and years are added as Go's
AddDate does: a day that the month does not have runs over into the next one.
"""

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,19}")
_DURATION = re.compile(r"(?:[0-9]{1,9}(?:ms|s|m|h))+")
_DURATION_STEP = re.compile(r"([0-9]+)(ms|s|m|h)")
_MATH = re.compile(r"now((?:[+-][0-9]{1,6}[smhHdwMQy]|/[smhHdwMQy])*)")
_MATH_STEP = re.compile(r"([+-][0-9]+|/)([smhHdwMQy])")

_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "H": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_MONTHS = {"M": 1, "Q": 3, "y": 12}


def resolve(text: str, now_ms: int, *, up: bool) -> int | None:
    """Milliseconds since 1970; `up` rounds to the last millisecond of a period, as Grafana does for `to`.

    None for what is none of the three, and for dates, business days and fiscal periods, which are not read here.
    """
    if is_absolute(text):
        number = int(text)
        return number if -(2**63) <= number < 2**63 else None
    if text == "now":
        return now_ms
    if _DURATION.fullmatch(text):
        return now_ms - sum(int(count) * _UNIT_MS[unit] for count, unit in _DURATION_STEP.findall(text))
    math = _MATH.fullmatch(text)
    if math is None:
        return None
    try:
        moment = _EPOCH + now_ms * _MILLISECOND
        for sign, unit in _MATH_STEP.findall(math[1]):
            moment = _round(moment, unit, up) if sign == "/" else _add(moment, int(sign), unit)
        return (moment - _EPOCH) // _MILLISECOND
    except (OverflowError, ValueError):  # before the year 1 or after 9999
        return None


def is_absolute(text: str) -> bool:
    """Whether it names the same moment whenever it is asked."""
    return _WHOLE_NUMBER.fullmatch(text) is not None


def bucket(ms: int, interval_ms: int) -> int:
    """The last multiple of the interval that is not later."""
    return ms - ms % interval_ms


def _add(moment: datetime, count: int, unit: str) -> datetime:
    if unit not in _MONTHS:
        return moment + count * _UNIT_MS[unit] * _MILLISECOND
    year, month = divmod(moment.year * 12 + moment.month - 1 + count * _MONTHS[unit], 12)
    return moment.replace(year=year, month=month + 1, day=1) + timedelta(days=moment.day - 1)


def _round(moment: datetime, unit: str, up: bool) -> datetime:
    start = _start(moment, unit)
    return _add(start, 1, unit) - _MILLISECOND if up else start


def _start(moment: datetime, unit: str) -> datetime:
    """Of the period that the moment lies in."""
    if unit in ("s", "m", "h", "H"):
        return moment - (moment - _EPOCH) % (_UNIT_MS[unit] * _MILLISECOND)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    match unit:
        case "w":
            return day - timedelta(days=day.weekday())
        case "M":
            return day.replace(day=1)
        case "Q":
            return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        case "y":
            return day.replace(month=1, day=1)
        case _:
            return day
