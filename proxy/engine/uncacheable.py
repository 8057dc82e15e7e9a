"""What was found not to be storable is remembered for a while, so that its next callers neither look up nor wait for
one another (Varnish's hit-for-miss).
"""

from collections import OrderedDict
from collections.abc import Callable

from ..core.model import Key

REMEMBER_SECONDS = 60.0
REMEMBER_AT_MOST = 10_000


class Uncacheable:
    """Bounded in number: the oldest is forgotten first, which costs a look-up and a wait, no more."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._until: OrderedDict[Key, float] = OrderedDict()

    def remember(self, key: Key) -> None:
        self._until.pop(key, None)
        self._until[key] = self._monotonic() + REMEMBER_SECONDS
        if len(self._until) > REMEMBER_AT_MOST:
            self._until.popitem(last=False)

    def __contains__(self, key: Key) -> bool:
        until = self._until.get(key)
        if until is None:
            return False
        if until <= self._monotonic():
            del self._until[key]
            return False
        return True
