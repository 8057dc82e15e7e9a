"""Tempo's query-frontend (grafana/tempo: its HTTP API document, tempopb for the protobuf form).

Grafana asks for a trace in protobuf and for everything else in JSON. A trace without start and end is looked for in
all blocks, so its answer does not depend on the moment; a search or a metrics query without them is about the last
hour or about what is still in memory.
"""

from ..core.model import Answer, Call, Dialect, Judge, Kind, Pass, Read, Reason, Request
from .accept import JSON, accept_class
from .form import read_keyed
from .protobuf import varint_field
from .replies import parse
from .tables import health, routes
from .times import is_absolute

_SINGLE = frozenset(
    "start end q tags limit spss step exemplars minDuration maxDuration scope maxStaleValues mode blockStart blockEnd "
    "keep_hierarchy".split()
)

_STATUS_FIELD = 3
"""`PartialStatus status = 3` of tempopb.TraceByIDResponse, the answer of /api/v2/traces; 0 is COMPLETE, 1 PARTIAL."""


_JSON = "application/json"
_PROTOBUF = "application/protobuf"


def _read(kind: Kind, *, timed: bool = False, protobuf: Judge | None = None) -> Read:
    """`protobuf` judges that form where the route has it."""

    def read(request: Request) -> Call | Pass:
        judge: Judge = _judge_json
        accept = request.headers.getall("Accept", ())
        if protobuf is not None and list(accept) == [_PROTOBUF]:  # Tempo compares the whole value
            judge = protobuf
        elif accept_class(request.headers) != JSON:
            return Pass(reason=Reason.CONTENT_TYPE)  # the form for language models may change at any release
        form = read_keyed(request, single=_SINGLE)
        if isinstance(form, Pass):
            return form
        given = form.given
        if "since" in given:
            return Pass(reason=Reason.NOW)
        if timed and not (is_absolute(given.get("start")) and is_absolute(given.get("end"))):
            return Pass(reason=Reason.NOW)
        representation = _JSON if judge is _judge_json else _PROTOBUF
        return Call(kind=kind, parts=(*form.parts, representation.encode()), judge=judge)

    return read


def _judge_json(answer: Answer) -> Reason | None:
    """`status` is in the answers to traces (v2) and metrics queries alone."""
    if "/vnd." in answer.headers.get("Content-Type", ""):
        return Reason.MALFORMED  # another form than the one that was asked for, though it may be JSON too
    body = parse(answer.body)
    if not isinstance(body, dict):
        return Reason.MALFORMED
    return Reason.PARTIAL if body.get("status") in ("PARTIAL", 1) else None


def _judge_trace(answer: Answer, status_field: int = 0) -> Reason | None:
    """A bare tempopb.Trace, which has no mark, or with its field a TraceByIDResponse."""
    if not answer.headers.get("Content-Type", "").startswith(_PROTOBUF):
        return Reason.MALFORMED
    try:
        return Reason.PARTIAL if varint_field(answer.body, status_field) else None
    except ValueError:
        return Reason.MALFORMED


def _judge_trace_v2(answer: Answer) -> Reason | None:
    return _judge_trace(answer, _STATUS_FIELD)


_NAMES = _read(Kind.RESOURCE)

TEMPO = Dialect(
    name="tempo",
    routes=routes(
        (
            ("trace", "GET", "/api/traces/[^/]+", _read(Kind.QUERY, protobuf=_judge_trace)),
            ("trace_v2", "GET", "/api/v2/traces/[^/]+", _read(Kind.QUERY, protobuf=_judge_trace_v2)),
            ("search", "GET", "/api/search", _read(Kind.QUERY, timed=True)),
            ("metrics_query", "GET", "/api/metrics/query(?:_range)?", _read(Kind.QUERY, timed=True)),
            ("search_tags", "GET", "/api/(?:v2/)?search/tags", _NAMES),
            ("search_tag_values", "GET", "/api/(?:v2/)?search/tag/[^/]+/values", _NAMES),
            ("buildinfo", "GET", "/api/status/buildinfo", _NAMES),
            ("echo", "GET", "/api/echo", health),
        )
    ),
)
