"""VictoriaMetrics: Prometheus' API with paths of its own, tenants in the path, and lenient times.

Its server reads `now-5m`, `-1h` and cut-off RFC 3339 as times; only absolute ones may be kept. It deletes series on any
method, GET included (url-examples.md): nothing outside this table is ever kept.

Parts of a range are asked with `nocache=1`: else the server moves a range of 50 points or more to where its own cache has
some.
"""

import msgspec

from ..core.model import Call, Dialect, Kind, Pass, Read, Reason, Request
from .form import read_form
from .matrix_json import MatrixJson, MeasuredReply, ShortestSeconds
from .metricsql import sliceable
from .prometheus import PREFIX, SETS, SHORT_MS, SINGLE, reader
from .range_query import RangeReader, Seconds
from .tables import routes

_SINGLE = SINGLE | frozenset("trace nocache round_digits latency_offset max_lookback deny_partial_response".split())
_SETS = SETS | {"extra_filters[]", "extra_filters", "extra_label"}

_SLICED = frozenset(
    "query start end step timeout extra_label extra_filters[] extra_filters round_digits max_lookback "
    "deny_partial_response".split()
)
"""The parameters of a range query that act on each of its points alike. Not `latency_offset`: which points it withholds
depends on the moment of asking. Not `trace`, which is answered with what a part took; not `nocache`, which is ours.
"""
_LATENCY_MS = 60_000
"""The server gives points younger than `-search.latencyOffset` (30 s) the value of the last one before them, or none where
the range begins with them. Twice that, for clocks that differ; and a step, for the point whose value they get.
"""

_MATRIX = MatrixJson(stamps=ShortestSeconds(), decoder=msgspec.json.Decoder(MeasuredReply))


class _Times(Seconds):
    """Its older versions cut to milliseconds where Prometheus rounds: what the two read differently is not understood."""

    def read(self, text: str) -> tuple[int, bool] | None:
        found = super().read(text)
        if found is None or "T" in text or int(float(text) * 1000) == found[0]:
            return found
        return None


def _reader(
    kind: Kind, *, times: tuple[str, ...] = (), cap_ms: int | None = None, ranges: RangeReader | None = None
) -> Read:
    prometheus = reader(kind, single=_SINGLE, sets=_SETS, times=times, cap_ms=cap_ms, ranges=ranges)

    def read(request: Request) -> Call | Pass:
        parameters = read_form(request)
        if not isinstance(parameters, Pass) and _truthy(dict(parameters).get("nocache")):
            return Pass(reason=Reason.NO_STORE)
        return prometheus(request)

    return read


def _truthy(value: str | None) -> bool:
    return value is not None and value.lower() not in ("", "0", "f", "false", "no")


_RESOURCE = _reader(Kind.RESOURCE)
_RANGE = _reader(
    Kind.QUERY,
    times=("start", "end"),
    ranges=RangeReader(
        codec=_MATRIX,
        times=_Times(),
        sliceable=sliceable,
        parameters=_SLICED,
        adds=(("nocache", "1"),),
        withheld_ms=lambda step_ms: _LATENCY_MS + step_ms,
    ),
)

VICTORIAMETRICS = Dialect(
    name="victoriametrics",
    routes=routes(
        (
            ("query_range", "GET POST", "/api/v1/query_range", _RANGE),
            ("query", "GET POST", "/api/v1/query", _reader(Kind.QUERY, times=("time",))),
            ("labels", "GET POST", "/api/v1/labels", _RESOURCE),
            ("label_values", "GET POST", "/api/v1/label/[^/]+/values", _RESOURCE),
            ("series", "GET POST", "/api/v1/series", _RESOURCE),
            ("metadata", "GET POST", "/api/v1/metadata", _RESOURCE),
            ("buildinfo", "GET", "/api/v1/status/buildinfo", _RESOURCE),
            ("prettify-query", "GET POST", "/prettify-query", _RESOURCE),
            ("expand-with-exprs", "GET POST", "/expand-with-exprs", _RESOURCE),
            ("rules", "GET", "/api/v1/rules", _reader(Kind.RESOURCE, cap_ms=SHORT_MS)),
        ),
        prefix=PREFIX,
    ),
)
