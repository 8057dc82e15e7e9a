"""Infinity and the generic JSON data sources: any URL, any format, GraphQL too (grafana-infinity-datasource).

A GET is kept as RFC 9111 would have it. A POST is kept only where the operator says that its path merely reads
(`cacheable_posts`), and even there not when it could be a GraphQL mutation or subscription.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import unquote_to_bytes

from ..core.model import Answer, Call, Dialect, Judge, Kind, Pass, Reason, Request, Route
from .documents import Unreadable, names, read, strings
from .form import encode, parse
from .media_types import FORM, JSON, media_type
from .opaque import READ_PATHS, accept_all, exact_accept, read_exact
from .replies import parse as parse_reply

_ACTS = re.compile(r"mutation|subscription")
"""Anywhere in a GraphQL document, in a string or a name too: a false alarm costs a hit, a miss would lose a write."""

_GRAPHQL = "application/graphql"
_DOCUMENT = re.compile(r"\s*(?:\{|#|(?:query|fragment)\b)")
"""How a GraphQL document that reads begins."""


def infinity(cacheable_posts: Iterable[str] = ()) -> Dialect:
    """`cacheable_posts` are whole paths below the source's base; `*` is any part of one segment, `**` of the path."""
    posts = tuple(
        Route(name="post", methods=frozenset({"POST"}), path=_compile(pattern), read=_post)
        for pattern in cacheable_posts
    )
    get = Route(name="get", methods=frozenset({"GET"}), path=READ_PATHS, read=_get)
    return Dialect(name="infinity", routes=(get, *posts))


def _compile(pattern: str) -> re.Pattern[str]:
    wild = {"*": "[^/]*", "**": ".*"}
    return re.compile("".join(wild.get(part) or re.escape(part) for part in re.split(r"(\*\*|\*)", pattern)))


def _get(request: Request) -> Call | Pass:
    """GraphQL may be asked by GET, where a server need not refuse to write."""
    texts = _url_documents(request)
    found = Pass(reason=Reason.STATEMENT) if _act(texts) else read_exact(request)
    if isinstance(found, Call) and any(map(_DOCUMENT.match, texts)):
        return replace(found, judge=_judge_graphql)
    return found


def _post(request: Request) -> Call | Pass:
    content_type = media_type(request.headers)
    if request.headers.get("Content-Type", "").lower().startswith("multipart/"):
        return Pass(reason=Reason.CONTENT_TYPE)  # its boundary is random: it would never be asked again
    texts = _url_documents(request)
    judge = accept_all
    if content_type == FORM:
        texts.append(unquote_to_bytes(request.body).decode("utf-8", "replace"))
    elif content_type == _GRAPHQL:
        texts.append(request.body.decode("utf-8", "replace"))
        judge = _judge_graphql
    elif _is_json(content_type, request.body):
        try:
            document = read(request.body)
        except Unreadable:
            return Pass(reason=Reason.BODY)
        if any(name.lower() == "query" for name in names(document)):  # in any case, as servers in Go take it
            texts.extend(strings(document))
            judge = _judge_graphql
    return Pass(reason=Reason.STATEMENT) if _act(texts) else _exact_post(request, judge)


def _url_documents(request: Request) -> list[str]:
    """The URL's `query`, which counts in a POST too; the whole of a query string that parsers read differently."""
    pairs = parse(request.query)
    return [request.query] if pairs is None else [value for name, value in pairs if name.lower() == "query"]


def _act(texts: Iterable[str]) -> bool:
    return any(map(_ACTS.search, texts))


def _is_json(content_type: str, body: bytes) -> bool:
    """By its type or its looks: some servers read JSON whatever its type is said to be."""
    return content_type == JSON or content_type.endswith("+json") or body.lstrip().startswith((b"{", b"["))


def _exact_post(request: Request, judge: Judge) -> Call:
    """The body byte for byte: numbers beyond a double's, key order and white space may mean something to somebody."""
    content_type = ",".join(request.headers.getall("Content-Type", ()))
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


def _judge_graphql(answer: Answer) -> Reason | None:
    """GraphQL answers 200 with `errors` for a failed or half-failed operation (its specification, section 7.1)."""
    body = parse_reply(answer.body)
    if body is None:
        return Reason.MALFORMED
    results = body if isinstance(body, list) else [body]
    if any(isinstance(result, dict) and result.get("errors") for result in results):
        return Reason.ERROR_IN_BODY
    return None
