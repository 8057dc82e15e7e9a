"""The book over its real stores: what is durable, what is in force, and what comes back."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from redis.asyncio import Redis as Client

from proxy.config.schema import Caching, Config, Duration, Grafana, Redis, Secret, Source, SourceCache
from proxy.errors import NotFound, SettingsNotDurable
from proxy.settings.book import Book
from proxy.settings.contents import Contents
from proxy.settings.file import FileSettings
from proxy.settings.model import CacheConfig
from proxy.settings.redis import RedisSettings
from proxy.settings.store import Edit, SettingsStore

from ..servers.valkey import Valkey

MINUTE = CacheConfig(enabled=True, use_default_ttl=False, ttl_queries_ms=60_000, ttl_resources_ms=5_000)


def config(*uids: str, url: str = "", prefix: str = "", ttl_ms: int = 300_000) -> Config:
    return Config(
        caching=Caching(ttl_ms=Duration(ttl_ms), redis=Redis(url=Secret(url), prefix=prefix)),
        datasources=tuple(
            Source(uid=uid, url="http://localhost:9090", cache=SourceCache(enabled=uid == "on")) for uid in uids
        ),
    )


@asynccontextmanager
async def opened(store: SettingsStore, config: Config, **options: Any) -> AsyncIterator[Book]:
    book = Book(store, config, **{"poll_seconds": 0.01} | options)
    try:
        await book.start()
        yield book
    finally:
        await book.close()


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server


async def test_a_new_book_has_the_files_first_values(tmp_path: Path) -> None:
    async with opened(FileSettings(tmp_path), config("on", "off")) as book:
        sources = book.snapshot.sources
        assert (sources["on"].config.enabled, sources["off"].config.enabled) == (True, False)
        assert (sources["on"].id, sources["off"].id) == (1, 2)
        assert sources["on"].created == sources["on"].updated


async def test_a_source_of_grafana_may_be_met_while_another_is_being_kept(tmp_path: Path) -> None:
    keeping, go_on = asyncio.Event(), asyncio.Event()
    go_on.set()

    class Slow(FileSettings):
        async def change(self, edit: Edit) -> Contents:
            contents = await super().change(edit)
            keeping.set()
            await go_on.wait()
            return contents

    def met(uid: str) -> Source:
        return Source(uid=uid, id=1, url="http://grafana:3000")

    settings = msgspec.structs.replace(config(), grafana=Grafana(url="http://grafana:3000"))
    async with opened(Slow(tmp_path), settings) as book:
        keeping.clear()
        go_on.clear()
        first = asyncio.ensure_future(book.add(met("1/p")))
        await keeping.wait()
        second = asyncio.ensure_future(book.add(met("2/p")))
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(first, second)
        assert book.snapshot.sources.keys() == {"1/p", "2/p"}


async def test_sources_of_grafana_are_added_and_kept_apart_by_organisation(tmp_path: Path) -> None:
    def met(uid: str, id_: int) -> Source:
        return Source(uid=uid, id=id_, url="http://grafana:3000", cache=SourceCache(enabled=True))

    settings = msgspec.structs.replace(config("p"), grafana=Grafana(url="http://grafana:3000"))
    async with opened(FileSettings(tmp_path), settings) as book:
        for source in (met("1/p", 1), met("2/p", 4)):
            await book.add(source)
        await book.set_enabled("2/p", False)
        snapshot = book.snapshot
        assert {uid: it.config.enabled for uid, it in snapshot.sources.items()} == {
            "p": False,
            "1/p": True,
            "2/p": False,
        }
        assert snapshot.find("p") is snapshot.find("1") is snapshot.sources["p"]
        assert snapshot.find("1/p") is snapshot.find("4") is None
        assert snapshot.find_in_org(2, "p") is snapshot.find_in_org(2, "4") is snapshot.sources["2/p"]
        assert snapshot.find_in_org(1, "4") is snapshot.find_in_org(3, "p") is None
        assert snapshot.sources["2/p"].own_uid == "p"
    async with opened(FileSettings(tmp_path), config("p")) as book:
        assert "2/p" not in book.snapshot.sources
        assert book.generations.keys() == {"p", "1/p", "2/p"}, "another replica may serve them"
    async with opened(FileSettings(tmp_path), settings) as book:
        assert book.snapshot.sources["2/p"] == snapshot.sources["2/p"]


async def test_two_replicas_do_not_write_a_recreated_sources_id_over_each_other(valkey: Valkey, tmp_path: Path) -> None:
    def met(id_: int) -> Source:
        return Source(uid="1/p", id=id_, url="http://grafana:3000")

    settings = config("a", url=valkey.url, prefix="p")
    settings = msgspec.structs.replace(settings, grafana=Grafana(url="http://grafana:3000"))
    async with (
        opened(RedisSettings(settings.caching), settings, poll_seconds=3600) as early,
        opened(RedisSettings(settings.caching), settings, poll_seconds=3600) as late,
    ):
        await early.add(met(7))
        await late.add(met(9))
        version = late._known.version
        for _ in range(2):
            await early.configure(settings)  # meets the store, as each poll does
            await late.configure(settings)
        assert early.snapshot.sources["1/p"].id == late.snapshot.sources["1/p"].id == 9
        assert early._known.version == late._known.version == version


async def test_a_change_is_in_force_and_survives_a_restart(tmp_path: Path) -> None:
    async with opened(FileSettings(tmp_path), config("a")) as book:
        version = book.snapshot.version
        assert await book.change("a", MINUTE) == book.snapshot.sources["a"]
        assert book.snapshot.sources["a"].config == MINUTE
        assert book.snapshot.version > version
        kept = book.snapshot.sources["a"]
    async with opened(FileSettings(tmp_path), config("a")) as book:
        assert book.snapshot.sources["a"] == kept


async def test_another_process_sees_every_change_and_generation(tmp_path: Path) -> None:
    async with (
        opened(FileSettings(tmp_path), config("a", "b")) as one,
        opened(FileSettings(tmp_path), config("a", "b")) as other,
    ):
        assert one.snapshot.sources == other.snapshot.sources
        await one.change("a", MINUTE)
        await one.move_generation()
        await one.move_generation("b")
        await eventually(lambda: other.snapshot.sources == one.snapshot.sources)
        await other.set_enabled("a", False)
        await eventually(lambda: not one.snapshot.sources["a"].config.enabled)


async def test_disabling_keeps_the_other_settings_and_moves_the_generation(tmp_path: Path) -> None:
    async with opened(FileSettings(tmp_path), config("a", "b")) as book:
        before = await book.change("a", MINUTE)
        other = book.snapshot.sources["b"]
        off = await book.set_enabled("a", False)
        on = await book.set_enabled("a", True)
        assert on.config == MINUTE
        assert before.generation != off.generation == on.generation
        assert book.snapshot.sources["b"] == other


async def test_moving_the_global_generation_moves_that_of_every_source(tmp_path: Path) -> None:
    async with opened(FileSettings(tmp_path), config("a", "b")) as book:
        before = book.snapshot.sources
        await book.move_generation()
        after = book.snapshot.sources
        assert all(before[uid].generation != after[uid].generation for uid in before)
        await book.move_generation("a")
        assert after["a"].generation != book.snapshot.sources["a"].generation
        assert after["b"] == book.snapshot.sources["b"]


async def test_several_generations_move_in_one_change(tmp_path: Path) -> None:
    async with opened(FileSettings(tmp_path), config("a", "b", "c")) as book:
        before, version = book.snapshot.sources, book.snapshot.version
        await book.move_generations(["a", "c"])
        after = book.snapshot.sources
        assert {uid for uid in before if before[uid].generation != after[uid].generation} == {"a", "c"}
        assert book.snapshot.version == version + 1
        with pytest.raises(NotFound):
            await book.move_generations(["a", "unknown"])
        await book.move_generations([])
        assert book.snapshot.sources == after


async def test_it_is_told_when_a_generation_has_moved_here_or_elsewhere(tmp_path: Path) -> None:
    moves: list[int] = []
    async with (
        opened(FileSettings(tmp_path), config("a", "b"), moved=lambda: moves.append(1)) as book,
        opened(FileSettings(tmp_path), config("a", "b")) as other,
    ):
        await book.change("a", MINUTE)
        await other.change("b", MINUTE)
        await eventually(lambda: book.snapshot.sources == other.snapshot.sources)
        await book.configure(config("a", "b", "c"))
        assert moves == []
        await other.move_generation("b")
        await eventually(lambda: book.snapshot.sources["b"] == other.snapshot.sources["b"])
        assert len(moves) == 1
        await book.set_enabled("a", False)
        await book.move_generation()
        assert len(moves) == 3


async def test_a_move_elsewhere_that_comes_along_with_a_change_here_is_told(tmp_path: Path) -> None:
    moves: list[int] = []
    async with (
        opened(FileSettings(tmp_path), config("a"), moved=lambda: moves.append(1), poll_seconds=3600) as book,
        opened(FileSettings(tmp_path), config("a")) as other,
    ):
        await other.move_generation()
        await book.change("a", MINUTE)
        assert len(moves) == 1


async def test_times_move_on_and_created_does_not(tmp_path: Path) -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    async with opened(FileSettings(tmp_path), config("a"), clock=lambda: now) as book:
        now += timedelta(hours=1)
        assert (await book.change("a", MINUTE)).updated == "2026-05-01T01:00:00+00:00"
        now -= timedelta(hours=2)
        settings = await book.set_enabled("a", False)
        assert settings.updated == "2026-05-01T01:00:00+00:00"
        assert settings.created == "2026-05-01T00:00:00+00:00"


async def test_a_reload_brings_sources_and_defaults_and_keeps_what_the_api_set(tmp_path: Path) -> None:
    async with opened(FileSettings(tmp_path), config("a", "b")) as book:
        await book.change("a", MINUTE)
        await book.configure(config("b", "c", ttl_ms=1_000))
        assert {uid: it.id for uid, it in book.snapshot.sources.items()} == {"b": 2, "c": 3}
        assert book.snapshot.sources["b"].ttl_queries_ms == 1_000
        with pytest.raises(NotFound):
            await book.change("a", MINUTE)
        await book.configure(config("a"))
        assert book.snapshot.sources["a"].config == MINUTE
        assert book.snapshot.sources["a"].id == 1


async def test_a_client_that_leaves_does_not_stop_its_change(tmp_path: Path) -> None:
    async with opened(FileSettings(tmp_path), config("a"), poll_seconds=3600) as book:
        task = asyncio.create_task(book.change("a", MINUTE))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(lambda: book.snapshot.sources["a"].config == MINUTE)


@pytest.mark.parametrize("unknown", ["", "b"])
async def test_a_source_that_is_not_configured_is_not_found(tmp_path: Path, unknown: str) -> None:
    async with opened(FileSettings(tmp_path), config("a")) as book:
        for call in (
            book.change(unknown, MINUTE),
            book.set_enabled(unknown, True),
            book.move_generation(unknown),
        ):
            with pytest.raises(NotFound, match="Data source not found"):
                await call


# With Redis


@pytest.fixture
def shared(valkey: Valkey) -> Config:
    return config("a", "on", url=valkey.url, prefix=f"test-{uuid4().hex}")


async def test_replicas_share_settings_without_a_data_directory(shared: Config) -> None:
    async with (
        opened(RedisSettings(shared.caching), shared) as one,
        opened(RedisSettings(shared.caching), shared) as other,
    ):
        assert one.snapshot.sources == other.snapshot.sources
        await one.change("a", MINUTE)
        await eventually(lambda: other.snapshot.sources == one.snapshot.sources)


async def test_every_key_is_under_the_prefix_and_without_expiry(valkey: Valkey, shared: Config) -> None:
    async with (
        opened(RedisSettings(shared.caching), shared) as book,
        Client.from_url(valkey.url) as client,
    ):
        await book.change("a", MINUTE)
        keys: list[Any] = await client.keys("*")
        assert keys
        assert all(key.startswith(f"{shared.caching.redis.prefix}:s:".encode()) for key in keys)
        assert [await client.pttl(key) for key in keys] == [-1] * len(keys)


async def test_an_emptied_redis_gets_everything_back(valkey: Valkey, shared: Config) -> None:
    store = RedisSettings(shared.caching)
    async with opened(store, shared) as book, Client.from_url(valkey.url) as client:
        await book.change("a", MINUTE)
        await book.move_generation()
        before = book.snapshot.sources
        await client.flushall()
        async with asyncio.timeout(10):
            while await store.version() == "":
                await asyncio.sleep(0.005)
        assert book.snapshot.sources == before
        async with opened(RedisSettings(shared.caching), shared) as other:
            assert other.snapshot.sources == before


async def test_a_restarted_replica_brings_back_what_redis_lost(valkey: Valkey, shared: Config, tmp_path: Path) -> None:
    async with opened(RedisSettings(shared.caching), shared, copy=FileSettings(tmp_path)) as book:
        await book.change("a", MINUTE)
        before = book.snapshot.sources
    valkey.kill()
    valkey.start()
    async with opened(RedisSettings(shared.caching), shared, copy=FileSettings(tmp_path)) as book:
        assert book.snapshot.sources == before
    async with opened(RedisSettings(shared.caching), shared) as other:
        assert other.snapshot.sources == before


async def test_a_redis_put_back_from_an_old_backup_revives_nothing(valkey: Valkey, shared: Config) -> None:
    key = f"{shared.caching.redis.prefix}:s:settings"
    async with opened(RedisSettings(shared.caching), shared) as book, Client.from_url(valkey.url) as client:
        await book.change("a", MINUTE)
        backup = await client.dump(key)
        assert backup is not None
        await book.set_enabled("a", False)
        await book.move_generation()
        before = book.snapshot.sources
        await client.restore(key, 0, backup, replace=True)
        old = await client.hget(key, "version")
        async with asyncio.timeout(10):
            while await client.hget(key, "version") == old:
                await asyncio.sleep(0.005)
        assert book.snapshot.sources == before
        async with opened(RedisSettings(shared.caching), shared) as other:
            assert other.snapshot.sources == before


async def test_while_redis_is_down_settings_stay_and_changes_are_refused(valkey: Valkey, shared: Config) -> None:
    failures: list[str] = []
    async with opened(RedisSettings(shared.caching), shared, failed=failures.append) as book:
        await book.change("a", MINUTE)
        before = book.snapshot
        assert failures == []
        valkey.kill()
        await eventually(lambda: not book.reachable)
        with pytest.raises(SettingsNotDurable, match="nothing has changed"):
            await book.set_enabled("a", False)
        with pytest.raises(SettingsNotDurable):
            await book.move_generation()
        assert book.snapshot.sources == before.sources
        assert set(failures) == {"read", "change"}
        valkey.start()
        await eventually(lambda: book.reachable)
        assert book.snapshot.sources == before.sources
        assert not (await book.set_enabled("a", False)).config.enabled


async def test_a_change_refused_by_a_hung_redis_does_not_happen_when_it_wakes(valkey: Valkey, shared: Config) -> None:
    store = RedisSettings(shared.caching)
    async with opened(store, shared) as book:
        before = book.snapshot.sources
        valkey.pause()
        try:
            with pytest.raises(SettingsNotDurable):
                await book.change("a", MINUTE)
        finally:
            valkey.resume()
        await eventually(lambda: book.reachable)
        assert book.snapshot.sources == before
        assert (await store.load()).records["a"].changed is None


async def test_redis_down_at_the_start_is_waited_for(valkey: Valkey, shared: Config) -> None:
    valkey.kill()
    async with opened(RedisSettings(shared.caching), shared) as book:
        assert not book.reachable
        assert book.snapshot.sources["on"].config.enabled
        valkey.start()
        async with opened(RedisSettings(shared.caching), shared) as other:
            await other.change("on", MINUTE)
            await eventually(lambda: book.snapshot.sources == other.snapshot.sources)


async def test_redis_down_at_the_start_the_copy_is_in_force(valkey: Valkey, shared: Config, tmp_path: Path) -> None:
    async with opened(RedisSettings(shared.caching), shared, copy=FileSettings(tmp_path)) as book:
        before = await book.change("a", MINUTE)
    valkey.kill()
    async with opened(RedisSettings(shared.caching), shared, copy=FileSettings(tmp_path)) as book:
        assert book.snapshot.sources["a"] == before


class Unwritable(FileSettings):
    """A data directory that turned read-only."""

    async def change(self, edit: Edit) -> Contents:
        raise SettingsNotDurable("read-only")


async def test_a_copy_that_cannot_be_written_stops_nothing(
    shared: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(RedisSettings(shared.caching), shared, copy=Unwritable(tmp_path)) as book:
        assert (await book.change("a", MINUTE)).config == MINUTE
    assert "out of date" in caplog.text


async def test_a_change_that_cannot_be_kept_is_told_in_the_log(
    shared: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[str] = []
    async with opened(FileSettings(tmp_path), shared, failed=failures.append) as book:
        monkeypatch.setattr(FileSettings, "change", Unwritable.change)
        for _ in range(3):
            with pytest.raises(SettingsNotDurable):
                await book.change("a", MINUTE)
    assert failures == ["change"] * 3
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [("WARNING", "read-only")]
