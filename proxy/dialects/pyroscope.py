"""Pyroscope's querier over the Connect protocol, unary: one POST a call, protobuf or JSON.

The body is keyed byte for byte with its media type, which is also the answer's. A protobuf map may be serialised in
varying order: that costs a miss. Errors are not 200 (https://connectrpc.com/docs/protocol).
"""

import re
from collections.abc import Callable

import orjson

from ..core.model import Answer, Call, Dialect, Kind, Pass, Reason, Request, Route
from .form import encode
from .opaque import exact_accept
from .protobuf import varint_field

_JSON = "application/json"
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


def _read(kind: Kind) -> Callable[[Request], Call | Pass]:
    def read(request: Request) -> Call | Pass:
        media_type = _media_type(request.headers.get("Content-Type", ""))
        if media_type not in (_JSON, _PROTOBUF):
            return Pass(reason=Reason.CONTENT_TYPE)  # streaming Connect, gRPC and gRPC-web among them
        return Call(
            kind=kind,
            parts=(
                encode(request.query),
                media_type.encode(),
                exact_accept(request),
                request.body,
            ),
            judge=_judge,
        )

    return read


def _judge(answer: Answer) -> Reason | None:
    try:
        match _media_type(answer.headers.get("Content-Type", "")):
            case "application/json":
                orjson.loads(answer.body)
            case "application/proto":
                varint_field(answer.body, 0)
            case _:
                return Reason.MALFORMED
    except ValueError:
        return Reason.MALFORMED
    return None


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


PYROSCOPE = Dialect(
    name="pyroscope",
    routes=tuple(
        Route(
            name=method,
            methods=frozenset({"POST"}),
            path=re.compile(rf"/querier\.v1\.QuerierService/{method}"),
            read=_read(kind),
        )
        for method, kind in _METHODS.items()
    ),
    noise=frozenset({"connect-timeout-ms"}),
)
