"""Infinity and the generic JSON data sources: any URL, any format, GraphQL too (grafana-infinity-datasource).

A GET is kept as RFC 9111 would have it. A POST is kept only where the operator says that its path merely reads
(`cacheable_posts`), and even there not when it could be a GraphQL mutation or subscription.
"""

import re
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

import orjson

from ..core.model import Answer, Call, Dialect, Judge, Kind, Pass, Reason, Request, Route
from .form import encode
from .opaque import accept_all, exact_accept, read_exact

_ACTS = re.compile(rb"mutation|subscription")
"""Anywhere in a GraphQL document, in a string or a name too: a false alarm costs a hit, a miss would lose a write."""

_JSON = ("application/json", "application/graphql-response+json")
_GRAPHQL = "application/graphql"
_FORM = "application/x-www-form-urlencoded"


def infinity(cacheable_posts: Iterable[str] = ()) -> Dialect:
    """`cacheable_posts` are whole paths below the source's base; `*` is any part of one segment, `**` of the path."""
    posts = tuple(
        Route(name="post", methods=frozenset({"POST"}), path=_compile(pattern), read=_post)
        for pattern in cacheable_posts
    )
    get = Route(name="get", methods=frozenset({"GET"}), path=re.compile(".*"), read=read_exact)
    return Dialect(name="infinity", routes=(get, *posts))


def _compile(pattern: str) -> re.Pattern[str]:
    wild = {"*": "[^/]*", "**": ".*"}
    return re.compile("".join(wild.get(part) or re.escape(part) for part in re.split(r"(\*\*|\*)", pattern)))


def _post(request: Request) -> Call | Pass:
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type.startswith("multipart/"):
        return Pass(reason=Reason.CONTENT_TYPE)  # its boundary is random: it would never be asked again
    judge = accept_all
    statements = b""
    if media_type == _FORM:
        statements = unquote_to_bytes(request.body)
    elif media_type == _GRAPHQL:
        statements, judge = request.body, _judge_graphql
    elif media_type in _JSON:
        try:
            documents = _documents(orjson.loads(request.body))
        except orjson.JSONDecodeError:
            return Pass(reason=Reason.BODY)
        if documents:
            # Parsed for the escapes, and raw for the first of two equal keys.
            statements, judge = b"\n".join((*documents, request.body)), _judge_graphql
    if _ACTS.search(statements):
        return Pass(reason=Reason.STATEMENT)
    return _exact_post(request, judge)


def _exact_post(request: Request, judge: Judge) -> Call:
    """The body byte for byte: numbers beyond a double's, key order and white space may mean something to somebody."""
    content_type = request.headers.get("Content-Type", "")
    return Call(
        kind=Kind.QUERY,
        parts=(
            encode(request.query),
            exact_accept(request),
            encode(content_type),
            request.body,
        ),
        judge=judge,
    )


def _documents(body: object) -> list[bytes]:
    """The documents of a GraphQL-over-HTTP body, single or batched; none for any other JSON."""
    operations = body if isinstance(body, list) else [body]
    texts = [operation.get("query") for operation in operations if isinstance(operation, dict)]
    return [text.encode() for text in texts if isinstance(text, str)]


def _judge_graphql(answer: Answer) -> Reason | None:
    """GraphQL answers 200 with `errors` for a failed or half-failed operation (its specification, section 7.1)."""
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return Reason.MALFORMED
    results = body if isinstance(body, list) else [body]
    if any(isinstance(result, dict) and result.get("errors") for result in results):
        return Reason.ERROR_IN_BODY
    return None
