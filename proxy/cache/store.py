"""The protocol of a cache. Its calls never raise: a broken cache costs a miss and a metric, never an answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from ..core.model import Entry, Key

Version: TypeAlias = object
"""Stands for one stored value. Of no use but to be handed back to the store that gave it."""

ANY: Final[Version] = object()
"""In place of a version: whatever is there."""


@dataclass(frozen=True, slots=True)
class Found:
    """`age_ms` is the time since the entry was fetched, by a clock that no wall-clock jump moves."""

    entry: Entry
    age_ms: int
    version: Version = field(compare=False)


@dataclass(frozen=True, slots=True)
class Absent:
    """`version` is None, or stands for what is there and is no entry, so that it can be written over."""

    version: Version | None = field(default=None, compare=False)


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

    async def get_many(self, keys: Sequence[Key]) -> Sequence[Lookup]:
        """What `get` would say of each, in their order, for one round trip. When it fails it fails for all."""

    async def put(self, key: Key, entry: Entry, *, over: Version | None = ANY) -> bool:
        """Keep `entry` for `entry.keep_ms` from now; with the `version` of a look-up, only if what that look-up saw is
        still so: None where nothing was. False when it could not be kept (too large, store failed, changed meanwhile).
        """

    async def sweep(self, generations: Mapping[str, str]) -> bool:
        """Delete every entry whose generation is not its source's, by `generations`: each source's, by uid. False when
        that did not end; it may be repeated. A `put` that began before is done, and what it kept is looked at too."""

    async def start(self) -> None: ...

    async def close(self) -> None: ...
