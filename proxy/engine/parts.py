"""Ask a source for a part of a range, and see that its answer is that part."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from ..core import codings
from ..core.chunk import Part
from ..core.extents import Gap
from ..core.model import Pairs, Reason
from ..core.range_query import Flaw
from ..telemetry.logs import Quiet
from ..telemetry.metrics import Metrics
from .fetch import Fetcher, is_heavy, kept_headers
from .flight import Broken, Flights, Landed, Open, Whole
from .plan import Lookup, Ranged, RangeKey
from .remembered import Remembered
from .source import SourceRuntime

_log = logging.getLogger(__name__)

OUT_OF_DELTAS_SECONDS = 300.0
"""For so long a source whose answers were not what was asked is asked whole questions only."""
_LOG_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A part that was asked for at `asked_at` (monotonic seconds), and what its answer came with."""

    part: Part
    asked_at: float
    headers: Pairs
    fetch_ms: int
    may_be_stored: bool


class Declined(Enum):
    """Why a query is not to be answered from parts: the client's own request is to be asked."""

    STORE = auto()  # the look-up failed
    SOURCE = auto()  # the source failed at a part
    OPEN = auto()  # may not be shared, or is too large to hold
    UNFIT = auto()  # refused, cut off, not what was asked


class Parts:
    """Holds the fetches in flight: many who want one part wait for one answer."""

    def __init__(self, *, fetcher: Fetcher, metrics: Metrics, monotonic: Callable[[], float]) -> None:
        self._fetcher = fetcher
        self._metrics = metrics
        self._monotonic = monotonic
        self._flights: Flights[RangeKey, Fetched | Declined | Broken] = Flights()
        self._unfit: Remembered[str] = Remembered(monotonic, seconds=OUT_OF_DELTAS_SECONDS)
        self._quiet = Quiet(_LOG_SECONDS)

    def are_fit(self, uid: str) -> bool:
        """Whether the source's answers have lately been what they were asked for."""
        return uid not in self._unfit

    async def fetch(
        self, source: SourceRuntime, lookup: Lookup, ranged: Ranged, gap: Gap
    ) -> tuple[Fetched | Declined | Broken, bool]:
        """The part, and whether it was another who asked for it."""
        key = ranged.range_key(gap.first, gap.last)
        flight, joined = self._flights.join(key, lambda: self._fetch(source, lookup, ranged, gap))
        if joined:
            self._metrics.coalesced(uid=ranged.uid)
        return await flight.land(), joined

    async def fetch_whole(self, source: SourceRuntime, lookup: Lookup, ranged: Ranged) -> tuple[Landed, Fetched | None]:
        """The answer to the whole range as it came, and what it says of it, if it does."""
        query = ranged.query
        asked_at = self._monotonic()
        outgoing = lookup.outgoing if query.verbatim else lookup.narrowed(query, query.first, query.last)
        landed = await self._fetcher.ask(
            source, outgoing, judge=lookup.call.judge, limit_bytes=source.limits.max_range_bytes
        )
        if not isinstance(landed, Whole) or landed.refusal is not None:
            return landed, None
        fetched = await self._read(source, lookup, ranged, Gap(query.first, query.last), landed, asked_at)
        return landed, fetched if isinstance(fetched, Fetched) else None

    async def close(self) -> None:
        await self._flights.close()

    async def _fetch(
        self, source: SourceRuntime, lookup: Lookup, ranged: Ranged, gap: Gap
    ) -> Fetched | Declined | Broken:
        with source.upstream.in_use:
            asked_at = self._monotonic()
            landed = await self._fetcher.ask(
                source,
                lookup.narrowed(ranged.query, gap.first, gap.last),
                judge=lookup.call.judge,
                limit_bytes=source.limits.max_range_bytes,
            )
            match landed:
                case Broken():
                    return landed
                case Open():
                    await landed.response.aclose()
                    return Declined.OPEN
                case Whole(refusal=None | Reason.PARTIAL):
                    return await self._read(source, lookup, ranged, gap, landed, asked_at)
                case Whole():
                    return Declined.SOURCE if landed.status >= 500 else Declined.UNFIT

    async def _read(
        self, source: SourceRuntime, lookup: Lookup, ranged: Ranged, gap: Gap, whole: Whole, asked_at: float
    ) -> Fetched | Declined:
        query = ranged.query

        def read() -> Part | Flaw:
            body = codings.decode(whole.encoding, whole.body, source.limits.max_range_bytes)
            return query.codec.read(body, query.grid, *gap) if isinstance(body, bytes) else Flaw.SHAPE

        part = await asyncio.to_thread(read) if is_heavy(whole) else read()
        if isinstance(part, Flaw):
            self._found_unfit(ranged.uid, part)
            return Declined.UNFIT
        return Fetched(
            part=part,
            asked_at=asked_at,
            headers=kept_headers(whole.headers, lookup.call.keep_headers),
            fetch_ms=whole.fetch_ms,
            may_be_stored=whole.refusal is None,
        )

    def _found_unfit(self, uid: str, flaw: Flaw) -> None:
        self._metrics.unfit(uid=uid, flaw=flaw)
        if uid in self._unfit:
            return
        self._unfit.remember(uid)
        text = "The source's answers are not what was asked for: it is asked whole ranges only, for some minutes"
        self._quiet.log(_log, logging.WARNING, uid, text, {"datasource": uid, "flaw": flaw})
