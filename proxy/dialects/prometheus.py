"""Prometheus' HTTP API, and Thanos, Mimir and Cortex, which speak it (prometheus web/api/v1).

`/api/v1/query` is a panel's query, a `query_result()` variable, a health check and an alert rule: what it is stands in
its parameters and headers, not in its path.
"""

import re
from collections.abc import Callable, Iterable

import msgspec

from ..core.model import Answer, Call, Dialect, Judge, Kind, Pass, Reason, Request, Route
from .accept import JSON, accept_class
from .form import canonical, read_form
from .times import is_absolute

SINGLE = frozenset(
    "query time start end step timeout limit lookback_delta stats metric limit_per_metric engine dedup "
    "partial_response max_source_resolution explain analyze".split()
)
SETS = frozenset(("match[]", "replicaLabels[]", "storeMatch[]"))
PREFIX = r"(?:/prometheus|/api/prom)?"
SHORT_MS = 10_000
"""Rows that show live state live at most this long."""

_HEALTH = frozenset(("1+1", "vector(1)+vector(1)"))
"""What Grafana asks to see whether a source is alive, white space aside."""

Read = Callable[[Request], Call | Pass]


class Reply(msgspec.Struct):
    """The envelope. The members that are not named are skipped, and checked to be JSON all the same."""

    status: str
    warnings: list[str] | None = None
    isPartial: bool = False  # VictoriaMetrics


_DECODER = msgspec.json.Decoder(Reply)


def judge(answer: Answer) -> Reason | None:
    """Warnings can mean that a part is missing (a remote read that failed, a Thanos store that is down)."""
    try:
        reply = _DECODER.decode(answer.body)
    except msgspec.DecodeError:
        return Reason.MALFORMED
    if reply.status != "success":
        return Reason.ERROR_IN_BODY
    if reply.warnings or reply.isPartial:
        return Reason.PARTIAL
    return None


def reader(
    kind: Kind,
    *,
    single: frozenset[str] = SINGLE,
    sets: frozenset[str] = SETS,
    noise: frozenset[str] = frozenset(),
    times: tuple[str, ...] = (),
    cap_ms: int | None = None,
    judge: Judge = judge,
) -> Read:
    """`times` must be there and absolute, or the answer depends on the moment of asking."""

    def read(request: Request) -> Call | Pass:
        if accept_class(request.headers) != JSON:
            return Pass(reason=Reason.CONTENT_TYPE)  # its marks of an error could not be read
        parameters = read_form(request)
        if isinstance(parameters, Pass):
            return parameters
        parts = canonical(parameters, single=single, sets=sets, noise=noise)
        if isinstance(parts, Pass):
            return parts
        given = dict(parameters)
        if "".join(given.get("query", "").split()) in _HEALTH and kind is Kind.QUERY:
            return Pass(reason=Reason.HEALTH)
        if not all(is_absolute(given.get(name)) for name in times):
            return Pass(reason=Reason.NOW)
        return Call(kind=kind, parts=parts, judge=judge, ttl_cap_ms=cap_ms)

    return read


def routes(prefix: str, rows: Iterable[tuple[str, str, str, Read]]) -> tuple[Route, ...]:
    """Rows of name, methods, path below the prefix, and reader."""
    return tuple(
        Route(name=name, methods=frozenset(methods.split()), path=re.compile(prefix + path), read=read)
        for name, methods, path, read in rows
    )


_RESOURCE = reader(Kind.RESOURCE)
_SHORT = reader(Kind.RESOURCE, cap_ms=SHORT_MS)

PROMETHEUS = Dialect(
    name="prometheus",
    routes=routes(
        PREFIX,
        (
            ("query_range", "GET POST", "/api/v1/query_range", reader(Kind.QUERY, times=("start", "end"))),
            ("query", "GET POST", "/api/v1/query", reader(Kind.QUERY, times=("time",))),
            ("query_exemplars", "GET POST", "/api/v1/query_exemplars", reader(Kind.QUERY, times=("start", "end"))),
            ("labels", "GET POST", "/api/v1/labels", _RESOURCE),
            ("label_values", "GET", "/api/v1/label/[^/]+/values", _RESOURCE),
            ("series", "GET POST", "/api/v1/series", _RESOURCE),
            ("metadata", "GET", "/api/v1/metadata", _RESOURCE),
            ("targets_metadata", "GET", "/api/v1/targets/metadata", _RESOURCE),
            ("buildinfo", "GET", "/api/v1/status/buildinfo", _RESOURCE),
            ("rules", "GET", "/api/v1/rules", _SHORT),
            ("cardinality", "GET POST", "/api/v1/cardinality/[a-z_]+", _SHORT),
            ("user_stats", "GET", "/api/v1/user_stats", _SHORT),
        ),
    ),
)
