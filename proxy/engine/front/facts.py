"""What Grafana said, remembered for a while: one question in flight for all who want to know."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ...core.model import Pairs
from ..flight import Flights

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

_REMEMBER_AT_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Fact(Generic[T]):
    """`value` None: Grafana said no, or could not be asked. `cookies` are for those who waited for the answer."""

    value: T | None
    cookies: Pairs = ()


class Facts(Generic[K, T]):
    """A fact holds for `seconds` from when it was asked for; a None, which may be a failure, for `doubt_seconds` from the
    answer. What is forgotten while it is being asked for is not remembered: the answer may be from before.
    """

    def __init__(self, monotonic: Callable[[], float], *, seconds: float, doubt_seconds: float = 1.0) -> None:
        self._monotonic = monotonic
        self._seconds = seconds
        self._doubt_seconds = doubt_seconds
        self._known: OrderedDict[K, tuple[float, T | None]] = OrderedDict()
        self._flights: Flights[tuple[K, int], Fact[T]] = Flights()
        self._forgotten = 0

    async def get(self, key: K, ask: Callable[[], Awaitable[Fact[T]]]) -> Fact[T]:
        known = self._known.get(key)
        if known is not None and self._monotonic() < known[0]:
            return Fact(known[1])
        flight, _ = self._flights.join((key, self._forgotten), lambda: self._ask(key, ask))
        return await flight.land()

    def forget(self, applies: Callable[[K, T | None], bool] = lambda key, value: True) -> None:
        """Those that it applies to, and whatever is being asked for now."""
        self._forgotten += 1
        for key in [key for key, (_, value) in self._known.items() if applies(key, value)]:
            del self._known[key]

    async def close(self) -> None:
        await self._flights.close()

    async def _ask(self, key: K, ask: Callable[[], Awaitable[Fact[T]]]) -> Fact[T]:
        asked_at, forgotten = self._monotonic(), self._forgotten
        fact = await ask()
        if forgotten == self._forgotten:
            doubted_until = self._monotonic() + min(self._doubt_seconds, self._seconds)  # a question may take longer
            self._known[key] = (doubted_until if fact.value is None else asked_at + self._seconds, fact.value)
            self._known.move_to_end(key)
            if len(self._known) > _REMEMBER_AT_MOST:
                self._known.popitem(last=False)
        return fact
