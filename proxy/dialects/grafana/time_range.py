"""The time range of a query, and what it has in common with others that one answer serves."""

from dataclasses import dataclass

from .times import bucket, is_absolute, resolve


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRange:
    from_ms: int
    to_ms: int
    relative: tuple[str, str] | None
    """As it was written, unless it names its moments: what two servers make of "now/w" may differ."""

    def rounded(self, interval_ms: int) -> tuple[object, ...]:
        """`from` and `to` down to the interval.

        An interval that is longer than the range (a panel's least interval) is halved until it is not: one bucket would
        hold ranges that have no moment in common.
        """
        width_ms = interval_ms
        while width_ms > max(self.to_ms - self.from_ms, 1):
            width_ms //= 2
        return bucket(self.from_ms, width_ms), bucket(self.to_ms, width_ms), width_ms, self.relative


def read(from_text: object, to_text: object, now_ms: int) -> TimeRange | None:
    """None for what is not two readable texts."""
    if not isinstance(from_text, str) or not isinstance(to_text, str):
        return None
    from_ms, to_ms = resolve(from_text, now_ms, up=False), resolve(to_text, now_ms, up=True)
    if from_ms is None or to_ms is None:
        return None
    absolute = is_absolute(from_text) and is_absolute(to_text)
    return TimeRange(from_ms=from_ms, to_ms=to_ms, relative=None if absolute else (from_text, to_text))
