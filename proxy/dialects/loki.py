"""Loki's HTTP API (loki-http-api.md), the legacy /api/prom paths included.

Times are nanoseconds and are never read as numbers here: they exceed what a float holds. Where `start` or `end` of a
query is absent or `since` is given, the server takes its own clock. Loki sends errors as plain text, and marks a partial
answer by `warnings`.
"""

import re

import msgspec

from ..core.model import Answer, Call, Dialect, Judge, Kind, Pass, Read, Reason, Request
from .form import read_form
from .logql import sliceable
from .matrix_json import Data, MatrixJson, Reply, ShortestSeconds
from .prometheus import SHORT_MS, judge_bare, reader
from .range_query import RangeReader, Seconds, go_nanoseconds
from .tables import routes

_SINGLE = frozenset(
    "query start end time since step interval limit direction line_limit delimiter from to aggregateBy "
    "targetLabels shards field_limit".split()
)
_SETS = frozenset(("match[]", "match"))

_SLICED = frozenset("query start end step limit direction interval".split())
"""The parameters of a metric query that act on each of its points alike; the last three act on lines of logs alone."""

_TEMPLATE_NOW = re.compile(r"\{\{.*\bnow\b", re.DOTALL)
"""The template language of `line_format` and `label_format` knows the moment."""


_INTEGER = re.compile(r"\d{11,19}", re.ASCII)
_FRACTION = re.compile(r"\d{1,11}\.\d+", re.ASCII)
_NS_OF_MS = 1_000_000


class Nanoseconds(Seconds):
    """Nanoseconds since 1970 where they have more than ten digits, else seconds; or RFC 3339 (pkg/loghttp/params.go)."""

    def read(self, text: str) -> tuple[int, bool] | None:
        if _INTEGER.fullmatch(text):
            nanoseconds = int(text)
        elif _FRACTION.fullmatch(text):
            nanoseconds = go_nanoseconds(float(text))
        else:
            return super().read(text)
        return nanoseconds // _NS_OF_MS, nanoseconds % _NS_OF_MS != 0

    def write(self, time_ms: int) -> str:
        return f"{time_ms:05d}000000"


class _Data(Data, forbid_unknown_fields=True):
    """With what is no part of a matrix: what the source found out about its own work, and how it writes lines of logs."""

    stats: msgspec.Raw = msgspec.Raw(b"")
    encodingFlags: msgspec.Raw = msgspec.Raw(b"")


class _Reply(Reply, forbid_unknown_fields=True):
    data: _Data


_MATRIX = MatrixJson(stamps=ShortestSeconds(), decoder=msgspec.json.Decoder(_Reply))


def _is_relative(name: str, text: str) -> bool:
    return name == "since" or (name == "query" and _TEMPLATE_NOW.search(text) is not None)


def _judge_limits(answer: Answer) -> Reason | None:
    """YAML, JSON at the newer path; a page is neither."""
    return Reason.MALFORMED if answer.body.lstrip().startswith(b"<") else None


def _reader(
    kind: Kind,
    *,
    times: tuple[str, ...] = (),
    cap_ms: int | None = None,
    judge: Judge = judge_bare,
    ranges: RangeReader | None = None,
) -> Read:
    """Not every route has Prometheus' envelope: index/stats is bare."""
    absolute = reader(kind, single=_SINGLE, sets=_SETS, times=times, cap_ms=cap_ms, judge=judge, ranges=ranges)

    def read(request: Request) -> Call | Pass:
        parameters = read_form(request)
        if times and not isinstance(parameters, Pass) and any(_is_relative(*pair) for pair in parameters):
            return Pass(reason=Reason.NOW)
        return absolute(request)

    return read


_RANGE = _reader(
    Kind.QUERY,
    times=("start", "end"),
    ranges=RangeReader(codec=_MATRIX, times=Nanoseconds(), sliceable=sliceable, parameters=_SLICED),
)
_LEGACY = _reader(Kind.QUERY, times=("start", "end"))
_RESOURCE = _reader(Kind.RESOURCE)
_LIMITS = _reader(Kind.RESOURCE, cap_ms=SHORT_MS, judge=_judge_limits)


LOKI = Dialect(
    name="loki",
    routes=routes(
        (
            ("query_range", "GET POST", "/loki/api/v1/query_range", _RANGE),
            ("query", "GET POST", "/loki/api/v1/query", _reader(Kind.QUERY, times=("time",))),
            ("legacy_query", "GET POST", "/api/prom/query", _LEGACY),
            ("labels", "GET POST", "/loki/api/v1/labels?|/api/prom/label", _RESOURCE),
            ("label_values", "GET POST", "/loki/api/v1/label/[^/]+/values|/api/prom/label/[^/]+/values", _RESOURCE),
            ("series", "GET POST", "/loki/api/v1/series|/api/prom/series", _RESOURCE),
            ("index", "GET POST", "/loki/api/v1/index/(?:stats|volume|volume_range|shards)", _RESOURCE),
            ("detected", "GET POST", "/loki/api/v1/detected_(?:labels|fields|field/[^/]+/values)", _RESOURCE),
            ("patterns", "GET POST", "/loki/api/v1/patterns", _RESOURCE),
            ("limits", "GET POST", "/loki/api/v1/drilldown-limits|/config/tenant/v1/limits", _LIMITS),
        )
    ),
    noise=frozenset(("x-loki-query-limits-context", "x-query-queue-time", "x-loki-actor-path")),
)
