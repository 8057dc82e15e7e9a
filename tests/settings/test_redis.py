"""What only a settings store in Redis has: clusters, garbage in its key, and no secret in what it says."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis as Client

from proxy.config.schema import Caching, Config, Redis, Secret, Source
from proxy.errors import SettingsNotDurable, SettingsUnreadable
from proxy.settings.book import Book
from proxy.settings.contents import Contents
from proxy.settings.model import CacheConfig
from proxy.settings.redis import RedisSettings

from ..servers.valkey import Valkey

CONFIG = Config(datasources=(Source(uid="a", url="http://localhost:9090"),))


@pytest.fixture
async def client() -> AsyncIterator[tuple[Caching, Client]]:
    with Valkey() as server:
        async with Client.from_url(server.url) as client:
            yield Caching(redis=Redis(url=Secret(server.url))), client


async def command(client: Client, *words: Any) -> Any:
    return await client.execute_command(*words)  # type: ignore[no-untyped-call]  # redis-py's own


@pytest.mark.parametrize(
    "spoil",
    [
        ("SET", "millpond:s:settings", "x"),
        ("HSET", "millpond:s:settings", "version", "1", "source:a", "{}"),
        ("HSET", "millpond:s:settings", "version", "1", "source:a", "garbage"),
        ("HSET", "millpond:s:settings", "version", "1", "source:a", b"\xff"),
    ],
)
async def test_what_cannot_be_read_is_told_and_not_overwritten(
    client: tuple[Caching, Client], spoil: tuple[Any, ...]
) -> None:
    caching, redis = client
    await command(redis, *spoil)
    before = await redis.dump("millpond:s:settings")
    store = RedisSettings(caching)
    with pytest.raises(SettingsUnreadable):
        await store.load()
    with pytest.raises(SettingsNotDurable):
        await store.change(lambda contents: contents)
    book = Book(RedisSettings(caching), CONFIG)
    await book.start()
    assert not book.reachable
    assert await redis.dump("millpond:s:settings") == before
    await book.close()
    await store.close()


async def test_a_failure_tells_no_secret() -> None:
    url = "redis://user:hunter2@127.0.0.1:1/0"
    store = RedisSettings(Caching(redis=Redis(url=Secret(url))))
    for call in (store.load(), store.version(), store.change(lambda contents: contents)):
        with pytest.raises((SettingsUnreadable, SettingsNotDurable)) as error:
            await call
        assert "hunter2" not in str(error.value)
        assert "127.0.0.1" not in str(error.value)
    await store.close()


async def test_a_redis_without_memory_refuses_a_change(client: tuple[Caching, Client]) -> None:
    caching, redis = client
    store = RedisSettings(caching)
    await redis.config_set("maxmemory", "1")
    with pytest.raises(SettingsNotDurable, match="nothing has changed"):
        await store.change(lambda _: Contents(generation="g"))
    assert await store.load() == Contents()
    await store.close()


async def test_a_late_write_is_refused_by_redis_own_clock(
    client: tuple[Caching, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    caching, redis = client
    store = RedisSettings(caching)
    monkeypatch.setattr("proxy.settings.redis._DEADLINE_MS", -1)
    with pytest.raises(SettingsNotDurable, match="in time"):
        await store.change(lambda _: Contents(generation="late"))
    assert await redis.keys("*") == []
    await store.close()


async def test_a_cluster_keeps_them_too() -> None:
    with Valkey("--cluster-enabled", "yes") as server:
        async with Client.from_url(server.url) as client:
            await command(client, "CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            async with asyncio.timeout(20):
                while "cluster_state:ok" not in str(await command(client, "CLUSTER", "INFO")):
                    await asyncio.sleep(0.02)
        caching = Caching(redis=Redis(cluster=f"127.0.0.1:{server.port}"))
        book = Book(RedisSettings(caching), CONFIG)
        await book.start()
        assert book.reachable
        await book.change("a", CacheConfig(enabled=True))
        await book.close()
        store = RedisSettings(caching)
        assert (await store.load()).records["a"].changed == CacheConfig(enabled=True)
        assert await store.version() != ""
        await store.close()
