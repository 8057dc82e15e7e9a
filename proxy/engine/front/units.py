"""A query request of several units: what is known of them, the rest asked for in one request, put together again.

    look up every unit → all known: a hit
                      └→ ask for the others, over this request's own range → keep each → join

An answer of status 200 has an answer to each query. One of another status that has `results` (a query failed) has what the
known units add put into it, as Grafana would have answered them all; any other is relayed as it came.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar, assert_never

from ...cache.store import Failed, Found, Store
from ...core import codings, policy
from ...core.model import Key, Pairs, Reason, XCache
from ...dialects.grafana import answers
from ...dialects.grafana.queries import QueryRequest, Unit
from ...telemetry.metrics import Metrics
from .. import cache_status
from ..answers import from_stream, from_whole
from ..exchange import Payload, Reply
from ..fetch import OFF_THE_LOOP_BYTES
from ..flight import Broken, Flights, Landed, Open, Whole
from ..pipeline import Pipeline, is_said_to_one, reply_to
from ..plan import Lookup
from ..source import SourceRuntime

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """`lookups` has one for each unit of the request, None for a unit that is never kept. `whole` asks all of them."""

    source: SourceRuntime
    request: QueryRequest
    lookups: Sequence[Lookup | None]
    whole: Lookup
    part: Callable[[Sequence[Unit]], Lookup]
    """The request for some of its units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """The bodies known, by the unit's place; how old the oldest is, and how long all of them live."""

    bodies: Mapping[int, bytes]
    headers: Pairs = ()
    age_ms: int = 0
    ttl_left_ms: int = 0
    saved_ms: int = 0
    failed: bool = False


class Units:
    """Holds the requests in flight: who misses the same units waits for one answer."""

    def __init__(self, *, store: Store, pipeline: Pipeline, metrics: Metrics) -> None:
        self._store = store
        self._pipeline = pipeline
        self._fetcher = pipeline.fetcher
        self._metrics = metrics
        self._flights: Flights[tuple[Key | None, ...] | object, Landed] = Flights()

    async def answer(self, asked: Asked) -> Reply:
        known = await self._look_up(asked)
        missing = [place for place in range(len(asked.lookups)) if place not in known.bodies]
        if not missing:
            body = await _in_thread_if(known.bodies, partial(answers.join, list(known.bodies.values())))
            if body is not None:
                return self._hit(asked, known, body)
            known, missing = _Known(bodies={}), list(range(len(asked.lookups)))
        keys = [lookup.key if lookup is not None else None for lookup in (asked.lookups[place] for place in missing)]
        # What is never kept is nobody else's to wait for.
        together: object = object() if None in keys else tuple(keys)
        flight, joined = self._flights.join(together, lambda: self._land(asked, missing))
        if joined:
            self._metrics.coalesced(uid=asked.source.config.uid)
        return await self._landed(asked, known, await flight.land(), joined=joined)

    async def close(self) -> None:
        await self._flights.close()

    async def _look_up(self, asked: Asked) -> _Known:
        lookups = [(place, lookup) for place, lookup in enumerate(asked.lookups) if lookup is not None]
        found = await self._store.get_many([lookup.key for _, lookup in lookups])
        if any(isinstance(each, Failed) for each in found):
            return _Known(bodies={}, failed=True)
        bodies: dict[int, bytes] = {}
        headers: Pairs = ()
        ages, lives, saved = [0], [], [0]
        for (place, lookup), each in zip(lookups, found, strict=True):
            if not isinstance(each, Found):
                continue
            stale_ms = policy.stale_ms(age_ms=each.age_ms, stored_ttl_ms=each.entry.ttl_ms, ttl_now_ms=lookup.ttl_ms)
            body = codings.decode(each.entry.encoding, each.entry.body, asked.source.limits.max_value_bytes)
            if stale_ms < 0 and isinstance(body, bytes):
                bodies[place] = body
                headers = each.entry.headers
                ages.append(each.age_ms)
                lives.append(-stale_ms)
                saved.append(each.entry.fetch_ms)
        return _Known(
            bodies=bodies,
            headers=headers,
            age_ms=max(ages),
            ttl_left_ms=min(lives, default=0),
            saved_ms=max(saved),
        )

    def _hit(self, asked: Asked, known: _Known, body: bytes) -> Reply:
        self._metrics.saved(uid=asked.source.config.uid, seconds=known.saved_ms / 1000)
        headers = (
            *known.headers,
            ("Vary", "Accept-Encoding"),
            ("Age", str(known.age_ms // 1000)),
            *asked.source.hit_headers,
        )
        payload = Payload(status=200, headers=headers, body=body, length_bytes=len(body))
        return reply_to(asked.source, asked.whole, payload, XCache.HIT, cache_status.hit(ttl_ms=known.ttl_left_ms))

    async def _land(self, asked: Asked, missing: Sequence[int]) -> Landed:
        units = [asked.request.units[place] for place in missing]
        part = asked.part(units)
        source = asked.source
        with source.upstream.in_use:
            landed = await self._fetcher.ask(
                source, part.outgoing, judge=part.call.judge, limit_bytes=source.limits.max_range_bytes
            )
            if not isinstance(landed, Whole) or landed.refusal is not None:
                return await self._fetcher.keep(source, part, landed)
            body = _decoded(source, landed)
            groups = [unit.ref_ids for unit in units]
            bodies = await _in_thread_if(body, partial(answers.split, body, groups))
            if bodies is None:
                return await self._fetcher.keep(source, part, landed.refused(Reason.MALFORMED))
            whole = replace(landed, body=body, encoding="identity")
            kept = [
                self._fetcher.keep(source, lookup, replace(whole, body=each))
                for lookup, each in zip((asked.lookups[place] for place in missing), bodies, strict=True)
                if lookup is not None
            ]
            refusals = [each.refusal for each in await asyncio.gather(*kept) if isinstance(each, Whole)]
            return whole.refused(next((each for each in refusals if each is not None), None))

    async def _landed(self, asked: Asked, known: _Known, landed: Landed, *, joined: bool) -> Reply:
        why = "partial" if known.bodies else "uri-miss"
        x_cache = XCache.ERROR if known.failed else XCache.MISS
        match landed:
            case Broken(error):
                return reply_to(
                    asked.source,
                    asked.whole,
                    error,
                    x_cache,
                    cache_status.forwarded(why, status=None, detail=error.kind),
                )
            case Open():
                if joined or known.bodies or landed.claimed:
                    return await self._pipeline.own_way(asked.source, asked.whole, landed.refusal)
                landed.claimed = True
                payload = from_stream(landed.response, landed.prefix, landed.chunks)
            case Whole():
                if joined and is_said_to_one(landed):
                    return await self._pipeline.own_way(asked.source, asked.whole, Reason.STATUS)
                body = await _in_thread_if(known.bodies, partial(_joined, asked.source, known, landed))
                if body is None:
                    return await self._pipeline.own_way(asked.source, asked.whole, Reason.MALFORMED)
                payload = from_whole(
                    replace(landed, body=body, encoding="identity") if known.bodies else landed,
                    accepts_gzip=asked.whole.accepts_gzip,
                    limit_bytes=asked.source.limits.max_range_bytes,
                    joined=joined,
                )
            case _:
                assert_never(landed)
        status = cache_status.forwarded(
            why,
            status=landed.status,
            stored=landed.refusal is None,
            collapsed=joined,
            detail=landed.refusal,
        )
        return reply_to(asked.source, asked.whole, payload, x_cache, status, landed.refusal)


def _joined(source: SourceRuntime, known: _Known, whole: Whole) -> bytes | None:
    """The answer to all units. None: it cannot be put together."""
    if not known.bodies:
        return whole.body
    bodies = list(known.bodies.values())
    body = _decoded(source, whole)
    if whole.status == 200:
        return answers.join([body, *bodies])
    return answers.with_known(body, bodies) or body


def _decoded(source: SourceRuntime, whole: Whole) -> bytes:
    """A whole answer whose coding was undone before to judge it; one that was not judged may have any."""
    body = codings.decode(whole.encoding, whole.body, source.limits.max_range_bytes)
    return body if isinstance(body, bytes) else b""


async def _in_thread_if(held: bytes | Mapping[int, bytes], work: Callable[[], T]) -> T:
    size_bytes = len(held) if isinstance(held, bytes) else sum(map(len, held.values()))
    return await asyncio.to_thread(work) if size_bytes >= OFF_THE_LOOP_BYTES else work()
