"""Coalescing: identical misses in flight become one request to the source.

The fetch runs in a task of its own, so a client that leaves cancels nothing for the others. It lands in one of three
ways. A whole answer is everybody's. An answer that must not be shared, or is too large to hold, stays open: the first
to claim it streams it, and the others go their own way at once and side by side, because to wait in line for an answer
that cannot be kept would serialise them (Varnish learned that first). A failure is everybody's too.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from dataclasses import dataclass, replace
from typing import Generic, Self, TypeVar

from ..core.model import Headers, Reason
from ..errors import UpstreamError
from ..upstream.response import Response


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """The whole answer as it came: `body` is in `encoding`. `refusal` is why it is not stored, or None. `fetch_ms` is what
    the source took.
    """

    status: int
    headers: Headers
    body: bytes
    encoding: str
    refusal: Reason | None
    fetch_ms: int = 0

    def refused(self, refusal: Reason | None) -> Self:
        return replace(self, refusal=refusal)


@dataclass(slots=True, kw_only=True)
class Open:
    """An answer still arriving, for one reader alone: `prefix`, then the rest of `chunks`."""

    response: Response
    prefix: list[bytes]
    chunks: AsyncIterator[bytes]
    refusal: Reason
    claimed: bool = False

    @property
    def status(self) -> int:
        return self.response.status


@dataclass(frozen=True, slots=True)
class Broken:
    """The source could not be asked, or broke off."""

    error: UpstreamError


Landed = Whole | Open | Broken

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Flight(Generic[T]):
    """One fetch and those who wait for it."""

    def __init__(self, fetch: Awaitable[T]) -> None:
        self._waiters = 0
        self._task = asyncio.ensure_future(fetch)
        self._task.add_done_callback(self._close_unclaimed)
        self._closing: asyncio.Task[None] | None = None

    @property
    def task(self) -> asyncio.Future[T]:
        return self._task

    async def land(self) -> T:
        """Wait for the answer. An Open one is the caller's if `claimed` was still False; set it before any await."""
        self._waiters += 1
        try:
            return await asyncio.shield(self._task)
        finally:
            self._waiters -= 1
            # Looked at a turn later: whoever was woken together with this waiter may claim it first.
            asyncio.get_running_loop().call_soon(self._close_unclaimed, self._task)

    def _close_unclaimed(self, task: asyncio.Future[T]) -> None:
        if self._waiters or not task.done() or task.cancelled() or task.exception() is not None:
            return
        landed = task.result()
        if isinstance(landed, Open) and not landed.claimed:
            landed.claimed = True
            self._closing = asyncio.ensure_future(landed.response.aclose())


class Flights(Generic[K, T]):
    """The fetches in flight, by key. The generation is in the key: nobody joins a fetch that a clean has outdated."""

    def __init__(self) -> None:
        self._flights: dict[K, Flight[T]] = {}

    def join(self, key: K, fetch: Callable[[], Awaitable[T]]) -> tuple[Flight[T], bool]:
        """The flight for `key`, and whether it was there before."""
        flight = self._flights.get(key)
        if flight is not None:
            return flight, True
        flight = Flight(fetch())
        self._flights[key] = flight
        flight.task.add_done_callback(lambda _: self._flights.pop(key, None))
        return flight, False

    def __len__(self) -> int:
        return len(self._flights)

    async def close(self) -> None:
        """Cancel what is still in flight."""
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
