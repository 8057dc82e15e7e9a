"""Classify a request and lay out what is to be done: look up a key, or pass it through.

Pure but for reading the body, which happens only where the dialect's table knows method and path.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from ..core import paths, policy
from ..core.codings import accepts_gzip
from ..core.extents import Lives
from ..core.headers import pass_headers, sort_headers
from ..core.key import Scope, chunk_key
from ..core.model import Call, Key, Kind, Pairs, Pass, Reason, Request, Route
from ..core.range_query import RangeQuery
from ..settings.model import SourceSettings
from ..upstream.client import Outgoing
from .exchange import Incoming
from .source import SourceRuntime
from .terms import Terms, call_ttl_ms

_READS = frozenset((Reason.HEALTH, Reason.NOW))
"""What a dialect refuses although it knows it for a read: it may be asked again on a fresh connection."""


class RangeKey(NamedTuple):
    """One range of a query, and how long its client would have the source work: who is in a hurry fails alone."""

    query: Key
    first: int
    last: int
    patience: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranged:
    """A range query that may be answered from chunks. Its key is that of all its ranges: nothing is stored under it."""

    query: RangeQuery
    key: Key
    lives: Lives
    while_revalidating: Lives
    if_error: Lives
    freshness_ms: int

    @property
    def uid(self) -> str:
        return self.key.uid

    @property
    def points(self) -> int:
        return self.query.last - self.query.first + 1

    def range_key(self, first: int, last: int) -> RangeKey:
        return RangeKey(self.key, first, last, self.query.patience)

    def chunk_key(self, number: int) -> Key:
        return chunk_key(self.key, number)


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """A call that may be answered from the cache: where to look, and what to ask where nothing is found. `ttl_ms` is by
    the `terms` when the request came.
    """

    call: Call
    route: str
    scope: Scope
    terms: Terms
    ttl_ms: int
    accepts_gzip: bool
    method: str
    path: str
    query: str
    forward: Pairs
    body: bytes
    ranged: Ranged | None = None

    @cached_property
    def key(self) -> Key:
        """Of the whole answer; a query that is answered from parts needs none."""
        return self.scope.key(self.call.kind, self.call.parts)

    @property
    def outgoing(self) -> Outgoing:
        """Made when it is asked for: a hit asks nobody."""
        return self._outgoing(_target(self.path, self.query), self.body, gzip=self.accepts_gzip)

    def narrowed(self, query: RangeQuery, first: int, last: int) -> Outgoing:
        """The same request for the points `first` to `last`. Their answer is taken apart, so no coding is asked for: the
        source would spend more on it than the line does on a few points.
        """
        grid = query.grid
        narrowed = query.narrow(grid.time_ms(first), grid.time_ms(last))
        return self._outgoing(_target(self.path, narrowed.query), narrowed.body, gzip=False)

    def _outgoing(self, target: str, body: bytes, *, gzip: bool) -> Outgoing:
        return Outgoing(
            method=self.method,
            target=target,
            headers=_read_headers(self.forward, gzip=gzip, has_body=self.method != "GET"),
            body=body,
            read_only=True,
            bounded=True,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PassThrough:
    """A request that is neither looked up nor stored."""

    reason: Reason
    outgoing: Outgoing
    route: str = ""
    kind: Kind | None = None


async def plan(source: SourceRuntime, settings: SourceSettings, incoming: Incoming) -> Lookup | PassThrough:
    """What is passed through is classified too: only a known read may be retried when its connection proves dead."""
    enabled = source.limits.enabled and settings.config.enabled
    canonical_path = paths.canonical(incoming.path)
    route = source.dialect.route(incoming.method, canonical_path)
    if route is None:
        known = Reason.ROUTE if incoming.method in ("GET", "POST") else Reason.METHOD
        retry = incoming.method in ("GET", "HEAD")
        return _pass(source, incoming, known if enabled else Reason.DISABLED, read_only=retry)
    body = await incoming.read(source.limits.max_body_bytes)
    if body is None:
        return _pass(source, incoming, Reason.BODY if enabled else Reason.DISABLED, read_only=False, route=route)

    call = _read(route, incoming, body)
    reason = _refusal(source, settings, incoming, call) if enabled else Reason.DISABLED
    if reason is not None or isinstance(call, Pass):
        read_only = isinstance(call, Call) or call.reason in _READS
        kind = call.kind if isinstance(call, Call) else None
        return _pass(source, incoming, reason or Reason.ROUTE, read_only=read_only, route=route, kind=kind)

    sorted_headers = sort_headers(incoming.headers, source.rules)
    scope = Scope(
        uid=source.config.uid,
        generation=settings.generation,
        fingerprint=source.fingerprint,
        canonical_path=canonical_path,
        identity=(*source.identity, *sorted_headers.identity),
    )
    return Lookup(
        call=call,
        route=route.name,
        scope=scope,
        terms=Terms.of(settings),
        ttl_ms=call_ttl_ms(settings, call),
        accepts_gzip=accepts_gzip(incoming.headers.get("Accept-Encoding")),
        method=incoming.method,
        path=source.base_path + incoming.path,
        query=incoming.query,
        forward=source.forwards(sorted_headers.forward),
        body=body,
        ranged=_ranged(source, settings, scope, call),
    )


def _ranged(source: SourceRuntime, settings: SourceSettings, scope: Scope, call: Call) -> Ranged | None:
    asked = call.read_range() if source.deltas else None
    if asked is None:
        return None
    delta = source.config.delta
    query = asked.aligned() if delta.align else asked
    if query.starts_between:
        return None
    delta_lives = lives(source, settings, call)
    how = b"%d %d %d" % (*query.grid, delta.freshness_ms)  # what is settled is stored as such
    return Ranged(
        query=query,
        key=scope.key("range", (how, *query.parts)),
        lives=delta_lives,
        while_revalidating=delta_lives._replace(stale_ms=source.config.stale_while_revalidate_ms),
        if_error=delta_lives._replace(stale_ms=source.config.stale_if_error_ms),
        freshness_ms=delta.freshness_ms,
    )


def lives(source: SourceRuntime, settings: SourceSettings, call: Call) -> Lives:
    """How long points live under these settings."""
    settled_ms: int = source.config.delta.settled_ttl_ms
    if settings.max_ttl_ms > 0:
        settled_ms = min(settled_ms, settings.max_ttl_ms)
    return Lives(young_ms=call_ttl_ms(settings, call), settled_ms=settled_ms)


def _read(route: Route, incoming: Incoming, body: bytes) -> Call | Pass:
    return route.read(
        Request(
            method=incoming.method,
            path=incoming.path,
            query=incoming.query,
            headers=incoming.headers,
            body=body,
        )
    )


def _refusal(source: SourceRuntime, settings: SourceSettings, incoming: Incoming, call: Call | Pass) -> Reason | None:
    """The client's wish comes before the dialect's word: who asks to skip the cache reads that it was skipped."""
    honour = source.config.honour_no_cache
    wish = policy.lookup_refusal(incoming.headers, incoming.query, honour_no_cache=honour)
    if wish is not None:
        return wish
    if isinstance(call, Pass):
        return call.reason
    return Reason.TTL_ZERO if call_ttl_ms(settings, call) <= 0 else None


def _pass(
    source: SourceRuntime,
    incoming: Incoming,
    reason: Reason,
    *,
    read_only: bool,
    route: Route | None = None,
    kind: Kind | None = None,
) -> PassThrough:
    outgoing = Outgoing(
        method=incoming.method,
        target=_target(source.base_path + incoming.path, incoming.query),
        headers=pass_headers(incoming.headers, source.rules),
        body=incoming.stream(),
        read_only=read_only and reason is not Reason.METHOD,  # its headers may name another than its line
    )
    return PassThrough(reason=reason, outgoing=outgoing, route=route.name if route else "", kind=kind)


def _target(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path


def _read_headers(forward: Pairs, *, gzip: bool, has_body: bool) -> Pairs:
    """The source is asked for the one coding that this client takes and that we can check, keep and undo.

    The type of a body that is not there is in no key, and some sources answer in it: it is cut.
    """
    ours = ("accept-encoding",) if has_body else ("accept-encoding", "content-type")
    coding = ("Accept-Encoding", "gzip" if gzip else "identity")
    return (*(pair for pair in forward if pair[0].lower() not in ours), coding)
