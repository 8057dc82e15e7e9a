"""What comes into the pipeline and what leaves it: the client's side, without its server."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from ..core.model import Headers, Kind, Pairs, Reason, XCache
from ..errors import UpstreamError


class Incoming(Protocol):
    """A client's request. `path` is raw, below the source's base, already checked; `query` is raw, without "?"."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def query(self) -> str: ...
    @property
    def headers(self) -> Headers: ...

    async def read(self, limit_bytes: int) -> bytes | None:
        """The whole body, or None when it is longer; what was read of it is not lost to `stream`."""

    def stream(self) -> bytes | AsyncIterator[bytes]:
        """The body to pass on: whole where it is known, else as it arrives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """An answer as it goes to the client: end-to-end headers without Content-Length, which is `length_bytes` if known.

    A body that is no bytes is read once, to its end or not; `aclose` is called in either case. One that `has_begun` is
    not waited for: the head may go out with its first bytes.
    """

    status: int
    headers: Pairs
    body: bytes | AsyncIterator[bytes]
    length_bytes: int | None
    aclose: Callable[[], Awaitable[None]] | None = None
    has_begun: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A payload, or what the source failed at, and what the cache did for it.

    `cookies` are Set-Cookie lines for this client alone, to be added: never part of what is stored. `uid` and
    `source_type` are the data source's, for logs and metrics.
    """

    payload: Payload | UpstreamError
    x_cache: XCache
    cache_status: str
    route: str
    reason: Reason | None = None
    kind: Kind | None = None
    cookies: Pairs = ()
    uid: str = ""
    source_type: str = ""
    query_type: str = "dashboard"
