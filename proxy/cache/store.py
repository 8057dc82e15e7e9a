"""The protocol of a cache. Its calls never raise: a broken cache costs a miss and a metric, never an answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ..core.model import Entry, Key


@dataclass(frozen=True, slots=True)
class Found:
    """`age_ms` is the time since the entry was fetched, by a clock that no wall-clock jump moves."""

    entry: Entry
    age_ms: int


@dataclass(frozen=True, slots=True)
class Absent:
    pass


@dataclass(frozen=True, slots=True)
class Failed:
    """The look-up itself failed. `kind` is from a closed list, for metrics."""

    kind: str


Lookup = Found | Absent | Failed
ABSENT = Absent()


class Store(Protocol):
    @property
    def degraded(self) -> bool:
        """Whether it fails at the moment: answers come from the sources, or are not kept."""

    async def get(self, key: Key) -> Lookup: ...

    async def put(self, key: Key, entry: Entry) -> bool:
        """Keep `entry` for `entry.keep_ms` from now. False when it could not be kept (too large, store failed)."""

    async def sweep(self, generations: Mapping[str, str]) -> bool:
        """Delete every entry whose generation is not its source's, by `generations`: each source's, by uid. False when
        that did not end; it may be repeated. A `put` that began before is done, and what it kept is looked at too."""

    async def start(self) -> None: ...

    async def close(self) -> None: ...
