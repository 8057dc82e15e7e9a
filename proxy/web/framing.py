"""What a request line and a Host may be. aiohttp's parser has refused broken framing before; these it lets through."""

import re
from dataclasses import dataclass

from aiohttp import HttpVersion11, web

from ..errors import BadRequest, NotImplementedHere, VersionRefused

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))

_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]*)?")
_ABSOLUTE = re.compile(r"https?://([^/?#]+)(.*)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Target:
    """Raw path (begins with "/") and raw query of a request line."""

    path: str
    query: str


def check(request: web.BaseRequest) -> Target:
    """The target of a request that may go on. Raises MillpondError for what RFC 9112 refuses or we do not serve."""
    if request.method not in METHODS:
        raise NotImplementedHere(f"The method is not one of {', '.join(sorted(METHODS))}.")
    return check_any_method(request)


def check_any_method(request: web.BaseRequest) -> Target:
    """The same, where the methods are checked by the routes."""
    if tuple(request.version) not in ((1, 0), (1, 1)):
        request._cache["version"] = HttpVersion11  # aiohttp's answers claim the version of their request
        raise VersionRefused("The HTTP version is neither 1.0 nor 1.1.")
    hosts = request.headers.getall("Host", ())
    if len(hosts) > 1 or (not hosts and tuple(request.version) == (1, 1)):
        raise BadRequest("The request must have exactly one Host header (RFC 9112, section 3.2).")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise BadRequest("The Host header is no host and port (RFC 9110, section 7.2).")
    if not all(value.isascii() or _is_utf8(value) for value in request.headers.values()):
        # aiohttp would leave the bytes out, and so make another identity of it.
        raise BadRequest("A header is not UTF-8, so it cannot be passed on as it is.")
    _check_coding(request)
    return _target(request.raw_path)


def _is_utf8(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_coding(request: web.BaseRequest) -> None:
    """`chunked` alone is undone and done again: with another coding below it, the source would get that one unnamed."""
    codings = request.headers.getall("Transfer-Encoding", ())
    if not codings:
        return
    if tuple(request.version) == (1, 0):
        raise BadRequest("HTTP/1.0 has no Transfer-Encoding (RFC 9112, section 6.1).")
    if [coding.strip().lower() for coding in codings] != ["chunked"]:
        raise NotImplementedHere("The only Transfer-Encoding that is understood is chunked.")


def _target(raw: str) -> Target:
    """Absolute form loses its authority: it chooses neither the source nor the Host that the source sees."""
    if not raw.startswith("/"):
        absolute = _ABSOLUTE.fullmatch(raw)
        if absolute is None or not _HOST.fullmatch(absolute[1]):
            raise BadRequest("The request target is neither a path nor an http URL of host and port.")
        raw = absolute[2]
        if not raw.startswith("/"):
            raw = f"/{raw}"
    if "#" in raw:
        raise BadRequest("The request target has a fragment; send it without.")
    path, _, query = raw.partition("?")
    return Target(path, query)


def is_websocket(request: web.BaseRequest) -> bool:
    """Asked for by HTTP/1.1: an older client's Upgrade means nothing (RFC 9110 §7.8)."""
    connection = ",".join(request.headers.getall("Connection", ())).lower()
    return (
        request.method == "GET"
        and tuple(request.version) == (1, 1)
        and request.headers.get("Upgrade", "").strip().lower() == "websocket"
        and "upgrade" in (token.strip() for token in connection.split(","))
    )
