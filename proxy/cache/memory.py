"""Entries in this process, bounded by bytes. Eviction is S3-FIFO (Yang et al., SOSP 2023).

New entries wait in a small queue; those that are asked for again move to the main one, the others leave and only their
keys are remembered for a while. So a flood of keys that are asked once passes through a tenth of the space, and the hot
set stays. Both queues are FIFOs with a counter: a hit moves nothing.

Nothing looks for expired entries: within the bound the space is this store's, and when room is needed those at a
queue's head go before anything else.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

from ..core.model import Entry, Key
from .store import ABSENT, ANY, Found, Lookup, Version

ENTRY_BYTES = 760
"""What an entry costs besides its body and headers, measured: key, objects, its place in a queue, and one ghost."""
HEADER_BYTES = 170
"""What a header costs besides its text."""

_SMALL_SHARE = 0.1
_MOST_HITS = 3


class _Item:
    __slots__ = ("entry", "hits", "size_bytes", "stored_at")

    def __init__(self, entry: Entry, stored_at: float) -> None:
        self.entry = entry
        self.stored_at = stored_at
        self.size_bytes = entry.size_bytes + ENTRY_BYTES + HEADER_BYTES * len(entry.headers)
        self.hits = 0


class MemoryStore:
    """A `Store`. `clock` is monotonic, in seconds."""

    def __init__(
        self, *, max_size_bytes: int, max_value_bytes: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_bytes = max_size_bytes
        self._max_value_bytes = max_value_bytes
        self._clock = clock
        self._small: OrderedDict[Key, _Item] = OrderedDict()
        self._main: OrderedDict[Key, _Item] = OrderedDict()
        self._ghosts: OrderedDict[int, None] = OrderedDict()
        """Hashes of keys that left the small queue, as many as there are entries: a mistaken one costs a place, no more."""
        self._small_bytes = 0
        self._main_bytes = 0
        self.evictions = 0
        """Of entries that would have lived longer."""

    @property
    def size_bytes(self) -> int:
        return self._small_bytes + self._main_bytes

    @property
    def degraded(self) -> bool:
        return False

    def __len__(self) -> int:
        return len(self._small) + len(self._main)

    async def get(self, key: Key) -> Lookup:
        return self._look_up(key)

    async def get_many(self, keys: Sequence[Key]) -> Sequence[Lookup]:
        return [self._look_up(key) for key in keys]

    async def put(self, key: Key, entry: Entry, *, over: Version | None = ANY) -> bool:
        if over is not ANY and self._living(key) is not over:
            return False
        item = _Item(entry, self._clock())
        if len(entry.body) > self._max_value_bytes or item.size_bytes > self._max_bytes:
            return False
        known = self._drop(key)
        if hash(key) in self._ghosts:
            del self._ghosts[hash(key)]
            known = True
        self._make_room(item.size_bytes)
        if known:
            self._main[key] = item
            self._main_bytes += item.size_bytes
        else:
            self._small[key] = item
            self._small_bytes += item.size_bytes
        return True

    async def sweep(self, generations: Mapping[str, str]) -> bool:
        for queue in (self._small, self._main):
            for key in [key for key in queue if generations.get(key.uid) != key.generation]:
                self._drop(key)
        return True

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def _look_up(self, key: Key) -> Lookup:
        item = self._main.get(key) or self._small.get(key)
        if item is None:
            return ABSENT
        age_ms = int((self._clock() - item.stored_at) * 1000)
        if age_ms >= item.entry.keep_ms:
            self._drop(key)
            return ABSENT
        if item.hits < _MOST_HITS:
            item.hits += 1
        return Found(item.entry, age_ms, item.entry)

    def _living(self, key: Key) -> Entry | None:
        item = self._main.get(key) or self._small.get(key)
        return None if item is None or self._expired(item) else item.entry

    def _drop(self, key: Key) -> bool:
        item = self._small.pop(key, None)
        if item is not None:
            self._small_bytes -= item.size_bytes
            return True
        item = self._main.pop(key, None)
        if item is not None:
            self._main_bytes -= item.size_bytes
            return True
        return False

    def _make_room(self, size_bytes: int) -> None:
        """Evict until an item of `size_bytes` fits."""
        while self.size_bytes + size_bytes > self._max_bytes:
            if self._main and self._expired(next(iter(self._main.values()))):
                self._evict_from_main()
            elif self._small and (self._small_bytes > _SMALL_SHARE * self._max_bytes or not self._main):
                self._evict_from_small()
            else:
                self._evict_from_main()
        while len(self._ghosts) > len(self):
            self._ghosts.popitem(last=False)

    def _evict_from_small(self) -> None:
        key, item = self._small.popitem(last=False)
        self._small_bytes -= item.size_bytes
        if self._expired(item):
            return
        if item.hits:
            item.hits = 0
            self._main[key] = item
            self._main_bytes += item.size_bytes
        else:
            self.evictions += 1
            self._ghosts[hash(key)] = None

    def _evict_from_main(self) -> None:
        key, item = self._main.popitem(last=False)
        expired = self._expired(item)
        if item.hits and not expired:
            item.hits -= 1
            self._main[key] = item
        else:
            self._main_bytes -= item.size_bytes
            self.evictions += not expired

    def _expired(self, item: _Item) -> bool:
        return (self._clock() - item.stored_at) * 1000 >= item.entry.keep_ms
