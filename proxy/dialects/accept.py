"""The representation that a client asks for, as a class: equal classes may share an answer."""

from functools import lru_cache

from ..core.model import Headers

JSON = "json"
PROTOBUF = "protobuf"

_PLAIN_JSON = frozenset(("*/*", "application/*", "application/json", "text/json"))
_PROTOBUF = frozenset(("application/protobuf", "application/x-protobuf", "application/vnd.google.protobuf"))


def accept_class(headers: Headers) -> str:
    """JSON for every Accept that admits it without preferring something else; else the value in lower case.

    A browser's `application/json, text/plain, */*`, a Go client's absent header and `*/*` are one class.
    """
    return _class_of(tuple(headers.getall("Accept", ())))


@lru_cache(maxsize=256)
def _class_of(values: tuple[str, ...]) -> str:
    ranges = [part.strip().lower() for value in values for part in value.split(",") if part.strip()]
    if not ranges or _prefers_json(ranges):
        return JSON
    if len(ranges) == 1 and ranges[0] in _PROTOBUF:
        return PROTOBUF
    return ",".join(ranges)


def _prefers_json(ranges: list[str]) -> bool:
    """Whether JSON is the first of those that weigh most (RFC 9110 §12.5.1). What cannot be weighed prefers nothing."""
    weighed = [_weigh(each) for each in ranges]
    weights = [each[1] for each in weighed if each is not None]
    if len(weights) < len(ranges) or max(weights) <= 0:
        return False
    first, _ = max((each for each in weighed if each is not None), key=lambda each: each[1])
    return first in _PLAIN_JSON


def _weigh(media_range: str) -> tuple[str, float] | None:
    """The media type and its weight; None where it has parameters that may mean another representation."""
    media_type, *parameters = (part.strip() for part in media_range.split(";"))
    weight = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "q" and value.replace(".", "", 1).isdecimal():
            weight = float(value)
        elif name != "charset" and parameter:
            return None
    return media_type, weight
