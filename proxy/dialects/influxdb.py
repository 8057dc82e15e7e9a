"""InfluxDB's InfluxQL (/query) and Flux (/api/v2/query); its SQL goes over gRPC.

Both paths carry data, metadata and statements that write: what a request is stands in its text. `now()` and relative
ranges make the answer depend on the moment, so they pass; absolute ranges are kept, and so is what names no time.
"""

import itertools
import re
from collections.abc import Sequence

import msgspec

from ..core.model import Answer, Call, Dialect, Kind, Pass, Reason, Request
from .accept import JSON, accept_class
from .documents import Unreadable, read
from .form import canonical, parse, read_keyed
from .media_types import JSON as JSON_TYPE
from .media_types import media_type
from .replies import decode
from .statements import FLUX, INFLUXQL, Lexeme, Token, Undecidable, calls, lex, statements, words
from .tables import routes

_INFLUXQL_SINGLE = frozenset("q db rp epoch u p pretty chunked chunk_size params".split())
_LIVE_SHOWS = frozenset("QUERIES DIAGNOSTICS STATS SHARDS SHARD SUBSCRIPTIONS".split())

_FLUX_SINGLE = frozenset("org orgID bucket".split())
_FLUX_READS = frozenset(
    "array contrib/tomhollingworth/events date dict influxdata/influxdb/schema influxdata/influxdb/v1 "
    "influxdata/influxdb/sample interpolate join json math regexp strings timezone types".split()
)
"""The packages that only compute; any other import might write or call out."""
_FLUX_WRITES = frozenset(("TO", "WIDETO"))
_FLUX_META = frozenset("BUCKETS MEASUREMENTS TAGKEYS TAGVALUES FIELDKEYS MEASUREMENTTAGKEYS".split())
_FLUX_MEMBERS = frozenset("query type dialect now params".split())
_FLUX_DIALECT = frozenset("annotations commentPrefix dateTimeFormat delimiter header".split())
_ERROR_TABLE = re.compile(rb"^[^\w\r\n]*error[^\w\r\n]+reference\W*$", re.MULTILINE)
"""The columns of an error's table, whatever their delimiter."""


class _Series(msgspec.Struct):
    partial: bool = False


class _Result(msgspec.Struct):
    error: str | None = None
    partial: bool = False
    series: list[_Series] = []


class _Reply(msgspec.Struct):
    results: list[_Result] = []
    error: str | None = None


_REPLY = msgspec.json.Decoder(_Reply)


def _read_influxql(request: Request) -> Call | Pass:
    if accept_class(request.headers) != JSON:
        return Pass(reason=Reason.CONTENT_TYPE)
    form = read_keyed(request, single=_INFLUXQL_SINGLE)
    if isinstance(form, Pass):
        return form
    given = form.given
    if given.get("chunked", "false").lower() not in ("false", "f", "0", ""):
        return Pass(reason=Reason.STREAM)
    kind = influxql_kind(given.get("q", ""))
    if isinstance(kind, Pass):
        return kind
    return Call(kind=kind, parts=form.parts, judge=_judge_influxql, keep_headers=("x-grafana-meta-add-*",))


def influxql_kind(text: str) -> Kind | Pass:
    """A query if any statement is one, provided that every statement only reads and none depends on the moment."""
    if text.strip() == "SHOW measurements":  # Grafana's "Save & Test"; a picker writes it in capitals
        return Pass(reason=Reason.HEALTH)
    try:
        kinds = [_statement_kind(statement) for statement in statements(text, INFLUXQL)]
    except Undecidable:
        return Pass(reason=Reason.STATEMENT)
    reasons = {kind.reason for kind in kinds if isinstance(kind, Pass)}
    if Reason.STATEMENT in reasons or not kinds:
        return Pass(reason=Reason.STATEMENT)
    if reasons:
        return Pass(reason=Reason.NOW)
    return Kind.QUERY if Kind.QUERY in kinds else Kind.RESOURCE


def _statement_kind(statement: list[Lexeme]) -> Kind | Pass:
    said = words(statement)
    first = said[0] if statement[0].kind is Token.WORD else ""
    if said[:2] == ["EXPLAIN", "SELECT"]:
        kind = _statement_kind(statement[1:])
        return kind if isinstance(kind, Pass) else Kind.RESOURCE
    if first not in ("SELECT", "SHOW") or "INTO" in said or not _LIVE_SHOWS.isdisjoint(said[1:2]):
        return Pass(reason=Reason.STATEMENT)
    called = calls(statement)
    if "NOW" in called or ("GROUP" in said and "TIME" in called and _upper_bounds(statement) < said.count("SELECT")):
        return Pass(reason=Reason.NOW)  # buckets without an upper bound end at the moment of asking
    return Kind.QUERY if first == "SELECT" else Kind.RESOURCE


def _upper_bounds(statement: Sequence[Lexeme]) -> int:
    return sum(
        lexeme.kind in (Token.WORD, Token.NAME) and lexeme.text.upper() == "TIME" and after.text in ("<", "=")
        for lexeme, after in itertools.pairwise(statement)
    )


def _judge_influxql(answer: Answer) -> Reason | None:
    """A statement can fail, or be cut by max-row-limit, inside a 200."""
    reply = decode(_REPLY, answer.body)
    if reply is None:
        return Reason.MALFORMED
    if reply.error is not None or any(result.error is not None for result in reply.results):
        return Reason.ERROR_IN_BODY
    if any(result.partial or any(series.partial for series in result.series) for result in reply.results):
        return Reason.PARTIAL
    return None


def _read_flux(request: Request) -> Call | Pass:
    """The body is part of the key as it came: clients write it the same way each time."""
    parameters = parse(request.query)
    parts = canonical(parameters, single=_FLUX_SINGLE) if parameters is not None else Pass(reason=Reason.PARAMETER)
    if isinstance(parts, Pass):
        return parts
    content_type = media_type(request.headers)
    match content_type:
        case "application/vnd.flux":
            body = _flux_text(request.body)
        case _ if content_type == JSON_TYPE:
            body = _flux_document(request.body)
        case _:
            return Pass(reason=Reason.CONTENT_TYPE)
    if body is None:
        return Pass(reason=Reason.BODY)
    text, has_now = body
    kind = flux_kind(text, has_now=has_now)
    if isinstance(kind, Pass):
        return kind
    accept = ",".join(request.headers.getall("Accept", ())).lower().encode()
    return Call(kind=kind, parts=(content_type.encode(), accept, request.body, *parts), judge=_judge_flux)


def _flux_text(body: bytes) -> tuple[str, bool] | None:
    try:
        return body.decode(), False
    except UnicodeDecodeError:
        return None


def _flux_document(body: bytes) -> tuple[str, bool] | None:
    """The query, and whether now is given. Go takes a member's name in any case, the last one counts, and `extern`,
    `ast` and `spec` are programs beside the query: so no member is allowed but those that are known.

    Without a header the table of an error would look like any other.
    """
    try:
        document = read(body)
    except Unreadable:
        return None
    if not isinstance(document, dict) or not document.keys() <= _FLUX_MEMBERS:
        return None
    dialect = document.get("dialect") or {}
    if not isinstance(dialect, dict) or not dialect.keys() <= _FLUX_DIALECT or not dialect.get("header", True):
        return None
    text = document.get("query")
    return (text, isinstance(document.get("now"), str)) if isinstance(text, str) else None


def flux_kind(text: str, *, has_now: bool) -> Kind | Pass:
    """`has_now`: the request says what now is, so that relative times are fixed."""
    if "${" in text:  # an expression inside a string, with strings inside it
        return Pass(reason=Reason.STATEMENT)
    try:
        found = list(lex(text, FLUX))
    except Undecidable:
        return Pass(reason=Reason.STATEMENT)
    said, called = set(words(found)), calls(found)
    if not said.isdisjoint(_FLUX_WRITES) or not _imports(found) <= _FLUX_READS or not said:
        return Pass(reason=Reason.STATEMENT)
    if not has_now and (not said.isdisjoint(("NOW", "TODAY", "OPTION")) or not _ranges_are_absolute(found)):
        return Pass(reason=Reason.NOW)
    return Kind.RESOURCE if not called.isdisjoint(_FLUX_META) and "RANGE" not in called else Kind.QUERY


def _imports(found: Sequence[Lexeme]) -> set[str]:
    """The packages imported, under whatever name; an import that is not followed by a text counts as unknown."""
    packages = set()
    for index, lexeme in enumerate(found):
        if lexeme.kind is Token.WORD and lexeme.text == "IMPORT":
            package = next((after for after in found[index + 1 : index + 3] if after.kind is Token.STRING), None)
            packages.add(package.text if package is not None else "?")
    return packages


def _ranges_are_absolute(found: Sequence[Lexeme]) -> bool:
    """Every range has a start and a stop that are dates or Unix times, by whatever name it is called."""
    bounds = [
        _is_absolute(found[index + 2])
        for index, lexeme in enumerate(found[:-2])
        if lexeme.kind is Token.WORD and lexeme.text in ("START", "STOP") and found[index + 1].text == ":"
    ]
    ranges = sum(lexeme.kind is Token.WORD and lexeme.text == "RANGE" for lexeme in found)
    return all(bounds) and len(bounds) >= 2 * ranges


def _is_absolute(lexeme: Lexeme) -> bool:
    return lexeme.kind is Token.WORD and lexeme.text.isdigit() and (len(lexeme.text) == 4 or len(lexeme.text) >= 9)


def _judge_flux(answer: Answer) -> Reason | None:
    """An error after the 200 has been sent comes as a table of its own in the CSV."""
    if _ERROR_TABLE.search(answer.body):
        return Reason.ERROR_IN_BODY
    if not answer.headers.get("Content-Type", "").startswith(("text/csv", "application/csv")):
        return Reason.MALFORMED
    return None if answer.body.endswith(b"\n") else Reason.MALFORMED


INFLUXDB = Dialect(
    name="influxdb",
    routes=routes(
        (
            ("influxql", "GET POST", "/query", _read_influxql),
            ("flux", "POST", "/api/v2/query", _read_flux),
        )
    ),
)
