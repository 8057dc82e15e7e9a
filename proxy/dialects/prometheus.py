"""Prometheus' HTTP API, and Thanos, Mimir and Cortex, which speak it (prometheus web/api/v1).

`/api/v1/query` is a panel's query, a `query_result()` variable, a health check and an alert rule: what it is stands in
its parameters and headers, not in its path.
"""

import re
from functools import partial

import msgspec

from ..core.model import Answer, Call, Dialect, Judge, Kind, Pass, Read, Reason, Request
from .accept import JSON, accept_class
from .form import read_keyed
from .matrix_json import PROMETHEUS_MATRIX
from .promql import sliceable
from .range_query import RangeReader, Seconds
from .replies import decode
from .tables import routes
from .times import is_absolute

SINGLE = frozenset(
    "query time start end step timeout limit lookback_delta stats metric limit_per_metric engine dedup "
    "partial_response max_source_resolution explain analyze".split()
)
SETS = frozenset(("match[]", "replicaLabels[]", "storeMatch[]"))
SLICED = frozenset(
    "query start end step timeout lookback_delta dedup partial_response max_source_resolution engine "
    "replicaLabels[]".split()
)
"""The parameters of a range query that act on each of its points alike."""
TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
PREFIX = r"(?:/(?!(?:-|api|admin|delete|insert|internal|metrics|snapshot)/)[A-Za-z0-9._~:-]+){0,8}(?:/api/prom)?"
"""Mimir, Cortex and Thanos serve the API below any prefix, VictoriaMetrics and Google below a tenant's. It is part of
the key with the rest of the path. Not below what takes data in or deletes it (Pushgateway's `/metrics/job/…`)."""
SHORT_MS = 10_000
"""Rows that show live state live at most this long."""

_HEALTH = frozenset(("1+1", "vector(1)+vector(1)"))
"""What Grafana asks to see whether a source is alive, white space aside."""

_MOMENT = re.compile(r"\b(?:now|rand|rand_normal|rand_exponential)\s*[(#]", re.IGNORECASE)
"""MetricsQL's functions of the moment and of chance. Prometheus has none such, and refuses them."""


class Reply(msgspec.Struct):
    """The envelope. The members that are not named are skipped, and checked to be JSON all the same."""

    status: str
    warnings: list[str] | None = None
    isPartial: bool = False  # VictoriaMetrics


class BareReply(Reply):
    """The same where the envelope may be missing."""

    status: str = "success"


_DECODER = msgspec.json.Decoder(Reply)
_BARE_DECODER = msgspec.json.Decoder(BareReply)


def judge(answer: Answer) -> Reason | None:
    """Warnings can mean that a part is missing (a remote read that failed, a Thanos store that is down)."""
    return _mark(decode(_DECODER, answer.body))


def judge_bare(answer: Answer) -> Reason | None:
    return _mark(decode(_BARE_DECODER, answer.body))


def _mark(reply: Reply | None) -> Reason | None:
    if reply is None:
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
    ranges: RangeReader | None = None,
) -> Read:
    """`times` must be there and absolute, or the answer depends on the moment of asking. `ranges` reads those whose
    answers are series over a grid.
    """

    def read(request: Request) -> Call | Pass:
        if accept_class(request.headers) != JSON:
            return Pass(reason=Reason.CONTENT_TYPE)  # its marks of an error could not be read
        form = read_keyed(request, single=single, sets=sets, noise=noise)
        if isinstance(form, Pass):
            return form
        given = form.given
        if "".join(given.get("query", "").split()) in _HEALTH and kind is Kind.QUERY:
            return Pass(reason=Reason.HEALTH)
        if _MOMENT.search(given.get("query", "").replace("\\", "")):
            return Pass(reason=Reason.NOW)
        if not all(is_absolute(given.get(name)) for name in times):
            return Pass(reason=Reason.NOW)
        if ranges is None:
            return Call(kind=kind, parts=form.parts, judge=judge, ttl_cap_ms=cap_ms)
        read_range = partial(ranges.read, request, form)
        return Call(kind=kind, parts=form.parts, judge=judge, ttl_cap_ms=cap_ms, read_range=read_range)

    return read


_RESOURCE = reader(Kind.RESOURCE)
_SHORT = reader(Kind.RESOURCE, cap_ms=SHORT_MS)
_STATISTICS = reader(Kind.RESOURCE, cap_ms=SHORT_MS, judge=judge_bare)
_EXEMPLARS = reader(Kind.QUERY, times=("start", "end"))
_RANGE = reader(
    Kind.QUERY,
    times=("start", "end"),
    ranges=RangeReader(
        codec=PROMETHEUS_MATRIX,
        times=Seconds(),
        sliceable=sliceable,
        parameters=SLICED,
        requires={"dedup": TRUE},
    ),
)
_INSTANT = reader(Kind.QUERY, times=("time",))

PROMETHEUS = Dialect(
    name="prometheus",
    routes=routes(
        (
            ("query_range", "GET POST", "/api/v1/query_range", _RANGE),
            ("query", "GET POST", "/api/v1/query", _INSTANT),
            ("query_exemplars", "GET POST", "/api/v1/query_exemplars", _EXEMPLARS),
            ("explain", "GET POST", "/api/v1/(?:query_)?explain", _INSTANT),
            ("explain_range", "GET POST", "/api/v1/query_range_explain", _EXEMPLARS),
            ("labels", "GET POST", "/api/v1/labels", _RESOURCE),
            ("label_values", "GET", "/api/v1/label/[^/]+/values", _RESOURCE),
            ("series", "GET POST", "/api/v1/series", _RESOURCE),
            ("metadata", "GET", "/api/v1/metadata", _RESOURCE),
            ("targets_metadata", "GET", "/api/v1/targets/metadata", _RESOURCE),
            ("buildinfo", "GET", "/api/v1/status/buildinfo", _RESOURCE),
            ("query_text", "GET POST", "/api/v1/(?:format|parse)_query", _RESOURCE),
            ("rules", "GET", "/api/v1/rules", _SHORT),
            ("cardinality", "GET POST", "/api/v1/cardinality/[a-z_]+", _STATISTICS),
            ("user_stats", "GET", "/api/v1/user_stats", _STATISTICS),
        ),
        prefix=PREFIX,
    ),
    deltas=True,
)
