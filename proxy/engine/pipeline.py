"""The life of a request: classify, key, settings, look up; then a hit, or a fetch that is perhaps stored; the answer.

Decisions are made elsewhere and are pure; here they are performed. Range queries that may be answered from parts of other
answers take another way between the look-up and the answer (`engine.delta`), and come back where they may not.
"""

import time
from collections.abc import Callable
from typing import assert_never

from ..cache.store import Absent, Failed, Found, Store
from ..core import policy
from ..core.model import Entry, Key, Reason, XCache
from ..errors import NotFound, UpstreamError
from ..settings.book import Book
from ..telemetry.metrics import Metrics
from . import answers, cache_status
from .delta import Assembled, Deltas
from .exchange import Incoming, Payload, Reply
from .fetch import Fetcher
from .flight import Broken, Flight, Flights, Landed, Open, Whole
from .parts import Declined
from .plan import Lookup, PassThrough, Ranged, plan
from .remembered import Remembered
from .source import SourceRuntime

_UNCACHEABLE_SECONDS = 60.0


class Pipeline:
    """Answers the calls of every source. Holds the fetches in flight; the rest belongs to others."""

    def __init__(
        self,
        *,
        book: Book,
        store: Store,
        metrics: Metrics,
        monotonic: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._book = book
        self._store = store
        self._metrics = metrics
        self._flights: Flights[Key, Landed] = Flights()
        self._uncacheable: Remembered[Key] = Remembered(monotonic, seconds=_UNCACHEABLE_SECONDS)
        self.fetcher = Fetcher(book=book, store=store, metrics=metrics, monotonic=monotonic)
        self._deltas = Deltas(store=store, fetcher=self.fetcher, metrics=metrics, monotonic=monotonic, now_ms=now_ms)

    async def answer(self, source: SourceRuntime, incoming: Incoming) -> Reply:
        """Raises NotFound for a source without settings: one that a reload took away a moment ago."""
        settings = self._book.snapshot.sources.get(source.config.uid)
        if settings is None:
            raise NotFound("Data source not found")
        step = await plan(source, settings, incoming)
        match step:
            case PassThrough():
                return await self.pass_on(source, step)
            case Lookup():
                return await self.look_up(source, step)
            case _:
                assert_never(step)

    async def close(self) -> None:
        await self._flights.close()
        await self._deltas.close()

    async def pass_on(self, source: SourceRuntime, step: PassThrough) -> Reply:
        return Reply(
            payload=await _ask(source, step),
            x_cache=XCache.DISABLED if step.reason is Reason.DISABLED else XCache.BYPASS,
            cache_status=cache_status.bypassed(step.reason),
            route=step.route,
            reason=step.reason,
            kind=step.kind,
            uid=source.config.uid,
            source_type=source.config.type,
        )

    async def look_up(self, source: SourceRuntime, lookup: Lookup) -> Reply:
        if lookup.ranged is None or not self._deltas.take(lookup.ranged):
            return await self._look_up_whole(source, lookup, None)
        if lookup.ranged.query.grid.is_regular:
            return await self._look_up_parts(source, lookup, lookup.ranged)
        return await self._look_up_whole(source, lookup, lookup.ranged)

    async def _look_up_parts(self, source: SourceRuntime, lookup: Lookup, ranged: Ranged) -> Reply:
        outcome, joined = await self._deltas.answer(source, lookup, ranged)
        match outcome:
            case Assembled():
                return self._assembled(source, lookup, ranged, outcome, joined=joined)
            case Declined():
                x_cache = XCache.ERROR if outcome is Declined.STORE else XCache.MISS
                return await self._fetch(source, lookup, "uri-miss", x_cache)
            case _:
                return await self._landed(source, lookup, outcome, "uri-miss", XCache.MISS, joined=joined)

    def _assembled(
        self, source: SourceRuntime, lookup: Lookup, ranged: Ranged, assembled: Assembled, *, joined: bool
    ) -> Reply:
        payload = answers.from_parts(assembled, extra=source.hit_headers)
        if not assembled.fetched:
            self._metrics.saved(uid=ranged.uid, seconds=assembled.saved_ms / 1000)
            return reply_to(source, lookup, payload, XCache.HIT, cache_status.hit(ttl_ms=assembled.ttl_left_ms))
        time_ms = ranged.query.grid.time_ms
        status = cache_status.partial(
            [(time_ms(gap.first), time_ms(gap.last)) for gap in assembled.fetched],
            stored=assembled.refusal is None,
            collapsed=joined,
            detail=assembled.refusal,
        )
        return reply_to(source, lookup, payload, XCache.MISS, status, assembled.refusal)

    async def _look_up_whole(self, source: SourceRuntime, lookup: Lookup, ranged: Ranged | None) -> Reply:
        """`ranged`: on a grid that nobody aligned to, and so only answered from parts when it is asked again: else every
        request of a client that does not align would fill the store with parts that nobody asks for.
        """
        if lookup.key in self._uncacheable:
            return await self.own_way(source, lookup, Reason.REMEMBERED)
        found = await self._store.get(lookup.key)
        match found:
            case Found(entry, age_ms):
                stale_ms = policy.stale_ms(age_ms=age_ms, stored_ttl_ms=entry.ttl_ms, ttl_now_ms=lookup.ttl_ms)
                if stale_ms < 0:
                    return self._hit(source, lookup, entry, age_ms, -stale_ms)
                if stale_ms < source.config.stale_while_revalidate_ms:
                    self._fly(source, lookup)
                    return self._hit(source, lookup, entry, age_ms, -stale_ms)
                if stale_ms < source.config.stale_if_error_ms:
                    return await self._fetch_or_stale(source, lookup, entry, age_ms, -stale_ms)
                return await self._fetch(source, lookup, "stale", XCache.MISS)
            case Absent():
                if ranged is not None and self._deltas.was_seen(ranged):
                    return await self._look_up_parts(source, lookup, ranged)
                return await self._fetch(source, lookup, "uri-miss", XCache.MISS)
            case Failed():
                return await self._fetch(source, lookup, "uri-miss", XCache.ERROR)
            case _:
                assert_never(found)

    def _hit(self, source: SourceRuntime, lookup: Lookup, entry: Entry, age_ms: int, ttl_left_ms: int) -> Reply:
        self._metrics.saved(uid=source.config.uid, seconds=entry.fetch_ms / 1000)
        payload = answers.from_entry(
            entry,
            age_ms,
            accepts_gzip=lookup.accepts_gzip,
            limit_bytes=source.limits.max_value_bytes,
            extra=source.hit_headers,
        )
        return reply_to(source, lookup, payload, XCache.HIT, cache_status.hit(ttl_ms=ttl_left_ms))

    async def _fetch_or_stale(
        self, source: SourceRuntime, lookup: Lookup, entry: Entry, age_ms: int, ttl_left_ms: int
    ) -> Reply:
        landed, joined = await self._land(source, lookup)
        has_failed = isinstance(landed, Broken) or landed.status >= 500
        if has_failed and self.fetcher.settings_in_force(lookup) is not None:  # else it was cleaned meanwhile
            return self._hit(source, lookup, entry, age_ms, ttl_left_ms)
        return await self._landed(source, lookup, landed, "stale", XCache.MISS, joined=joined)

    async def _fetch(self, source: SourceRuntime, lookup: Lookup, why: str, x_cache: XCache) -> Reply:
        landed, joined = await self._land(source, lookup)
        return await self._landed(source, lookup, landed, why, x_cache, joined=joined)

    async def _land(self, source: SourceRuntime, lookup: Lookup) -> tuple[Landed, bool]:
        """What came of the fetch, and whether it was another's."""
        flight, joined = self._fly(source, lookup)
        if joined:
            self._metrics.coalesced(uid=source.config.uid)
        return await flight.land(), joined

    def _fly(self, source: SourceRuntime, lookup: Lookup) -> tuple[Flight[Landed], bool]:
        return self._flights.join(lookup.key, lambda: self.fetcher.land(source, lookup))

    async def _landed(
        self,
        source: SourceRuntime,
        lookup: Lookup,
        landed: Landed,
        why: str,
        x_cache: XCache,
        *,
        joined: bool,
    ) -> Reply:
        if joined and source.asks_as_caller and is_said_to_one(landed):
            return await self.own_way(source, lookup, Reason.STATUS)
        match landed:
            case Broken(error):
                status = cache_status.forwarded(why, status=None, collapsed=joined, detail=error.kind)
                return reply_to(source, lookup, error, x_cache, status)
            case Open():
                self._uncacheable.remember(lookup.key)
                if landed.claimed:
                    return await self.own_way(source, lookup, landed.refusal)
                landed.claimed = True
                payload = answers.from_stream(landed.response, landed.prefix, landed.chunks)
            case Whole():
                payload = answers.from_whole(
                    landed,
                    accepts_gzip=lookup.accepts_gzip,
                    limit_bytes=source.limits.max_range_bytes,
                    joined=joined,
                )
            case _:
                assert_never(landed)
        status = cache_status.forwarded(
            why,
            status=landed.status,
            stored=landed.refusal is None,
            collapsed=joined and isinstance(landed, Whole),
            detail=landed.refusal,
        )
        return reply_to(source, lookup, payload, x_cache, status, landed.refusal)

    async def own_way(self, source: SourceRuntime, lookup: Lookup, reason: Reason) -> Reply:
        """Ask for this client alone: nothing is looked up, waited for or stored."""
        payload = await _ask(source, lookup)
        if isinstance(payload, UpstreamError):
            status = cache_status.forwarded("uri-miss", status=None, detail=payload.kind)
        else:
            status = cache_status.forwarded("uri-miss", status=payload.status, detail=reason)
        return reply_to(source, lookup, payload, XCache.MISS, status, reason)


async def _ask(source: SourceRuntime, step: Lookup | PassThrough) -> Payload | UpstreamError:
    try:
        response = await source.upstream.fetch(step.outgoing)
    except UpstreamError as error:
        return error
    return answers.from_stream(response, [], response.chunks())


def is_said_to_one(landed: Landed) -> bool:
    """Whether an answer to one caller's credentials may be about these: a refusal, somebody's log-in page."""
    match landed:
        case Broken():
            return False
        case Whole(refusal=Reason.MALFORMED):
            return True
        case _:
            return landed.status != 200


def reply_to(
    source: SourceRuntime,
    lookup: Lookup,
    payload: Payload | UpstreamError,
    x_cache: XCache,
    status: str,
    reason: Reason | None = None,
) -> Reply:
    return Reply(
        payload=payload,
        x_cache=x_cache,
        cache_status=status,
        route=lookup.route,
        reason=reason,
        kind=lookup.call.kind,
        uid=source.config.uid,
        source_type=source.config.type,
    )
