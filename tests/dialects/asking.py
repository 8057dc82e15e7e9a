"""Short ways to ask a dialect and to hand it an answer."""

from collections.abc import Mapping
from pathlib import Path

from multidict import CIMultiDict

from proxy.core.model import Answer, Call, Dialect, Pass, Reason, Request
from proxy.core.paths import canonical

FORM = "application/x-www-form-urlencoded"
JSON = {"Content-Type": "application/json"}
RECORDED = Path(__file__).parents[1] / "integration" / "requests"


def ask(
    dialect: Dialect,
    target: str,
    *,
    method: str = "GET",
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> Call | Pass | None:
    """What the dialect makes of a request; None where no route matches. `target` is a path with its query."""
    path, _, query = target.partition("?")
    route = dialect.route(method, canonical(path))
    if route is None:
        return None
    sent = CIMultiDict(headers or {})
    return route.read(Request(method=method, path=path, query=query, headers=sent, body=body))


def call(
    dialect: Dialect,
    target: str,
    *,
    method: str = "GET",
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> Call:
    """The same where it must be a call that may be kept."""
    found = ask(dialect, target, method=method, body=body, headers=headers)
    assert isinstance(found, Call), found
    return found


def passed(found: Call | Pass | None) -> Reason:
    """Why it is passed through; a request without a route counts as Reason.ROUTE, as the engine has it."""
    if found is None:
        return Reason.ROUTE
    assert isinstance(found, Pass), found
    return found.reason


def answer(body: bytes, content_type: str = "application/json") -> Answer:
    return Answer(status=200, headers=CIMultiDict({"Content-Type": content_type}), body=body)


def recorded(dialect: Dialect, name: str) -> Call | Pass | None:
    """What the dialect makes of a request that a real client sent."""
    head, _, body = (RECORDED / f"{name}.http").read_bytes().partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    method, target, _ = first.split(" ")
    headers = dict(field.split(": ", 1) for field in fields)
    return ask(dialect, target, method=method, body=body, headers=headers)
