"""Calls of data sources for the tests of every row of datasources.md §4: how they are written, sent and grouped."""

from dataclasses import dataclass

import orjson

from tests.servers.wire import Reply, ask

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
NDJSON = "application/x-ndjson"
PROTO = "application/proto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    method: str = "GET"
    target: str
    content_type: str = ""
    body: bytes = b""
    accept: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.target} {self.body.decode('utf-8', 'replace')}"[:120]

    def send(self, port: int, base: str = "", *more: tuple[str, str]) -> Reply:
        headers = [("Content-Type", self.content_type), ("Accept", self.accept)]
        given = [pair for pair in headers if pair[1]]
        return ask(port, base + self.target, *given, *more, method=self.method, body=self.body)


def get(target: str, accept: str = "") -> Call:
    return Call(target=target, accept=accept)


def post(target: str, body: str | bytes = b"", content_type: str = FORM) -> Call:
    return Call(
        method="POST",
        target=target,
        body=body.encode() if isinstance(body, str) else body,
        content_type=content_type,
    )


def post_json(target: str, body: object) -> Call:
    return post(target, orjson.dumps(body), JSON)


def other(method: str, target: str, body: str = "") -> Call:
    return Call(method=method, target=target, body=body.encode(), content_type=FORM if body else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What a source of this type is asked: kept as a query, kept as a resource, never kept, and asked for but answered
    in a way that may not be kept.
    """

    type: str
    queries: tuple[Call, ...] = ()
    resources: tuple[Call, ...] = ()
    never: tuple[Call, ...] = ()
    bad: tuple[Call, ...] = ()
    settings: dict[str, object] | None = None
    """More of the source's configuration."""
