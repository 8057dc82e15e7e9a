"""What was found out and holds for a while: that a call's answers cannot be kept (Varnish's hit-for-miss), that a source's
answers are not what was asked, that a query has been seen.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)

REMEMBER_AT_MOST = 10_000


class Remembered(Generic[T]):
    """Bounded in number: the oldest is forgotten first, which costs a look-up, a wait, or a fetch, no more."""

    def __init__(self, monotonic: Callable[[], float], *, seconds: float) -> None:
        self._monotonic = monotonic
        self._seconds = seconds
        self._until: OrderedDict[T, float] = OrderedDict()

    def remember(self, what: T) -> None:
        self._until.pop(what, None)
        self._until[what] = self._monotonic() + self._seconds
        if len(self._until) > REMEMBER_AT_MOST:
            self._until.popitem(last=False)

    def __contains__(self, what: T) -> bool:
        until = self._until.get(what)
        if until is None:
            return False
        if until <= self._monotonic():
            del self._until[what]
            return False
        return True
