"""The settings in force, as one immutable snapshot in this process, kept in step with the store.

The book knows what it has once read or durably written, and whenever it meets the store the two are merged: a store
that was emptied or put back from an old backup gets back what any running replica knows, and a change made elsewhere
is in force here within one poll. The data path reads `snapshot`, an attribute; nothing on it waits for a store.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import reduce

from msgspec import structs

from ..config.schema import Config, Source
from ..errors import NotFound, SettingsNotDurable, SettingsUnreadable
from ..telemetry.logs import Quiet
from .contents import Contents, Moment, complete, configure, first_config, in_force, in_force_generations, merge, move
from .model import CacheConfig, Snapshot, SourceSettings, is_of_grafana
from .store import SettingsStore

_log = logging.getLogger(__name__)

POLL_SECONDS = 0.25
_LOG_SECONDS = 10.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Book:
    """`store` is the one that counts; `copy`, beside a shared store, is what this replica remembers of it on disk.

    `moved` is called when a source's generation has moved, here or elsewhere: from then on no snapshot has the earlier
    one. `failed` is told what could not be done, from a closed list, each time that it could not.
    """

    def __init__(
        self,
        store: SettingsStore,
        config: Config,
        *,
        copy: SettingsStore | None = None,
        clock: Callable[[], datetime] = _utc_now,
        poll_seconds: float = POLL_SECONDS,
        moved: Callable[[], None] = lambda: None,
        failed: Callable[[str], None] = lambda kind: None,
    ) -> None:
        self._store = store
        self._copy = copy
        self._config = config
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._moved = moved
        self._failed = failed
        self._quiet = Quiet(_LOG_SECONDS)
        self._added: dict[str, Source] = {}
        self._fresh: set[str] = set()
        """Those of them of which the store has not been told yet: afterwards a replica that met them later knows better."""
        self._known = Contents()
        self._provisional = Contents()
        self._snapshot = Snapshot(version=0, sources={})
        self._generations: Mapping[str, str] = {}
        self._lock = asyncio.Lock()
        self._closing = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None
        self._reachable = True

    @property
    def snapshot(self) -> Snapshot:
        return self._snapshot

    @property
    def generations(self) -> Mapping[str, str]:
        """In force, of every source that has a record, by uid: another replica may serve those that are not served here."""
        return self._generations

    @property
    def reachable(self) -> bool:
        """Whether the store answered when it was last asked; the settings last known stay in force when it did not."""
        return self._reachable

    async def start(self) -> None:
        """Read what is kept and give every source its record. Raises `SettingsUnreadable` or `SettingsNotDurable` for a
        file that cannot be read or made. A shared store that is down is waited for in the background."""
        await self._store.start()
        unreadable = await self._start_copy()
        async with self._lock:
            await self._meet()
        if unreadable is not None and not self._reachable:
            raise unreadable  # what the API changed is neither in the store nor in the copy: not silently forgotten
        self._polling = asyncio.create_task(self._poll(), name="settings poll")

    async def close(self) -> None:
        self._closing.set()
        if self._polling is not None:
            await self._polling
        async with self._lock:
            await self._store.close()
            if self._copy is not None:
                await self._copy.close()

    async def change(self, uid: str, config: CacheConfig) -> SourceSettings:
        """Set all of a source's caching settings. Durable when it returns; `SettingsNotDurable`, and nothing changed,
        when that cannot be, `NotFound` for a source that the configuration does not have."""
        return await self._change(uid, lambda contents, moment: configure(contents, uid, config, moment))

    async def set_enabled(self, uid: str, enabled: bool) -> SourceSettings:
        """Turn a source's caching on or off and keep its other settings. Off moves its generation too."""

        def edit(contents: Contents, moment: Moment) -> Contents:
            return configure(contents, uid, replace(self._config_of(contents, uid), enabled=enabled), moment)

        return await self._change(uid, edit)

    async def move_generation(self, uid: str | None = None) -> None:
        """Make everything that is cached unreachable, of one source or of all; durable when it returns."""
        if uid is not None:
            self._source(uid)
        await self._shielded(lambda contents, moment: move(contents, uid, moment))

    async def move_generations(self, uids: Collection[str]) -> None:
        """The same of several sources, in one change."""
        if not {source.uid for source in self._sources(self._known)}.issuperset(uids):
            raise NotFound("Data source not found")
        if uids:
            await self._shielded(
                lambda contents, moment: reduce(lambda made, uid: move(made, uid, moment), uids, contents)
            )

    async def add(self, source: Source) -> None:
        """Bring in a data source of Grafana's, met for the first time or changed since. It is in the snapshot then, kept
        or, where the store fails, provisional.
        """
        if self._added.get(source.uid) == source:
            return
        async with self._lock:  # whoever has it now publishes what is added, and knows no record of this one
            self._added[source.uid] = source
            self._fresh.add(source.uid)
            await self._meet()

    async def configure(self, config: Config) -> None:
        """Bring in a reloaded configuration. Records of sources that have gone stay in the store."""
        async with self._lock:
            self._config = config
            await self._meet()

    async def _change(self, uid: str, edit: Callable[[Contents, Moment], Contents]) -> SourceSettings:
        source = self._source(uid)
        return in_force(await self._shielded(edit), source, self._config.caching)

    async def _shielded(self, edit: Callable[[Contents, Moment], Contents]) -> Contents:
        """A change that has begun ends, whether or not the client that asked for it stays."""
        return await asyncio.shield(asyncio.create_task(self._write(edit)))

    async def _write(self, edit: Callable[[Contents, Moment], Contents]) -> Contents:
        async with self._lock:
            try:
                contents = await self._store.change(lambda contents: edit(self._complete(contents), self._moment()))
            except SettingsNotDurable as error:
                self._failed("change")
                self._quiet.log(_log, logging.WARNING, "change", error.public_message)
                raise
            await self._hold(contents)
            return contents

    def _config_of(self, contents: Contents, uid: str) -> CacheConfig:
        return contents.records[uid].changed or first_config(self._source(uid), self._config.caching.ttl_ms)

    def _source(self, uid: str) -> Source:
        for source in self._sources(self._known):
            if source.uid == uid:
                return source
        raise NotFound("Data source not found")

    def _sources(self, contents: Contents) -> tuple[Source, ...]:
        """Those of the configuration, and Grafana's: met since the start, or before it, of which there is a record."""
        grafana = self._config.grafana
        if not grafana.url:
            return self._config.datasources
        known = {
            uid: Source(uid=uid, id=record.id, url=grafana.url, cache=grafana.cache)
            for uid, record in contents.records.items()
            if is_of_grafana(uid)
        }
        added = {
            uid: source if uid in self._fresh or uid not in known else structs.replace(source, id=known[uid].id)
            for uid, source in self._added.items()
        }
        return (*self._config.datasources, *(known | added).values())

    def _complete(self, contents: Contents) -> Contents:
        """What the store holds and what this process knows, with a record for every source of the configuration."""
        merged = merge(contents, self._known)
        return complete(merged, self._sources(merged), self._moment())

    def _moment(self) -> Moment:
        return Moment(now=self._clock(), random=secrets.token_hex(8))

    async def _meet(self) -> None:
        """Bring the store and this process to the same contents; without the store, make do with what is known."""
        try:
            contents = await self._store.load()
            if not self._complete(contents).same(contents):
                contents = await self._store.change(self._complete)
            self._set_reachable(True)
            await self._hold(contents)
        except (SettingsUnreadable, SettingsNotDurable) as error:
            self._set_reachable(False, error)
            # In force until the store is back, and nowhere kept: the generations and ids of new sources may differ.
            known = merge(self._known, self._provisional)
            self._provisional = complete(known, self._sources(known), self._moment())
            self._publish(self._provisional)

    async def _hold(self, contents: Contents) -> None:
        """`contents` are durable: make them the settings in force, then remember them on disk."""
        self._known = contents
        self._fresh.difference_update(contents.records)
        self._provisional = Contents()
        self._publish(contents)
        if self._copy is not None:
            try:
                await self._copy.change(lambda kept: merge(kept, contents))
            except SettingsNotDurable as error:
                self._failed("copy")
                text = f"The copy of the settings in the data directory is out of date. {error}"
                self._quiet.log(_log, logging.WARNING, "copy", text)

    def _publish(self, contents: Contents) -> None:
        caching = self._config.caching
        sources = {source.uid: in_force(contents, source, caching) for source in self._sources(contents)}
        before = self._snapshot
        if sources != before.sources or not before.version:
            self._snapshot = Snapshot(version=before.version + 1, sources=sources)
        generations = in_force_generations(contents)
        if any(generations.get(uid, generation) != generation for uid, generation in self._generations.items()):
            self._moved()
        self._generations = generations

    async def _start_copy(self) -> SettingsUnreadable | None:
        """A copy that cannot be used is done without; the error, when there is one that cannot be read."""
        if self._copy is None:
            return None
        try:
            await self._copy.start()
            self._known = await self._copy.load()
        except (SettingsUnreadable, SettingsNotDurable) as error:
            _log.warning("No copy of the settings is kept in the data directory. %s", error)
            await self._copy.close()
            self._copy = None
            return error if isinstance(error, SettingsUnreadable) else None
        return None

    async def _poll(self) -> None:
        while not await self._closing_within(self._poll_seconds):
            try:
                if not self._reachable or await self._store.version() != self._known.version:
                    async with self._lock:
                        await self._meet()
            except SettingsUnreadable as error:
                self._set_reachable(False, error)
            except Exception:
                self._failed("read")
                text = "Looking for changed settings failed; the next attempt follows."
                self._quiet.log(_log, logging.ERROR, "poll", text, exc_info=True)

    async def _closing_within(self, seconds: float) -> bool:
        """Sleep that closing ends. The poll is not cancelled: that would break a command on its way to the store."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        return self._closing.is_set()

    def _set_reachable(self, reachable: bool, error: Exception | None = None) -> None:
        if not reachable:
            self._failed("read")
        if self._reachable and not reachable:
            text = f"The settings store does not answer; the last known settings stay in force. {error}"
            self._quiet.log(_log, logging.WARNING, "read", text)
        elif reachable and not self._reachable:
            self._quiet.log(_log, logging.INFO, "again", "The settings store answers again.")
        self._reachable = reachable
