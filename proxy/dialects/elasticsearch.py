"""Elasticsearch: searches, counts, ES|QL and SQL, and what pickers load (grafana-elasticsearch-datasource).

`/_msearch` carries a panel's queries and a variable's list of terms alike; which it is stands in its lines. The order
of its lines is the order of its answers. A search that failed on some shards, ran out of time or broke down among
others is a part of a 200 all the same.
"""

import re
from collections.abc import Callable, Sequence
from urllib.parse import unquote

from ..core.model import Answer, Call, Dialect, Judge, Kind, Pass, Read, Reason, Request
from .documents import Unreadable, read, spell, strings
from .form import Parameters, canonical, encode, parse
from .opaque import exact_accept
from .replies import parse as parse_reply
from .search_body import depends_on_now, is_date_math_index, lists_terms, says_now
from .tables import health, routes

_MEDIA_TYPE = re.compile(
    r"application/(?:x-ndjson|json|vnd\.(?:elasticsearch|opensearch)\+(?:x-ndjson|json))"
    r"(?:;compatible-with=\d+|;charset=utf-8)*"
)

_FORBIDDEN = frozenset("scroll source source_content_type filter_path keep_alive cursor".split())
"""State between requests, a body beside the body, and what could leave the marks of a failure out of the answer."""

_NOISE = frozenset(("max_concurrent_shard_requests", "max_concurrent_searches"))

_INDEX = r"(?:/(?:_all|[^/_][^/]*))?"


def _parameters(request: Request) -> Parameters | Pass:
    """The URL's parameters that can change an answer. Each may come once."""
    pairs = parse(request.query)
    if pairs is None:
        return Pass(reason=Reason.PARAMETER)
    given = [name for name, _ in pairs]
    if len(given) != len(set(given)) or not _FORBIDDEN.isdisjoint(given):
        return Pass(reason=Reason.PARAMETER)
    if is_date_math_index(unquote(request.path)) or any(says_now(value) for _, value in pairs):
        return Pass(reason=Reason.NOW)
    return tuple(pair for pair in pairs if pair[0] not in _NOISE and not _is_session(*pair))


def _is_session(name: str, value: object) -> bool:
    """A preference of one's own only chooses among equal copies; those that begin with `_` can choose the shards."""
    return name == "preference" and isinstance(value, str) and not value.startswith("_")


def _call(request: Request, kind: Kind, body: Sequence[bytes], judge: Judge) -> Call | Pass:
    """A call whose key has the body, the parameters and both media types: by them the server chooses its format."""
    found = _parameters(request)
    if isinstance(found, Pass):
        return found
    parameters = canonical(found)
    if isinstance(parameters, Pass):
        return parameters
    formats = (exact_accept(request), encode(_content_type(request)))
    return Call(kind=kind, parts=(*formats, b"%d" % len(body), *body, *parameters), judge=judge)


def _content_type(request: Request) -> str:
    return ",".join(request.headers.getall("Content-Type", ())).lower().replace(" ", "")


def read_document(request: Request) -> dict[str, object] | Pass:
    """The object that a POST's body is."""
    if not _MEDIA_TYPE.fullmatch(_content_type(request)):
        return Pass(reason=Reason.CONTENT_TYPE)
    try:
        document = read(request.body)
    except Unreadable:
        return Pass(reason=Reason.BODY)
    return document if isinstance(document, dict) else Pass(reason=Reason.BODY)


def _read_msearch(request: Request) -> Call | Pass:
    if not _MEDIA_TYPE.fullmatch(_content_type(request)):
        return Pass(reason=Reason.CONTENT_TYPE)
    *lines, rest = request.body.split(b"\n")
    if rest or len(lines) % 2 or not lines:  # the last line ends, too
        return Pass(reason=Reason.BODY)
    try:
        documents = [read(line) for line in lines]
        objects = [document for document in documents if isinstance(document, dict)]
        headers, bodies = objects[::2], objects[1::2]
        spelled = [spell(line) for pair in zip(map(_without_session, headers), bodies, strict=True) for line in pair]
    except ValueError:  # Unreadable, or a line too few
        return Pass(reason=Reason.BODY)
    if len(objects) != len(lines):
        return Pass(reason=Reason.BODY)
    if any(map(is_date_math_index, strings(headers))) or any(map(depends_on_now, bodies)):
        return Pass(reason=Reason.NOW)
    kind = Kind.RESOURCE if all(map(lists_terms, bodies)) else Kind.QUERY
    return _call(request, kind, spelled, _judge_msearch(len(bodies)))


def _without_session(header: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in header.items() if not _is_session(name, value)}


def _read_search(request: Request) -> Call | Pass:
    """With the method in its key: an intermediary may drop a GET's body."""
    if not request.body:
        return _call(request, Kind.QUERY, [request.method.encode()], _judge_search)
    document = read_document(request)
    if isinstance(document, Pass):
        return document
    if depends_on_now(document):
        return Pass(reason=Reason.NOW)
    try:
        return _call(request, Kind.QUERY, [request.method.encode(), spell(document)], _judge_search)
    except Unreadable:
        return Pass(reason=Reason.BODY)


def statement_reader(classify: Callable[[str], Kind | Pass]) -> Read:
    """A reader of `{"query": "…"}`, for languages that `classify` tells apart."""

    def read_statement(request: Request) -> Call | Pass:
        document = read_document(request)
        if isinstance(document, Pass):
            return document
        text = document.get("query")
        if not isinstance(text, str):
            return Pass(reason=Reason.STATEMENT)  # a cursor's next page among them
        if "cursor" in document or "keep_on_completion" in document:
            return Pass(reason=Reason.STATEMENT)
        kind = classify(text)
        if isinstance(kind, Pass):
            return kind
        if depends_on_now({name: value for name, value in document.items() if name != "query"}):
            return Pass(reason=Reason.NOW)
        try:
            return _call(request, kind, [spell(document)], judge_table)
        except Unreadable:
            return Pass(reason=Reason.BODY)

    return read_statement


_ESQL_SOURCES = frozenset("FROM TS METRICS ROW SHOW".split())
_ESQL_MOMENT = re.compile(r"\b(?:now|trange|tbucket|random|sample|completion|rerank|change_point)\b", re.IGNORECASE)
_SQL_READS = frozenset("SELECT SHOW DESCRIBE DESC".split())
_SQL_WRITES = re.compile(r"\b(?:delete|insert|update|drop|create|alter|into|truncate|merge)\b", re.IGNORECASE)
_SQL_MOMENT = re.compile(
    r"\b(?:now|today|curdate|curtime|current_\w+|sysdate|utc_\w+|localtime\w*|rand(?:om)?|getdate)\b", re.IGNORECASE
)


def first_word(text: str) -> str:
    """In upper case; "" where the text begins with anything else, a comment among them."""
    found = re.match(r"\s*([A-Za-z_]+)", text, re.ASCII)
    return found[1].upper() if found else ""


def esql_kind(text: str) -> Kind | Pass:
    """ES|QL only reads."""
    if first_word(text) not in _ESQL_SOURCES:
        return Pass(reason=Reason.STATEMENT)
    return Pass(reason=Reason.NOW) if _ESQL_MOMENT.search(text) else Kind.QUERY


def sql_kind(text: str) -> Kind | Pass:
    """OpenSearch's SQL can delete, where that is turned on. A write's word counts inside a string, too."""
    first = first_word(text)
    if first not in _SQL_READS or _SQL_WRITES.search(text) or ";" in text.rstrip().removesuffix(";"):
        return Pass(reason=Reason.STATEMENT)
    if _SQL_MOMENT.search(text):
        return Pass(reason=Reason.NOW)
    return Kind.QUERY if first == "SELECT" else Kind.RESOURCE


def _read_resource(request: Request) -> Call | Pass:
    if request.body:
        return Pass(reason=Reason.BODY)
    return _call(request, Kind.RESOURCE, (), _judge_json)


def _read_listing(request: Request) -> Call | Pass:
    """`/_cat`: text, or JSON where it was asked for."""
    if request.body:
        return Pass(reason=Reason.BODY)
    return _call(request, Kind.RESOURCE, (), _judge_listing)


def _judge_msearch(searches: int) -> Judge:
    def judge(answer: Answer) -> Reason | None:
        body = parse_reply(answer.body)
        if not isinstance(body, dict):
            return Reason.MALFORMED
        if body.get("error"):
            return Reason.ERROR_IN_BODY
        responses = body.get("responses")
        if not isinstance(responses, list) or len(responses) != searches:
            return Reason.MALFORMED
        return next((mark for mark in map(_mark, responses) if mark is not None), None)

    return judge


def _judge_search(answer: Answer) -> Reason | None:
    return _mark(parse_reply(answer.body))


def _mark(result: object) -> Reason | None:
    """One search's own marks."""
    if not isinstance(result, dict):
        return Reason.MALFORMED
    status = result.get("status", 200)
    if result.get("error") or not isinstance(status, int) or status >= 400:
        return Reason.ERROR_IN_BODY
    shards, clusters = result.get("_shards"), result.get("_clusters", {})
    if not isinstance(shards, dict) or not isinstance(clusters, dict):
        return Reason.MALFORMED
    if any(result.get(name) for name in ("timed_out", "terminated_early", "is_partial", "is_running")):
        return Reason.PARTIAL
    if shards.get("failed") or shards.get("failures"):
        return Reason.PARTIAL
    if any(clusters.get(name) for name in ("skipped", "partial", "failed", "running")):
        return Reason.PARTIAL
    return None


def judge_table(answer: Answer) -> Reason | None:
    """The answers of ES|QL, SQL and PPL. A cursor stands for one reader's place among the pages."""
    body = parse_reply(answer.body)
    if not isinstance(body, dict):
        return Reason.MALFORMED
    status = body.get("status", 200)
    if body.get("error") or not isinstance(status, int) or status >= 400:
        return Reason.ERROR_IN_BODY
    if any(body.get(name) for name in ("is_partial", "is_running", "cursor", "timed_out")):
        return Reason.PARTIAL
    clusters = body.get("_clusters", {})
    if isinstance(clusters, dict) and any(clusters.get(name) for name in ("skipped", "partial", "failed", "running")):
        return Reason.PARTIAL
    return None


def _judge_json(answer: Answer) -> Reason | None:
    """An index may be named `error`; of fields, some indices may have failed to tell."""
    body = parse_reply(answer.body)
    if not isinstance(body, dict):
        return Reason.MALFORMED
    return Reason.PARTIAL if body.get("failed_indices") or body.get("failures") else None


def _judge_listing(answer: Answer) -> Reason | None:
    if answer.headers.get("Content-Type", "").startswith("text/plain"):
        return None
    return None if isinstance(parse_reply(answer.body), list) else Reason.MALFORMED


COMMON = routes(
    (
        ("msearch", "POST", f"{_INDEX}/_msearch", _read_msearch),
        ("search", "GET POST", f"{_INDEX}/_search", _read_search),
        ("count", "GET POST", f"{_INDEX}/_count", _read_search),
        ("mapping", "GET", f"{_INDEX}/_mapping(?:/field/[^/]+)?", _read_resource),
        ("field_caps", "GET", f"{_INDEX}/_field_caps", _read_resource),
        ("indices", "GET", "/_cat/indices(?:/[^/]+)?", _read_listing),
        ("root", "GET", "/", _read_resource),
        ("health", "GET", "/_cluster/health(?:/[^/]+)?", health),
    )
)
"""What Elasticsearch and OpenSearch both have."""

NOISE = frozenset(("x-opaque-id",))

ELASTICSEARCH = Dialect(
    name="elasticsearch",
    routes=(
        *COMMON,
        *routes(
            (
                ("esql", "POST", "/_query", statement_reader(esql_kind)),
                ("sql", "POST", "/_sql", statement_reader(sql_kind)),
            )
        ),
    ),
    noise=NOISE,
)
