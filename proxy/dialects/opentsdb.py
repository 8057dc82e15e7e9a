"""OpenTSDB 2's HTTP API (opentsdb.net, api_http).

`DELETE`, `"delete": true` and `method_override` remove what they read. A query without an end, or with a time such as
`1h-ago`, is about the moment of asking. `/api/query/last` always is, and lives shortly.
"""

import re

from ..core.model import Answer, Call, Dialect, Kind, Pass, Read, Reason, Request
from .accept import accept_class
from .documents import Number, Unreadable, read, spell
from .form import Parameters, canonical, encode, parse
from .media_types import JSON, media_type
from .prometheus import SHORT_MS
from .replies import parse_leniently
from .tables import routes

_ACTS = frozenset(("delete", "method_override"))
_LISTS = frozenset(("m", "tsuid", "tsuids", "tsuid[]", "timeseries", "exp", "x"))
"""May be repeated; their order is that of the series."""

_ABSOLUTE = re.compile(r"[1-9]\d*(?:\.\d+)?|\d{4}/\d\d/\d\d(?:[ -]\d\d:\d\d(?::\d\d)?)?", re.ASCII)


def _parameters(request: Request) -> Parameters | Pass:
    pairs = parse(request.query)
    if pairs is None:
        return Pass(reason=Reason.PARAMETER)
    given = [name for name, _ in pairs]
    if not _ACTS.isdisjoint(given):
        return Pass(reason=Reason.STATEMENT)
    single = [name for name in given if name not in _LISTS]
    if len(single) != len(set(single)) or "jsonp" in given:
        return Pass(reason=Reason.PARAMETER)
    return pairs


def _read(
    kind: Kind, *, timed: bool = False, posts: bool = False, within: str | None = None, cap_ms: int | None = None
) -> Read:
    """`posts`: whether a JSON body may ask; `within`: the member of it that has the times."""

    def read_request(request: Request) -> Call | Pass:
        pairs = _parameters(request)
        if isinstance(pairs, Pass):
            return pairs
        body, times = b"", dict[str, object](pairs)
        if request.method == "POST" and posts:
            document = _document(request)
            if isinstance(document, Pass):
                return document
            body, times = document
        elif request.body:
            return Pass(reason=Reason.BODY)
        if timed and not _are_absolute(times if within is None else times.get(within)):
            return Pass(reason=Reason.NOW)
        parts = canonical(pairs)
        if isinstance(parts, Pass):
            return parts
        formats = (encode(accept_class(request.headers)), body)
        return Call(kind=kind, parts=(*formats, *parts), judge=_judge, ttl_cap_ms=cap_ms)

    return read_request


def _document(request: Request) -> tuple[bytes, dict[str, object]] | Pass:
    """The body in its one spelling, and the object that it is."""
    if media_type(request.headers) != JSON:
        return Pass(reason=Reason.CONTENT_TYPE)
    try:
        document = read(request.body)
        body = spell(document)
    except Unreadable:
        return Pass(reason=Reason.BODY)
    if not isinstance(document, dict):
        return Pass(reason=Reason.BODY)
    if document.get("delete", False) is not False:
        return Pass(reason=Reason.STATEMENT)
    return body, document


def _are_absolute(times: object) -> bool:
    return isinstance(times, dict) and _is_absolute(times.get("start")) and _is_absolute(times.get("end"))


def _is_absolute(time: object) -> bool:
    text = time.text if isinstance(time, Number) else time
    return isinstance(text, str) and _ABSOLUTE.fullmatch(text) is not None


def _read_suggest(request: Request) -> Call | Pass:
    given = dict(parse(request.query) or ())
    if given.get("type") == "metrics" and given.get("q") == "cpu":
        return Pass(reason=Reason.HEALTH)  # Grafana's "Save & Test"
    return _NAMES(request)


def _judge(answer: Answer) -> Reason | None:
    """Errors are not 200, except where a gateway makes them so; salted scans that failed in part may say `partial`."""
    body = parse_leniently(answer.body)
    if not isinstance(body, list | dict):
        return Reason.MALFORMED
    for each in body if isinstance(body, list) else [body]:
        if isinstance(each, dict) and each.get("error"):
            return Reason.ERROR_IN_BODY
        if isinstance(each, dict) and (each.get("partial") or each.get("partialResults")):
            return Reason.PARTIAL
    return None


_NAMES = _read(Kind.RESOURCE)

OPENTSDB = Dialect(
    name="opentsdb",
    routes=routes(
        (
            ("query", "GET POST", "/api/query", _read(Kind.QUERY, timed=True, posts=True)),
            ("exp", "POST", "/api/query/exp", _read(Kind.QUERY, timed=True, posts=True, within="time")),
            ("gexp", "GET", "/api/query/gexp", _read(Kind.QUERY, timed=True)),
            ("last", "GET POST", "/api/query/last", _read(Kind.QUERY, posts=True, cap_ms=SHORT_MS)),
            ("suggest", "GET", "/api/suggest", _read_suggest),
            ("aggregators", "GET", "/api/aggregators", _NAMES),
            ("filters", "GET", "/api/config/filters", _NAMES),
            ("lookup", "GET", "/api/search/lookup", _NAMES),
        )
    ),
)
