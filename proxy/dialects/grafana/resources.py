"""Which calls of a data source's plugin only read, and what makes two of them the same.

A GET is taken for a read unless its path names an act. A POST is a read only where the plugin's own source says so: a
table by type, and what the operator adds to it. The pickers of Prometheus and its kin send the time range along, to the
second; there a range identifies an answer to the minute.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import unquote

from ...core.model import Answer, Call, Kind, Pass, Reason, Request
from ...core.paths import canonical
from ..accept import accept_class
from ..documents import Number, Unreadable, spell
from ..documents import read as read_json
from ..form import Parameters, encode, parse
from ..form import canonical as canonical_form
from ..media_types import FORM, JSON, media_type
from ..opaque import READ_PATHS
from ..replies import parse_leniently

_HEALTH = re.compile(r"(?:^|/)(?:health(?:[_-]?checks?|z)?|livez|readyz|ready|ping)(?:/|$)", re.IGNORECASE)
_ACTS = re.compile(
    r"(?:^|/)_?(?:cancel|abort|stop|kill|delete|remove|create|update|insert|upsert|write|save|reset|refresh|register"
    r"|unregister|subscribe|unsubscribe|acknowledge|execute|trigger|invalidate|clear|flush|purge|stream|tail|live"
    r"|oauth2?|login|logout|callback|sessions?|secrets?|tokens?)(?-i:(?![a-z]))",
    re.IGNORECASE,
)
"""What a segment begins with: `cancel`, `cancel-query`, `cancelQuery` as well, but not `canceled`. AWS's plugins take a
GET for a POST."""

_SQL = r"/(?:schemas|tables|columns)"
_AWS_SQL = r"/(?:regions|databases|schemas|tables|columns|catalogs|workgroups|workgroupEngineVersion|clusters)"
_PROMETHEUS = r"/api/v1/(?:labels|series|format_query|query_exemplars|query_range|query|label/[^/%]+/values)"
_MSEARCH = r"/_msearch"

_POSTS = {
    "prometheus": _PROMETHEUS,
    "grafana-amazonprometheus-datasource": _PROMETHEUS,
    "grafana-azureprometheus-datasource": _PROMETHEUS,
    "elasticsearch": _MSEARCH,
    "grafana-opensearch-datasource": _MSEARCH,
    "graphite": r"/(?:events|metrics/find|metrics/expand|tags/autoComplete/(?:tags|values))",
    "grafana-athena-datasource": _AWS_SQL,
    "grafana-redshift-datasource": _AWS_SQL,
    "grafana-bigquery-datasource": r"/(?:projects|datasets|dataset/tables|dataset/table/schema)",
    "grafana-azure-monitor-datasource": r"/resourcegraph/providers/Microsoft\.ResourceGraph/resources",
    "grafana-azure-data-explorer-datasource": r"/(?:databases|schema)",
    "grafana-snowflake-datasource": _SQL,
    "grafana-databricks-datasource": _SQL,
}
"""Paths that only read: so say the plugins' sources, for Snowflake and Databricks that of the library under them (sqlds),
for Azure's resource graph its API."""
_READING_POSTS = {source_type: re.compile(paths) for source_type, paths in _POSTS.items()}

_ORDERED = frozenset({"elasticsearch", "grafana-opensearch-datasource"})
"""In a search body the order of keys may mean something (several sort orders in one object)."""

_TIMED = frozenset(
    {
        "prometheus",
        "grafana-amazonprometheus-datasource",
        "grafana-azureprometheus-datasource",
        "victoriametrics-metrics-datasource",
        "victoriametrics-logs-datasource",
        "loki",
        "tempo",
        "jaeger",
        "grafana-pyroscope-datasource",
        "phlare",
    }
)
_TIMES = ("start", "end", "from", "to")
_EPOCH = re.compile(r"([0-9]{9,19})(?:\.[0-9]+)?")
_MINUTE = ((11, 60), (14, 60_000), (17, 60_000_000), (19, 60_000_000_000))
"""By the most digits of a time in seconds, milliseconds, microseconds and nanoseconds."""
_COARSE_MINUTES = 10
"""A shorter range than this is taken as it is: a minute would be too much of it."""
_QUERY = re.compile(r"(?:^|/)query")
"""Data, not names: its times are exact."""
_INSTANT_QUERY = re.compile(r"(?:^|/)query$")
_LIVE = re.compile(r"(?:^|/)(?:rules|alerts|targets|alertmanagers)$")
_LIVE_TTL_MS = 10_000


def read(request: Request, source_type: str, own: Mapping[str, Sequence[re.Pattern[str]]]) -> Call | Pass:
    """`request.path` is what follows /resources, raw; `own` has the operator's POST paths by type, matched whole."""
    if "Content-Encoding" in request.headers:
        return Pass(reason=Reason.BODY)
    path = canonical(request.path)
    refused = _refuse(request, path, source_type, own)
    if refused is not None:
        return Pass(reason=refused)
    url = parse(request.query)
    form = _form(request)
    if url is None or form is None:
        return Pass(reason=Reason.PARAMETER)
    timed = source_type in _TIMED
    if timed and _INSTANT_QUERY.search(path) and not any(name == "time" for name, _ in (*url, *form)):
        return Pass(reason=Reason.NOW)
    floored = timed and not _QUERY.search(path)
    in_url, in_form = _parameters(url, floored), _parameters(form, floored)
    return Call(
        kind=Kind.RESOURCE,
        parts=(
            encode(request.method),
            encode(accept_class(request.headers)),
            b"%d" % len(in_url),
            *in_url,
            b"%d" % len(in_form),
            *in_form,
            *_body(request, floored=floored, ordered=source_type in _ORDERED),
        ),
        judge=judge,
        ttl_cap_ms=_LIVE_TTL_MS if timed and _LIVE.search(path) else None,
    )


def judge(answer: Answer) -> Reason | None:
    """What plugins mark as failed in a 200; HTML is a login page, or somebody's error page."""
    if not answer.body:
        return Reason.EMPTY
    content_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if content_type in ("text/event-stream", "application/x-ndjson"):
        return Reason.STREAM
    if content_type == "text/html":
        return Reason.CONTENT_TYPE
    if content_type != JSON and not content_type.endswith("+json"):
        return None
    document = parse_leniently(answer.body)
    if document is None:
        return None if answer.body.strip() == b"null" else Reason.MALFORMED  # null: Go's empty list
    if not isinstance(document, dict):
        return None
    if document.get("error") or document.get("errors") or document.get("status") == "error":
        return Reason.ERROR_IN_BODY
    return Reason.PARTIAL if document.get("warnings") else None


def _refuse(
    request: Request, path: str, source_type: str, own: Mapping[str, Sequence[re.Pattern[str]]]
) -> Reason | None:
    match request.method:
        case "GET":
            decoded = unquote(path)  # as Grafana hands it to the plugin
            if request.body:
                return Reason.BODY
            if _HEALTH.search(decoded):
                return Reason.HEALTH
            return Reason.ROUTE if _ACTS.search(decoded) or not READ_PATHS.fullmatch(path) else None
        case "POST":
            if request.headers.get("Content-Type", "").lower().startswith("multipart/"):
                return Reason.CONTENT_TYPE  # its boundary is random: it would never be asked again
            reading = _READING_POSTS.get(source_type)
            patterns = (*([reading] if reading else []), *own.get(source_type, ()))
            reads = "%2F" not in path and any(pattern.fullmatch(path) for pattern in patterns)
            return None if reads else Reason.ROUTE
        case _:
            return Reason.METHOD


def _form(request: Request) -> Parameters | None:
    if media_type(request.headers) != FORM:
        return ()
    return parse(request.body.decode("utf-8", "surrogateescape"))


def _body(request: Request, *, floored: bool, ordered: bool) -> tuple[bytes, ...]:
    """The body where it is no form; byte for byte where it is not JSON that all read alike."""
    content_type = media_type(request.headers)
    if not request.body or content_type == FORM:
        return ()
    if content_type == JSON and not ordered:
        try:
            document = read_json(request.body)
            if floored and isinstance(document, dict):
                document |= _minutes((name, _text(value)) for name, value in document.items())
            return (b"json", spell(document, sort_keys=True))
        except Unreadable:
            pass
    return (encode(",".join(request.headers.getall("Content-Type", ()))), request.body)


def _parameters(parameters: Parameters, floored: bool) -> tuple[bytes, ...]:
    minutes = _minutes(parameters) if floored else {}
    parts = canonical_form((name, minutes.get(name, value)) for name, value in parameters)
    assert not isinstance(parts, Pass)  # it refuses repetitions of single-valued names, and none is said to be
    return parts


def _text(value: object) -> str:
    return value.text if isinstance(value, Number) else value if isinstance(value, str) else ""


def _minutes(given: Iterable[tuple[str, str]]) -> dict[str, str]:
    """By name, the minute and the unit of each time; none where a range is too short or a time is given twice."""
    times: dict[str, tuple[int, int]] = {}
    for name, text in given:
        if name in _TIMES:
            found = _EPOCH.fullmatch(text)
            if name in times:
                return {}
            if found:
                unit = next(unit for digits, unit in _MINUTE if len(found[1]) <= digits)
                times[name] = int(found[1]) // unit, unit
    start, end = times.get("start", times.get("from")), times.get("end", times.get("to"))
    if start and end and end[0] - start[0] < _COARSE_MINUTES:
        return {}
    return {name: f"minute {minute} of {unit}" for name, (minute, unit) in times.items()}
