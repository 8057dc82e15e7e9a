"""Pyroscope's querier over the Connect protocol, unary: one POST a call, protobuf or JSON.

The body is keyed byte for byte with its media type, which is also the answer's. A protobuf map may be serialised in
varying order: that costs a miss. Errors are not 200 (https://connectrpc.com/docs/protocol).
"""

from ..core.model import Answer, Call, Dialect, Kind, Pass, Read, Reason, Request
from .form import encode
from .media_types import JSON, media_type
from .opaque import exact_accept
from .protobuf import varint_field
from .replies import parse
from .tables import routes

_PROTOBUF = "application/proto"

_METHODS = {
    "SelectSeries": Kind.QUERY,
    "SelectMergeStacktraces": Kind.QUERY,
    "SelectMergeProfile": Kind.QUERY,
    "SelectMergeSpanProfile": Kind.QUERY,
    "ProfileTypes": Kind.RESOURCE,
    "LabelNames": Kind.RESOURCE,
    "LabelValues": Kind.RESOURCE,
    "Series": Kind.RESOURCE,
}


def _read(kind: Kind) -> Read:
    def read(request: Request) -> Call | Pass:
        content_type = media_type(request.headers)
        if content_type not in (JSON, _PROTOBUF):
            return Pass(reason=Reason.CONTENT_TYPE)  # streaming Connect, gRPC and gRPC-web among them
        return Call(
            kind=kind,
            parts=(
                encode(request.query),
                content_type.encode(),
                exact_accept(request),
                request.body,
            ),
            judge=_judge,
        )

    return read


def _judge(answer: Answer) -> Reason | None:
    content_type = media_type(answer.headers)
    if content_type == JSON:
        return Reason.MALFORMED if parse(answer.body) is None else None
    try:
        if content_type == _PROTOBUF:
            varint_field(answer.body, 0)
            return None
    except ValueError:
        pass
    return Reason.MALFORMED


PYROSCOPE = Dialect(
    name="pyroscope",
    routes=routes(
        (method, "POST", rf"/querier\.v1\.QuerierService/{method}", _read(kind)) for method, kind in _METHODS.items()
    ),
    noise=frozenset({"connect-timeout-ms"}),
)
