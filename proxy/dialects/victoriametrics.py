"""VictoriaMetrics: Prometheus' API with paths of its own, tenants in the path, and lenient times.

Its server reads `now-5m`, `-1h` and cut-off RFC 3339 as times; only absolute ones may be kept. It deletes series on any
method, GET included (url-examples.md): nothing outside this table is ever kept.
"""

from ..core.model import Call, Dialect, Kind, Pass, Read, Reason, Request
from .form import read_form
from .prometheus import PREFIX, SETS, SHORT_MS, SINGLE, reader
from .tables import routes

_SINGLE = SINGLE | frozenset("trace nocache round_digits latency_offset max_lookback deny_partial_response".split())
_SETS = SETS | {"extra_filters[]", "extra_filters", "extra_label"}


def _reader(kind: Kind, *, times: tuple[str, ...] = (), cap_ms: int | None = None) -> Read:
    prometheus = reader(kind, single=_SINGLE, sets=_SETS, times=times, cap_ms=cap_ms)

    def read(request: Request) -> Call | Pass:
        parameters = read_form(request)
        if not isinstance(parameters, Pass) and _truthy(dict(parameters).get("nocache")):
            return Pass(reason=Reason.NO_STORE)
        return prometheus(request)

    return read


def _truthy(value: str | None) -> bool:
    return value is not None and value.lower() not in ("", "0", "f", "false", "no")


_RESOURCE = _reader(Kind.RESOURCE)

VICTORIAMETRICS = Dialect(
    name="victoriametrics",
    routes=routes(
        (
            ("query_range", "GET POST", "/api/v1/query_range", _reader(Kind.QUERY, times=("start", "end"))),
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
