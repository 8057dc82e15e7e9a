"""Fetch an answer, decide whether it may be stored, and store it: what a flight does while its waiters wait.

An answer is held in memory up to the largest value that may be stored. What is larger, or by its head alone may not be
shared, is handed over open, to be streamed.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from ..cache.store import Store
from ..core import codings, policy
from ..core.model import Answer, Entry, Headers, Judge, Pairs, Reason
from ..errors import UpstreamError
from ..settings.book import Book
from ..settings.model import SourceSettings
from ..telemetry.metrics import Metrics
from ..upstream.client import Outgoing
from .flight import Broken, Landed, Open, Whole
from .plan import Lookup
from .source import SourceRuntime

OFF_THE_LOOP_BYTES = 256 * 1024
"""From here on decoding and judging take milliseconds: they are done in a thread."""
_COMPRESSED_TIMES = 10
"""A compressed body holds about so many times as much: series are alike."""


class Fetcher:
    def __init__(
        self,
        *,
        book: Book,
        store: Store,
        metrics: Metrics,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._book = book
        self._store = store
        self._metrics = metrics
        self._monotonic = monotonic

    async def land(self, source: SourceRuntime, lookup: Lookup) -> Landed:
        """Ask for the whole answer and keep it. Never raises for what a source can do."""
        with source.upstream.in_use:
            landed = await self.ask(
                source, lookup.outgoing, judge=lookup.call.judge, limit_bytes=source.limits.max_value_bytes
            )
            return await self.keep(source, lookup, landed)

    async def ask(self, source: SourceRuntime, outgoing: Outgoing, *, judge: Judge, limit_bytes: int) -> Landed:
        """What the source answers; `judge` looks at a whole 200. Nothing is stored. The caller uses the upstream."""
        began = self._monotonic()
        try:
            landed = await self._collect(source, outgoing, judge, limit_bytes)
        except UpstreamError as error:
            return Broken(error)
        if _belies_its_coding(landed):
            return Broken(source.upstream.not_as_coded())
        seconds = self._monotonic() - began
        self._metrics.upstream(uid=source.config.uid, seconds=seconds)
        return replace(landed, fetch_ms=int(seconds * 1000)) if isinstance(landed, Whole) else landed

    async def keep(self, source: SourceRuntime, lookup: Lookup, landed: Landed) -> Landed:
        """The same, stored if it may be, or saying why it is not."""
        if isinstance(landed, Broken):
            return landed
        if isinstance(landed, Whole) and landed.refusal is None:
            landed = await self._keep(source, lookup, landed)
        if landed.refusal is not None:
            self._metrics.not_stored(uid=source.config.uid, reason=landed.refusal)
        return landed

    async def _collect(
        self, source: SourceRuntime, outgoing: Outgoing, judge: Judge, max_value_bytes: int
    ) -> Whole | Open:
        response = await source.upstream.fetch(outgoing)
        refusal = policy.head_refusal(response.status, response.headers, source.rules, ignored=source.ignored)
        chunks = response.chunks()
        prefix: list[bytes] = []
        if refusal is not None and refusal is not Reason.STATUS:
            return Open(response=response, prefix=prefix, chunks=chunks, refusal=refusal)
        if refusal is None and not response.says_its_end:
            return Open(response=response, prefix=prefix, chunks=chunks, refusal=Reason.STREAM)
        if response.content_length is not None and response.content_length > max_value_bytes:
            return Open(response=response, prefix=prefix, chunks=chunks, refusal=Reason.TOO_LARGE)
        size_bytes = 0
        try:
            async for chunk in chunks:
                prefix.append(chunk)
                size_bytes += len(chunk)
                if size_bytes > max_value_bytes:
                    return Open(response=response, prefix=prefix, chunks=chunks, refusal=Reason.TOO_LARGE)
        except BaseException:
            await response.aclose()
            raise
        await response.aclose()
        whole = Whole(
            status=response.status,
            headers=response.headers,
            body=b"".join(prefix),
            encoding=codings.coding_of(response.headers),
            refusal=refusal,
        )
        return whole if refusal is not None else await _judge(judge, whole, max_value_bytes)

    def settings_in_force(self, lookup: Lookup) -> SourceSettings | None:
        """Those of now: what was cleaned, disabled or cut short meanwhile binds already. None: nothing may be stored."""
        settings = self._book.snapshot.sources.get(lookup.scope.uid)
        if settings is None or settings.generation != lookup.scope.generation or not settings.config.enabled:
            return None
        return settings

    async def _keep(self, source: SourceRuntime, lookup: Lookup, whole: Whole) -> Whole:
        ttl_now_ms = lookup.terms.ttl_ms(self._book.snapshot, lookup.call)
        if ttl_now_ms is None:
            return whole.refused(Reason.GENERATION)
        ttl_ms = min(lookup.ttl_ms, ttl_now_ms)
        if source.config.policy == "http":
            lifetime_ms = policy.lifetime_ms(whole.headers)
            if lifetime_ms is None:
                return whole.refused(Reason.NO_LIFETIME)
            ttl_ms = min(ttl_ms, lifetime_ms)
        if ttl_ms <= 0:
            return whole.refused(Reason.TTL_ZERO)
        entry = Entry(
            headers=kept_headers(whole.headers, lookup.call.keep_headers),
            encoding=whole.encoding,
            body=whole.body,
            ttl_ms=ttl_ms,
            keep_ms=ttl_ms + max(source.config.stale_while_revalidate_ms, source.config.stale_if_error_ms),
            fetch_ms=whole.fetch_ms,
        )
        if not await self._store.put(lookup.key, entry):
            return whole.refused(Reason.STORE)
        self._metrics.stored(uid=source.config.uid, size_bytes=entry.size_bytes)
        return whole


def is_heavy(whole: Whole) -> bool:
    """Whether to undo its coding and to read it takes milliseconds."""
    holds_times = 1 if whole.encoding == "identity" else _COMPRESSED_TIMES
    return len(whole.body) * holds_times >= OFF_THE_LOOP_BYTES


async def _judge(judge: Judge, whole: Whole, max_value_bytes: int) -> Whole:
    if not is_heavy(whole):
        return whole.refused(body_refusal(judge, whole, max_value_bytes))
    return whole.refused(await asyncio.to_thread(body_refusal, judge, whole, max_value_bytes))


def body_refusal(judge: Judge, whole: Whole, max_value_bytes: int) -> Reason | None:
    """Why a whole 200 may not be stored, by its body. Undoing its coding proves that it is neither cut nor lying."""
    if not whole.body:
        return Reason.EMPTY
    body = codings.decode(whole.encoding, whole.body, max_value_bytes)
    match body:
        case codings.Undecodable(too_large=too_large):
            return Reason.TOO_LARGE if too_large else Reason.ENCODING
        case bytes():
            if not body:
                return Reason.EMPTY
            return judge(Answer(status=whole.status, headers=whole.headers, body=body))


def _belies_its_coding(landed: Landed) -> bool:
    """Whether it breaks off or is garbage under its coding: many a client would take the half for the whole."""
    return isinstance(landed, Whole) and landed.refusal is Reason.ENCODING and landed.encoding in codings.CHECKED


def kept_headers(headers: Headers, names: tuple[str, ...]) -> Pairs:
    """The short allow-list of answer headers that are stored and replayed (CVE-2022-23498: never a cookie).

    A name of the dialect's that ends in `*` stands for all that begin so.
    """
    exact = {"content-type", *names}
    prefixes = tuple(name[:-1] for name in names if name.endswith("*"))
    return tuple(
        (name, value)
        for name, value in headers.items()
        if name.lower() in exact or (prefixes and name.lower().startswith(prefixes))
    )
