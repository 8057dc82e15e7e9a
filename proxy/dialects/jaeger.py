"""Jaeger's query service: the API of its own UI, and /api/v3 (grafana-jaeger-datasource uses both).

Where a time is absent the service takes its own clock, except for a trace asked by its id. Grafana's health check is
the list of services, byte for byte the same request as the one behind the selector: it cannot be told apart.
"""

from ..core.model import Answer, Call, Dialect, Kind, Pass, Read, Reason, Request
from .accept import JSON, accept_class
from .form import read_form, read_keyed
from .replies import parse
from .tables import routes
from .times import is_absolute

_SINGLE = frozenset(
    "service operation limit start end minDuration maxDuration lookback endTs prettyPrint raw spanKind "
    "service_name span_kind start_time end_time query.service_name query.operation_name query.start_time_min "
    "query.start_time_max query.duration_min query.duration_max query.search_depth query.num_traces".split()
)

_SEARCH_TIMES = (("start",), ("end",))
_SEARCH_V3_TIMES = (
    ("query.start_time_min", "query.startTimeMin"),
    ("query.start_time_max", "query.startTimeMax"),
)


def _read(kind: Kind, *times: tuple[str, ...]) -> Read:
    """`times` are the parameters without which the answer depends on the moment, each with its spellings."""

    def read(request: Request) -> Call | Pass:
        if accept_class(request.headers) != JSON:
            return Pass(reason=Reason.CONTENT_TYPE)
        form = read_keyed(request, single=_SINGLE)
        if isinstance(form, Pass):
            return form
        given = form.given
        for spellings in times:
            if not any(is_absolute(given.get(name)) for name in spellings):
                return Pass(reason=Reason.NOW)
        return Call(kind=kind, parts=form.parts, judge=_judge)

    return read


def _read_search(request: Request) -> Call | Pass:
    """With traceID the times do not count (query_parser.go)."""
    pairs = read_form(request)
    if not isinstance(pairs, Pass) and any(name == "traceID" for name, _ in pairs):
        return _BY_ID(request)
    return _SEARCH(request)


def _judge(answer: Answer) -> Reason | None:
    """`errors` beside `data`, or /api/v3's `error`; the latter may be one of several documents."""
    whole = parse(answer.body)
    documents = [whole] if whole is not None else [parse(line) for line in answer.body.splitlines() if line]
    if not documents:
        return Reason.MALFORMED
    for document in documents:
        if not isinstance(document, dict):
            return Reason.MALFORMED
        if document.get("errors") or document.get("error"):
            return Reason.ERROR_IN_BODY
    return None


_BY_ID = _read(Kind.QUERY)
_SEARCH = _read(Kind.QUERY, *_SEARCH_TIMES)
_NAMES = _read(Kind.RESOURCE)

JAEGER = Dialect(
    name="jaeger",
    routes=routes(
        (
            ("services", "GET", "/api/services", _NAMES),
            ("operations", "GET", "/api/services/[^/]+/operations|/api/operations", _NAMES),
            ("traces", "GET", "/api/traces", _read_search),
            ("trace", "GET", "/api/traces/[^/]+", _BY_ID),
            ("dependencies", "GET", "/api/dependencies", _read(Kind.QUERY, ("endTs",))),
            ("services_v3", "GET", "/api/v3/services", _NAMES),
            ("operations_v3", "GET", "/api/v3/operations", _NAMES),
            ("traces_v3", "GET", "/api/v3/traces", _read(Kind.QUERY, *_SEARCH_V3_TIMES)),
            ("trace_v3", "GET", "/api/v3/traces/[^/]+", _BY_ID),
        )
    ),
)
