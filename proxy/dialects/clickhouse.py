"""ClickHouse over HTTP: one statement in `query`, in the body, or begun in one and ended in the other.

An allow-list: one statement that only reads, no function whose answer depends on the moment or the server, no table
function that reaches out. The answer's end is looked at for an exception, which can follow a 200.
"""

import itertools
import re
from collections.abc import Sequence

from ..core.model import Answer, Call, Dialect, Kind, Pass, Reason, Request
from .form import Parameters, canonical, encode, parse
from .statements import CLICKHOUSE as GRAMMAR
from .statements import Lexeme, Token, Undecidable, calls, statements, words
from .tables import routes

_NOISE = frozenset("query_id log_comment session_timeout wait_end_of_query http_headers_progress_interval_ms".split())
_NOISE_PREFIX = "send_progress"
_FORBIDDEN = frozenset("session_id session_check decompress stacktrace".split())
"""State between requests, a body in a coding that is not announced, output for debugging."""
_CUTS = re.compile(r"compress|skip_unavailable_shards|partial_result_on_first_cancel|\w+_overflow_mode", re.IGNORECASE)
"""Settings by which a part of the answer may be missing without a mark, or the mark be hidden in the server's own
compression."""
_HARMLESS = frozenset(("", "0", "false", "throw"))

_QUERIES = frozenset(("SELECT", "WITH"))
_RESOURCES = frozenset(("SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN"))
_WRITES = frozenset(("INSERT", "ALTER", "DROP", "TRUNCATE", "OUTFILE"))
"""Words that could make a write of a statement which begins as a read (`WITH … INSERT`, `INTO OUTFILE`)."""
_LIVE_SHOWS = frozenset(("PROCESSLIST",))
_MOMENT = re.compile(
    r"NOW(?:64|INBLOCK|INBLOCK64)?|TODAY|YESTERDAY|CURRENT_TIMESTAMP|UTCTIMESTAMP|UTC_TIMESTAMP|CURRENT_DATE|CURDATE|SYSDATE"
    r"|RAND\w*|GENERATE\w*|HOSTNAME|FQDN|UPTIME|VERSION|CURRENTUSER|USER|CURRENT_USER|CONNECTIONID|CONNECTION_ID"
    r"|QUERYID|QUERY_ID|SERVERUUID|RUNNING\w*|ROWNUMBERIN\w*|FILESYSTEM\w*|SLEEP\w*|THROWIF|FUZZBITS|RANDOM\w*"
    r"|INITIALQUERYID|TCPPORT|GETSETTING|BLOCKNUMBER|LASTINSERTID|CATBOOST\w*"
)
_OUTWARD = re.compile(
    r"URL\w*|REMOTE\w*|S3\w*|GCS|HDFS\w*|FILE\w*|MYSQL|POSTGRESQL|MONGODB|SQLITE|JDBC|ODBC|REDIS|EXECUTABLE|INPUT"
    r"|CLUSTER\w*|AZUREBLOBSTORAGE\w*|DELTALAKE\w*|HUDI\w*|ICEBERG\w*|PAIMON\w*|YTSAURUS|ARROWFLIGHT|DICTIONARY"
)
_BARE_MOMENTS = frozenset(("CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_USER"))
_EXCEPTION = re.compile(rb"Code: \d+[.,].{0,400}(?:DB::Exception|e\.displayText)|__exception__", re.DOTALL)
_TAIL_BYTES = 16 * 1024


def _read(request: Request) -> Call | Pass:
    parameters = parse(request.query)
    if parameters is None:
        return Pass(reason=Reason.PARAMETER)
    if request.body and request.method != "POST":
        return Pass(reason=Reason.BODY)
    names = [name for name, _ in parameters]
    if len(names) != len(set(names)) or not _FORBIDDEN.isdisjoint(names):
        return Pass(reason=Reason.PARAMETER)
    if any(_CUTS.fullmatch(name) and value.lower() not in _HARMLESS for name, value in parameters):
        return Pass(reason=Reason.PARAMETER)
    if request.headers.get("Content-Type", "").lower().startswith("multipart/"):
        return Pass(reason=Reason.CONTENT_TYPE)  # external data
    kept = tuple(pair for pair in parameters if pair[0] not in _NOISE and not pair[0].startswith(_NOISE_PREFIX))
    parts = canonical(pair for pair in kept if pair[0] != "query")
    if isinstance(parts, Pass):
        return parts
    text = _statement_text(kept, request.body)
    if text is None:
        return Pass(reason=Reason.BODY)
    kind = statement_kind(text)
    if isinstance(kind, Pass):
        return kind
    # Where the text is divided between URL and body says how the server reads it.
    url_part = encode(dict(kept).get("query", ""))
    accept = ",".join(request.headers.getall("Accept", ())).lower().encode()
    return Call(kind=kind, parts=(accept, url_part, request.body, *parts), judge=_judge)


def _statement_text(parameters: Parameters, body: bytes) -> str | None:
    try:
        from_body = body.decode()
    except UnicodeDecodeError:
        return None  # compressed, or data for an INSERT
    from_url = dict(parameters).get("query", "")
    return f"{from_url}\n{from_body}" if from_url and from_body else from_url or from_body


def statement_kind(text: str) -> Kind | Pass:
    try:
        found = statements(text, GRAMMAR)
    except Undecidable:
        return Pass(reason=Reason.STATEMENT)
    if len(found) != 1:
        return Pass(reason=Reason.STATEMENT)
    (statement,) = found
    said, called = words(statement), calls(statement)
    first = said[0] if statement[0].kind is Token.WORD else ""
    if statement[0].text == "(" and said:
        first = said[0]
    if first not in _QUERIES | _RESOURCES or not _WRITES.isdisjoint(said[1:]) or not _LIVE_SHOWS.isdisjoint(said):
        return Pass(reason=Reason.STATEMENT)
    if any(map(_CUTS.fullmatch, said)) or Lexeme(Token.SIGN, "$") in statement:  # a heredoc's quotes are not known
        return Pass(reason=Reason.STATEMENT)
    if any(_OUTWARD.fullmatch(name) for name in called):
        return Pass(reason=Reason.STATEMENT)
    if said[:2] == ["SELECT", "1"] and len(statement) == 2:
        return Pass(reason=Reason.HEALTH)
    if any(_MOMENT.fullmatch(name) for name in called) or not _BARE_MOMENTS.isdisjoint(said):
        return Pass(reason=Reason.NOW)
    if first in _RESOURCES:
        return Kind.RESOURCE
    return Kind.RESOURCE if _reads_only_the_catalogue(statement) else Kind.QUERY


def _reads_only_the_catalogue(statement: Sequence[Lexeme]) -> bool:
    """Whether every table after FROM and JOIN is one of `system`'s or `information_schema`'s."""
    tables = [
        after.text.upper()
        for lexeme, after in itertools.pairwise(statement)
        if lexeme.kind is Token.WORD and lexeme.text in ("FROM", "JOIN")
    ]
    return bool(tables) and all(table in ("SYSTEM", "INFORMATION_SCHEMA") for table in tables)


def _judge(answer: Answer) -> Reason | None:
    if "X-ClickHouse-Exception-Code" in answer.headers or _EXCEPTION.search(answer.body[-_TAIL_BYTES:]):
        return Reason.ERROR_IN_BODY
    return None


CLICKHOUSE = Dialect(name="clickhouse", routes=routes((("statement", "GET POST", "/", _read),)))
