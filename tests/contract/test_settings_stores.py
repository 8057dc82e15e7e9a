"""What every settings store promises, over SQLite and over a real Valkey."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from proxy.config.schema import Caching, Redis, Secret
from proxy.errors import SettingsNotDurable
from proxy.settings.contents import Contents
from proxy.settings.file import FileSettings
from proxy.settings.model import CacheConfig, Record
from proxy.settings.redis import RedisSettings
from proxy.settings.store import SettingsStore

from ..servers.valkey import Valkey

RECORD = Record(
    uid="a",
    id=1,
    generation="0190000000000aa",
    created="2026-01-01T00:00:00+00:00",
    updated="2026-01-02T00:00:00+00:00",
    revision=3,
    changed=CacheConfig(enabled=True, use_default_ttl=False, ttl_queries_ms=60_000, ttl_resources_ms=0),
)
UNCHANGED = replace(RECORD, uid="b", id=2, changed=None)


@pytest.fixture(params=["file", "redis"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], SettingsStore]:
    """Makes stores that share their contents, as processes do."""
    if request.param == "file":
        return lambda: FileSettings(tmp_path / "data")
    valkey: Valkey = request.getfixturevalue("valkey")
    caching = Caching(redis=Redis(url=Secret(valkey.url), prefix=f"test-{uuid4().hex}"))
    return lambda: RedisSettings(caching)


@pytest.fixture
async def stores(make: Callable[[], SettingsStore]) -> AsyncIterator[tuple[SettingsStore, SettingsStore]]:
    async with AsyncExitStack() as stack:
        pair = make(), make()
        for store in pair:
            await store.start()
            stack.push_async_callback(store.close)
        yield pair


Two = tuple[SettingsStore, SettingsStore]


def put(*records: Record, generation: str = "g1") -> Callable[[Contents], Contents]:
    def edit(old: Contents) -> Contents:
        new = {record.uid: record for record in records}
        return replace(old, generation=generation, records={**old.records, **new})

    return edit


async def test_a_new_store_is_empty(stores: Two) -> None:
    assert await stores[0].load() == Contents()
    assert await stores[0].version() == ""


async def test_what_is_written_is_read_whole_by_every_process(stores: Two) -> None:
    written = await stores[0].change(put(RECORD, UNCHANGED))
    assert written.records == {"a": RECORD, "b": UNCHANGED}
    assert await stores[1].load() == await stores[0].load() == written
    assert await stores[1].version() == written.version != ""


async def test_every_change_has_a_version_of_its_own(stores: Two) -> None:
    versions = {
        (await stores[n % 2].change(put(replace(RECORD, revision=n), generation=f"g{n}"))).version for n in range(10)
    }
    assert len(versions) == 10


async def test_an_edit_that_changes_nothing_writes_nothing(stores: Two) -> None:
    first = await stores[0].change(put(RECORD))
    assert await stores[1].change(lambda contents: contents) == first
    assert await stores[1].change(put(RECORD)) == first


async def test_an_edit_that_raises_changes_nothing(stores: Two) -> None:
    before = await stores[0].change(put(RECORD))

    def edit(_: Contents) -> Contents:
        raise SettingsNotDurable("not now")

    with pytest.raises(SettingsNotDurable, match="not now"):
        await stores[0].change(edit)
    assert await stores[0].load() == before
    assert (await stores[0].change(put(UNCHANGED))).records == {"a": RECORD, "b": UNCHANGED}


async def test_concurrent_changes_from_two_processes_are_all_there(stores: Two) -> None:
    def count(old: Contents) -> Contents:
        record = old.records.get("a", replace(RECORD, revision=0))
        return replace(old, records={"a": replace(record, revision=record.revision + 1)})

    await asyncio.gather(*(stores[n % 2].change(count) for n in range(40)))
    assert (await stores[1].load()).records["a"].revision == 40


async def test_contents_survive_a_restart(make: Callable[[], SettingsStore]) -> None:
    first = make()
    await first.start()
    written = await first.change(put(RECORD))
    await first.close()
    second = make()
    await second.start()
    assert await second.load() == written
    await second.close()
