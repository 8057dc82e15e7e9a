"""The representation that a client asks for, as a class: equal classes may share an answer."""

from ..core.model import Headers

JSON = "json"
PROTOBUF = "protobuf"

_PLAIN_JSON = frozenset(("*/*", "application/*", "application/json", "text/json"))
_PROTOBUF = frozenset(("application/protobuf", "application/x-protobuf", "application/vnd.google.protobuf"))


def accept_class(headers: Headers) -> str:
    """JSON for every Accept that admits it without asking for something else first; else the value in lower case.

    A browser's `application/json, text/plain, */*`, a Go client's absent header and `*/*` are one class.
    """
    values = headers.getall("Accept", ())
    ranges = [part.strip().lower() for value in values for part in value.split(",") if part.strip()]
    if not ranges:
        return JSON
    media_type, _, parameters = ranges[0].partition(";")
    if media_type.strip() in _PLAIN_JSON and not _refused(parameters):
        return JSON
    if len(ranges) == 1 and not parameters and media_type in _PROTOBUF:
        return PROTOBUF
    return ",".join(ranges)


def _refused(parameters: str) -> bool:
    return any(part.strip().replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000") for part in parameters.split(";"))
