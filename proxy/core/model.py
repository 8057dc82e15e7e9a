"""The words of the house: what a request, a call, an answer and an entry are. Nothing here does anything."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from re import Pattern

from multidict import MultiMapping

from .range_query import RangeQuery

Headers = MultiMapping[str]
"""Header fields, looked up without regard to case; the order and the repetitions of the wire are kept."""

Pairs = tuple[tuple[str, str], ...]


class Kind(StrEnum):
    """Grafana's two kinds of cached calls; each has its own TTL."""

    QUERY = "query"
    RESOURCE = "resource"


class XCache(StrEnum):
    """Grafana's five words for what the cache did."""

    HIT = "HIT"
    MISS = "MISS"
    BYPASS = "BYPASS"
    ERROR = "ERROR"
    DISABLED = "DISABLED"


class Reason(StrEnum):
    """Why a call was not looked up, or its answer not stored. Closed, so that it can be a metric's label."""

    # The request is not a read that may be kept.
    METHOD = "method"
    ROUTE = "route"
    STATEMENT = "statement"  # a text that writes, several statements, or one that cannot be told
    PARAMETER = "parameter"  # duplicate of a single-valued parameter, or one that forbids keeping
    CONTENT_TYPE = "content-type"
    BODY = "body"  # too large, compressed, or not what its content type says
    NOW = "now"  # the answer depends on the moment of asking
    HEALTH = "health"
    UPGRADE = "upgrade"
    CONDITIONAL = "conditional"  # Range, If-*
    SIGNED = "signed"  # AWS SigV4
    # In front of Grafana: who asks, and what of.
    PERMISSION = "permission"  # Grafana did not say that the caller may
    ORIGIN = "origin"  # another site's page, which Grafana refuses
    SOURCE = "source"  # no data source that Grafana tells of
    PER_USER = "per-user"  # it answers each user in his own way
    # The client or its role asks for a fresh answer.
    SKIP = "skip"
    NO_STORE = "no-store"
    ALERT = "alert"
    # The operator's settings.
    DISABLED = "disabled"
    TTL_ZERO = "ttl-zero"
    # The answer may not be kept.
    STATUS = "status"
    SET_COOKIE = "set-cookie"
    PRIVATE = "private"
    VARY = "vary"
    ENCODING = "encoding"
    EMPTY = "empty"
    TOO_LARGE = "too-large"
    STREAM = "stream"
    MALFORMED = "malformed"
    PARTIAL = "partial"  # warnings, isPartial, failed shards
    ERROR_IN_BODY = "error-in-body"
    NO_LIFETIME = "no-lifetime"  # policy http, and the answer names none
    GENERATION = "generation"  # cleaned, disabled or changed while it was fetched
    STORE = "store"  # the cache did not take it
    REMEMBERED = "remembered"  # its last answers could not be kept: not looked up, not coalesced


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client asks of a source.

    `path` is raw (as percent-encoded on the wire), below the source's base, and begins with "/"; `query` is raw,
    without "?". `body` is whole, as sent; b"" for a request without one.
    """

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer of a source, its body decoded (no content encoding)."""

    status: int
    headers: Headers
    body: bytes


Judge = Callable[[Answer], Reason | None]
"""The source's own marks of an error or a partial answer inside a 200: why it may not be stored, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A read whose answer may be kept, as its dialect understood it.

    `parts` holds, in a fixed order, every input besides the path and the identity that can change the answer: the
    canonical parameters or body and the representation class. Two requests with equal canonical path, equal parts and
    equal identity get one entry, whichever method carried them.
    """

    kind: Kind
    parts: tuple[bytes, ...]
    judge: Judge
    ttl_cap_ms: int | None = None
    """At most this long, whatever the settings say (live state such as rules)."""
    keep_headers: tuple[str, ...] = ()
    """Lower-case names of answer headers to keep besides Content-Type."""
    read_range: Callable[[], RangeQuery | None] = lambda: None
    """The call as a range query, where it may be answered from parts of other answers. Asked where that counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """Not a read that may be kept: passed through, unstored."""

    reason: Reason


Read = Callable[[Request], Call | Pass]
"""How a dialect understands a request whose method and path one of its routes has matched; the body is whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One row of a dialect's table. `path` is matched whole against the canonical path (`core.paths`)."""

    name: str
    """Names the route in logs and metrics; from a closed list."""
    methods: frozenset[str]
    path: Pattern[str]
    read: Read


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """A data source family: an allow-list of the calls whose answers may be kept. What matches no route passes."""

    name: str
    routes: tuple[Route, ...]
    noise: frozenset[str] = frozenset()
    """Lower-case request headers that cannot change this family's answers: cut from its cacheable calls."""
    deltas: bool = False
    """Whether range queries are answered by deltas unless the configuration says otherwise."""

    def route(self, method: str, canonical_path: str) -> Route | None:
        """The first row that matches."""
        for route in self.routes:
            if method in route.methods and route.path.fullmatch(canonical_path):
                return route
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Where an entry lives. `digest` is the sha256 over everything that identifies the answer (`core.key`)."""

    uid: str
    generation: str
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A stored answer: always a 200, its body in `encoding` (one of `core.codings.CHECKED`).

    `ttl_ms` is the TTL in force when it was stored; `keep_ms` is how long the store may hold it (the TTL and what a
    stale answer may serve after it).
    """

    headers: Pairs
    encoding: str
    body: bytes
    ttl_ms: int
    keep_ms: int
    fetch_ms: int = 0
    """What the source took to answer: the time that a hit saves."""

    @property
    def size_bytes(self) -> int:
        """What it counts for against a store's bound, bookkeeping excluded."""
        return len(self.body) + sum(len(name) + len(value) for name, value in self.headers)
