"""A range query answered from what is known of its points, the rest asked for: look up, plan, fetch, merge, store, answer.

What is decided is pure and elsewhere: which points are missing in `core.extents`, how samples are clipped and joined in
`core.matrix`, what is a fit answer in the dialect's codec. What cannot be answered like this is `Declined`, and goes the
way of every other call, by the client's own request.

Nothing known: the client's own request is sent and its answer relayed as it came, while it is cut into chunks.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from ..cache.store import Failed, Store
from ..core.chunk import Chunk, united
from ..core.extents import Gap, Lives, fresh, gaps
from ..core.matrix import Unreadable, rows, work_bytes
from ..core.model import Key, Pairs, Reason
from ..telemetry.logs import Quiet
from ..telemetry.metrics import Metrics
from .chunks import Additions, Chunks, Known
from .fetch import Fetcher
from .flight import Broken, Flights, Landed, Open, Whole
from .parts import Declined, Fetched, Parts
from .plan import Lookup, Ranged, RangeKey, lives
from .remembered import Remembered
from .source import SourceRuntime

_log = logging.getLogger(__name__)
T = TypeVar("T")

_SEEN_SECONDS = 3600.0
_OPEN_SECONDS = 60.0
_LOG_SECONDS = 60.0
_CUT_COSTS = 16
"""So much dearer it is to cut a byte than to join it."""
_JOINED_OFF_THE_LOOP_BYTES = 4 * 1024 * 1024
"""Bytes are joined at some gigabytes a second: from here on it takes a millisecond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """An answer put together. `fetched` is what was asked for; nothing for a hit, whose `ttl_left_ms` and `age_ms` are of
    what expires first and what is oldest. `refusal` is why what was fetched is not stored, or None.
    """

    headers: Pairs
    body: bytes
    fetched: Sequence[Gap] = ()
    ttl_left_ms: int = 0
    age_ms: int = 0
    saved_ms: int = 0
    refusal: Reason | None = None


Outcome = Assembled | Landed | Declined


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What one flight works at. Points up to `settled_to` are settled."""

    source: SourceRuntime
    lookup: Lookup
    ranged: Ranged
    known: Known
    missing: Sequence[Gap]
    settled_to: int


class Deltas:
    """Holds the answers being put together: many who ask for one range wait for one of them."""

    def __init__(
        self,
        *,
        store: Store,
        fetcher: Fetcher,
        metrics: Metrics,
        monotonic: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int],
    ) -> None:
        self._chunks = Chunks(store, monotonic)
        self._fetcher = fetcher
        self._metrics = metrics
        self._monotonic = monotonic
        self._now_ms = now_ms
        self._parts = Parts(fetcher=fetcher, metrics=metrics, monotonic=monotonic)
        self._flights: Flights[tuple[RangeKey, tuple[Gap, ...], int], Outcome] = Flights()
        """By the range, what is missing of it, and the second when what is known of it expires: who knows less by now, or
        what is newer, does not wait for an answer put together from what is too old for him.
        """
        self._seen: Remembered[Key] = Remembered(monotonic, seconds=_SEEN_SECONDS)
        self._open: Remembered[Key] = Remembered(monotonic, seconds=_OPEN_SECONDS)
        self._quiet = Quiet(_LOG_SECONDS)

    def take(self, ranged: Ranged) -> bool:
        """Whether the query may be answered from parts, now."""
        query = ranged.query
        if not self._parts.are_fit(ranged.uid) or ranged.key in self._open:
            return False
        return query.pinned_ms is None or query.pinned_ms <= min(query.end_ms, self._now_ms() - ranged.freshness_ms)

    def was_seen(self, ranged: Ranged) -> bool:
        """Whether the query was asked before, on whatever range. It is remembered."""
        seen = ranged.key in self._seen
        self._seen.remember(ranged.key)
        return seen

    async def answer(self, source: SourceRuntime, lookup: Lookup, ranged: Ranged) -> tuple[Outcome, bool]:
        """The answer, and whether somebody else was waiting for it already."""
        try:
            return await self._answer(source, lookup, ranged)
        except Unreadable:  # in a chunk that is whole and none of ours
            self._quiet.log(
                _log, logging.WARNING, ranged.uid, "A stored chunk cannot be read", {"datasource": ranged.uid}
            )
            return Declined.STORE, False

    async def _answer(self, source: SourceRuntime, lookup: Lookup, ranged: Ranged) -> tuple[Outcome, bool]:
        query = ranged.query
        now_ms = self._now_ms()
        known = await self._chunks.read(ranged, now_ms)
        if isinstance(known, Failed):
            return Declined.STORE, False
        extents = fresh(known.extents, ranged.lives)
        missing = gaps(extents, query.first, query.last)
        if not missing:
            return await self._hit(ranged, known, ranged.lives), False
        settled_ms = now_ms - max(ranged.freshness_ms, query.withheld_ms)
        task = _Task(
            source=source,
            lookup=lookup,
            ranged=ranged,
            known=known,
            missing=missing,
            settled_to=query.grid.index_at(settled_ms),
        )
        expires = round(known.read_at + min(map(ranged.lives.left_ms, extents)) / 1000) if extents else 0
        key = ranged.range_key(query.first, query.last), tuple(missing), expires
        flight, joined = self._flights.join(key, lambda: self._fill(task))
        if self._is_whole(ranged, known, ranged.while_revalidating):
            return await self._hit(ranged, known, ranged.while_revalidating), False
        if joined:
            self._metrics.coalesced(uid=ranged.uid)
        outcome = await flight.land()
        if joined and isinstance(outcome, Assembled):
            self._count(ranged, known=ranged.points - _points(outcome.fetched), fetched=0)
        may_be_stale = _has_failed(outcome) and self._is_whole(ranged, known, ranged.if_error)
        if may_be_stale and self._fetcher.settings_in_force(lookup) is not None:  # else it was cleaned meanwhile
            return await self._hit(ranged, known, ranged.if_error), joined
        return outcome, joined

    async def close(self) -> None:
        await self._flights.close()
        await self._parts.close()

    @staticmethod
    def _is_whole(ranged: Ranged, known: Known, lives: Lives) -> bool:
        """Whether with longer lives nothing would be missing."""
        return lives != ranged.lives and not gaps(fresh(known.extents, lives), ranged.query.first, ranged.query.last)

    async def _hit(self, ranged: Ranged, known: Known, lives: Lives) -> Assembled:
        self._count(ranged, known=ranged.points, fetched=0)
        extents = fresh(known.extents, lives)
        chunks = {number: held.chunk for number, held in known.held.items()}
        return Assembled(
            headers=known.headers,
            body=await _in_thread_if(_work_bytes(chunks), partial(_write, ranged, chunks)),
            ttl_left_ms=min(map(ranged.lives.left_ms, extents)),
            age_ms=max(extent.age_ms for extent in extents),
            saved_ms=max(held.fetch_ms for held in known.held.values()),
        )

    async def _fill(self, task: _Task) -> Outcome:
        query = task.ranged.query
        with task.source.upstream.in_use:
            if task.missing == [Gap(query.first, query.last)]:
                return await self._fill_all(task)
            return await self._fill_gaps(task)

    async def _fill_all(self, task: _Task) -> Outcome:
        ranged = task.ranged
        landed, fetched = await self._parts.fetch_whole(task.source, task.lookup, ranged)
        if fetched is None:
            if isinstance(landed, Open):
                self._open.remember(ranged.key)
            if isinstance(landed, Whole) and landed.refusal is None and not ranged.query.verbatim:
                return Declined.UNFIT  # else it is an answer to what was asked: an error is not provoked twice
            return await self._fetcher.keep(task.source, task.lookup, landed)
        assert isinstance(landed, Whole)
        self._count(ranged, known=0, fetched=_points(task.missing))
        additions = self._additions(task, [fetched])
        cut_bytes = _CUT_COSTS * len(fetched.part.matrix.floats.blob)  # every series, at every chunk's edge
        merged = await _in_thread_if(cut_bytes, partial(_merge, task.known, additions))
        return landed.refused(await self._store(task, additions, merged))

    async def _fill_gaps(self, task: _Task) -> Outcome:
        ranged = task.ranged
        fetches = [self._parts.fetch(task.source, task.lookup, ranged, gap) for gap in task.missing]
        parts = await asyncio.gather(*fetches) if len(fetches) > 1 else [await fetches[0]]
        fetched: list[Fetched] = []
        for part, _ in parts:
            if part is Declined.OPEN:
                self._open.remember(ranged.key)
            if not isinstance(part, Fetched):
                return part
            fetched.append(part)
        missing = _points(task.missing)
        self._count(ranged, known=ranged.points - missing, fetched=missing)
        additions = self._additions(task, fetched)
        size_bytes = task.known.size_bytes + sum(len(each.part.matrix.floats.blob) for each in fetched)
        merged = await _in_thread_if(size_bytes, partial(_merge, task.known, additions))
        own = [part for part, joined in parts if isinstance(part, Fetched) and not joined]
        refusal = await self._keep(task, additions, merged, own)  # at once: their ages are those of now
        warnings = sorted({text for each in fetched for text in each.part.warnings})
        body = await _in_thread_if(_work_bytes(merged), partial(_write, ranged, merged, warnings))
        return Assembled(headers=fetched[-1].headers, body=body, fetched=task.missing, refusal=refusal)

    async def _keep(
        self, task: _Task, additions: Additions, merged: Mapping[int, Chunk], own: Sequence[Fetched]
    ) -> Reason | None:
        """Store what was fetched, or say why not all of it is: what another asked for he stores, what came with warnings
        nobody.
        """
        keep = [each for each in own if each.may_be_stored]
        refusal: Reason | None = None
        if len(keep) < len(additions.fetched):
            additions = replace(additions, fetched=keep)
            merged = await _in_thread_if(task.known.size_bytes, partial(_merge, task.known, additions))
        if keep:
            refusal = await self._store(task, additions, merged)
        if len(keep) < len(own):
            refusal = self._refused(task.ranged, Reason.PARTIAL)
        return refusal

    def _additions(self, task: _Task, fetched: Sequence[Fetched]) -> Additions:
        ranged = task.ranged
        settings = self._fetcher.settings_in_force(task.lookup)
        now = lives(task.source, settings, task.lookup.call) if settings is not None else ranged.lives
        stale_ms = max(ranged.while_revalidating.stale_ms, ranged.if_error.stale_ms)
        return Additions(
            fetched=fetched,
            settled_to=task.settled_to,
            lives=ranged.lives.capped(now)._replace(stale_ms=stale_ms),
            grid=ranged.query.grid,
            stamps=ranged.query.codec.stamps,
            monotonic=self._monotonic,
        )

    async def _store(self, task: _Task, additions: Additions, merged: Mapping[int, Chunk]) -> Reason | None:
        """Why not all of it is stored, or None."""
        ranged = task.ranged
        if self._fetcher.settings_in_force(task.lookup) is None:
            return self._refused(ranged, Reason.GENERATION)
        if additions.lives.young_ms <= 0:
            return self._refused(ranged, Reason.TTL_ZERO)
        stored = await self._chunks.write(
            ranged, task.known, merged, additions, limit_bytes=task.source.limits.max_value_bytes
        )
        for each in stored:
            if isinstance(each, int):
                self._metrics.stored(uid=ranged.uid, size_bytes=each)
        if set(stored) == {Reason.TOO_LARGE}:
            self._open.remember(ranged.key)
        refusal = next((each for each in stored if isinstance(each, Reason)), None)
        return None if refusal is None else self._refused(ranged, refusal)

    def _refused(self, ranged: Ranged, reason: Reason) -> Reason:
        self._metrics.not_stored(uid=ranged.uid, reason=reason)
        return reason

    def _count(self, ranged: Ranged, *, known: int, fetched: int) -> None:
        self._metrics.points(uid=ranged.uid, cached=known, fetched=fetched)


def _points(missing: Sequence[Gap]) -> int:
    return sum(gap.points for gap in missing)


def _has_failed(outcome: Outcome) -> bool:
    match outcome:
        case Broken() | Declined.SOURCE:
            return True
        case Whole(status=status):
            return status >= 500
        case _:
            return False


def _merge(known: Known, additions: Additions) -> dict[int, Chunk]:
    """The chunks of the range with what was fetched."""
    changed = set(additions.numbers())
    return {
        number: additions.merged(number, held.chunk, known.read_at) if number in changed else held.chunk
        for number, held in known.held.items()
    }


def _work_bytes(chunks: Mapping[int, Chunk]) -> int:
    return work_bytes([chunk.matrix for chunk in chunks.values()])


def _write(ranged: Ranged, chunks: Mapping[int, Chunk], warnings: Sequence[str] = ()) -> bytes:
    """The answer, cut out of the chunks that hold all of it."""
    query = ranged.query
    grid, stamps = query.grid, query.codec.stamps
    matrices = [chunk.clipped(query.first, query.last, grid, stamps) for chunk in chunks.values()]
    infos = united(chunk.infos for chunk in reversed(list(chunks.values())))
    return query.codec.write(rows(matrices), infos, warnings)


async def _in_thread_if(size_bytes: int, work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work) if size_bytes >= _JOINED_OFF_THE_LOOP_BYTES else work()
