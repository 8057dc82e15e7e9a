"""The chunks of range queries in the store: read together, and written back merged with whatever came between."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakValueDictionary

from ..cache.store import Absent, Failed, Found, Store, Version
from ..core.chunk import NOTHING, Chunk, bounds, decode, encode, number_of
from ..core.extents import Extent, Lives, asked, unknown, within, without_forecasts
from ..core.grid import Grid
from ..core.matrix import Stamps
from ..core.model import Entry, Key, Pairs, Reason
from .parts import Fetched
from .plan import Ranged

_TRIES = 8
"""Of a chunk that other replicas write as well. Then what was fetched is given up: the next request asks for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A chunk as the store has it. `version` is for writing over it."""

    chunk: Chunk = NOTHING
    version: Version | None = None
    headers: Pairs = ()
    fetch_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The chunks of a range by number, in order, as they were at `read_at` (monotonic seconds). `extents` are those of the
    range, as far as they say what is still so.
    """

    held: Mapping[int, Held]
    read_at: float
    extents: Sequence[Extent]

    @property
    def headers(self) -> Pairs:
        """Of the latest chunk that there is."""
        return next((held.headers for held in reversed(list(self.held.values())) if held.headers), ())

    @property
    def size_bytes(self) -> int:
        return sum(len(held.chunk.matrix.floats.blob) for held in self.held.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Additions:
    """What was fetched, of which points up to `settled_to` are settled."""

    fetched: Sequence[Fetched]
    settled_to: int
    lives: Lives
    grid: Grid
    stamps: Stamps
    monotonic: Callable[[], float]

    def numbers(self) -> list[int]:
        """Of the chunks that it adds to."""
        parts = [each.part for each in self.fetched]
        return sorted({n for part in parts for n in range(number_of(part.first), number_of(part.last) + 1)})

    def merged(self, number: int, chunk: Chunk, read_at: float) -> Chunk:
        """The chunk, as it was at `read_at`, with them, as it is now. What was asked later stays: an answer that took long
        does not take its place.
        """
        now = self.monotonic()
        chunk = chunk.aged(_ms(now - read_at))
        first, last = bounds(number)
        for each in self.fetched:
            age_ms = _ms(now - each.asked_at)
            later = [extent for extent in chunk.extents if extent.age_ms < age_ms]
            for gap in unknown(later, max(each.part.first, first), min(each.part.last, last)):
                part = each.part.clipped(*gap, self.grid, self.stamps)
                new = asked(*gap, settled_to=self.settled_to, age_ms=age_ms, lives=self.lives)
                chunk = chunk.with_part(part, new, self.grid, self.stamps)
        return chunk


class Chunks:
    def __init__(self, store: Store, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._monotonic = monotonic
        self._turns: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()
        """Who writes a chunk here waits for the one before him: were there only tries, the last of many would be lost."""

    async def read(self, ranged: Ranged, now_ms: int) -> Known | Failed:
        """Those of its range, by one call to the store. `now_ms` is the wall clock's."""
        query = ranged.query
        numbers = range(number_of(query.first), number_of(query.last) + 1)
        read_at = self._monotonic()
        found = await self._store.get_many([ranged.chunk_key(number) for number in numbers])
        held: dict[int, Held] = {}
        for number, lookup in zip(numbers, found, strict=True):
            if isinstance(lookup, Failed):
                return lookup
            held[number] = _held(lookup)
        extents = [extent for each in held.values() for extent in each.chunk.extents]
        # Others than the range's must not count: expired ones, which nobody renews, would have all of it asked again.
        extents = within(without_forecasts(extents, query.grid, now_ms, query.withheld_ms), query.first, query.last)
        return Known(held=held, read_at=read_at, extents=extents)

    async def write(
        self,
        ranged: Ranged,
        known: Known,
        merged: Mapping[int, Chunk],
        additions: Additions,
        *,
        limit_bytes: int,
    ) -> Sequence[int | Reason]:
        """Store the chunks that `additions` changed. Says how large each is, in bytes, or why it is not stored."""
        writes = [
            self._write(ranged, number, known.held[number], merged[number], additions, limit_bytes)
            for number in additions.numbers()
        ]
        return await asyncio.gather(*writes) if len(writes) > 1 else [await writes[0]]

    async def _write(
        self, ranged: Ranged, number: int, held: Held, merged: Chunk, additions: Additions, limit_bytes: int
    ) -> int | Reason:
        if merged.size_bytes > limit_bytes:
            return Reason.TOO_LARGE
        key = ranged.chunk_key(number)
        turn, began = self._turns.setdefault(key, asyncio.Lock()), self._monotonic()
        async with turn:
            merged = merged.aged(_ms(self._monotonic() - began))
            return await self._write_over(key, number, held, merged, additions)

    async def _write_over(self, key: Key, number: int, held: Held, merged: Chunk, additions: Additions) -> int | Reason:
        """Where another has written meanwhile, what he wrote is merged too."""
        newest = additions.fetched[-1]
        for _ in range(_TRIES):
            life_ms = merged.life_ms(additions.lives)
            entry = Entry(
                headers=newest.headers,
                encoding="identity",
                body=encode(merged),
                ttl_ms=life_ms,
                keep_ms=life_ms,
                fetch_ms=max(held.fetch_ms, newest.fetch_ms),  # what a whole range takes
            )
            if life_ms > 0 and await self._store.put(key, entry, over=held.version):
                return entry.size_bytes
            read_at = self._monotonic()
            lookup = await self._store.get(key)
            if isinstance(lookup, Failed):
                return Reason.STORE
            now = _held(lookup)
            if now.version == held.version:  # it was refused for another reason
                return Reason.STORE
            held, merged = now, additions.merged(number, now.chunk, read_at)
        return Reason.STORE


def _held(lookup: Found | Absent) -> Held:
    match lookup:
        case Found(entry, age_ms, version):
            chunk = decode(entry.body)
            if chunk is None:
                return Held(version=version)
            return Held(chunk=chunk.aged(age_ms), version=version, headers=entry.headers, fetch_ms=entry.fetch_ms)
        case Absent(version):
            return Held(version=version)


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
