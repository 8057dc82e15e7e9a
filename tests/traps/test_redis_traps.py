"""T1 to T5: what redis-py does by itself, shown first, and that the cache's store does not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from uuid import uuid4

import pytest
from redis import exceptions
from redis.asyncio import Connection, ConnectionPool, Redis, retry

from proxy.cache import redis as ours
from proxy.cache.redis import RedisStore
from proxy.cache.store import ABSENT, Failed, Found
from proxy.config.schema import Caching, Duration, Secret
from proxy.config.schema import Redis as RedisSection
from proxy.core.model import Entry, Key
from tests.servers.process import free_port
from tests.servers.valkey import Valkey

ENTRY = Entry(headers=(), encoding="identity", body=b"{}", ttl_ms=600_000, keep_ms=600_000)


def key(number: int = 0) -> Key:
    return Key(uid="prom", generation="1", digest=number.to_bytes(32, "big"))


@dataclass
class Broken:
    """A server on Redis' port that says one thing to each command, or nothing."""

    says: bytes | None
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                if self.says is not None:
                    writer.write(
                        self.says * max(1, data.count(b"\r\n*") + data.startswith(b"*"))
                    )  # a pipeline's commands
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()


@asynccontextmanager
async def broken(says: bytes | None) -> AsyncIterator[Broken]:
    server = Broken(says)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"redis://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()


@asynccontextmanager
async def store(url: str, faults: list[str] | None = None, *, timeout_ms: int = 60_000) -> AsyncIterator[RedisStore]:
    timeout = Duration(timeout_ms)
    caching = Caching(
        connection_timeout_ms=timeout,
        read_timeout_ms=timeout,
        write_timeout_ms=timeout,
        redis=RedisSection(url=Secret(url), prefix=f"trap-{uuid4().hex}"),
    )
    opened = RedisStore(caching, on_fault=lambda _, kind: faults.append(kind) if faults is not None else None)
    await opened.start()
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between redis-py's tries, which are only noted."""
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(retry, "sleep", note)
    return waits


async def test_t1_a_redis_that_is_down_is_tried_once(slept: list[float]) -> None:
    port = free_port()
    url = f"redis://127.0.0.1:{port}"
    async with Redis(port=port) as naive:
        with pytest.raises(exceptions.ConnectionError):
            await naive.get("a")
    assert len(slept) == 10
    assert sum(slept) > 1

    slept.clear()
    faults: list[str] = []
    async with store(url, faults) as cache:
        assert isinstance(await cache.get(key()), Failed)
        assert await cache.put(key(), ENTRY) is False
    assert (faults, slept) == (["connect", "connect"], [])


async def test_t2_a_redis_that_hangs_costs_one_short_wait(slept: list[float]) -> None:
    with Valkey() as server:
        faults: list[str] = []
        async with Redis(port=server.port, socket_timeout=0.05) as naive, store(server.url, faults) as patient:
            await naive.get("a")
            assert await patient.get(key()) is ABSENT
            server.pause()
            with pytest.raises(exceptions.TimeoutError):
                await naive.get("a")
            assert len(slept) == 10, "each after another time-out"

            slept.clear()
            async with store(server.url, faults, timeout_ms=50) as cache:
                assert isinstance(await cache.get(key()), Failed)
            assert (faults, slept) == (["timeout"], [])
            server.resume()
    assert Redis().connection_pool.connection_kwargs["socket_timeout"] == 5
    defaults = Caching()
    assert max(defaults.connection_timeout_ms, defaults.read_timeout_ms, defaults.write_timeout_ms) <= 250


async def test_t3_more_calls_than_connections_wait_instead_of_failing(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = ConnectionPool.from_url(valkey.url, max_connections=1)
    naive = Redis(connection_pool=pool)
    answers = await asyncio.gather(*(naive.get("a") for _ in range(50)), return_exceptions=True)
    assert any(isinstance(answer, exceptions.MaxConnectionsError) for answer in answers)
    await naive.aclose()
    await pool.disconnect()

    monkeypatch.setattr(ours, "_WAIT_SECONDS", 60)  # a busy machine is not what this is about
    async with store(valkey.url) as cache:
        assert await asyncio.gather(*(cache.get(key(number)) for number in range(500))) == [ABSENT] * 500


async def test_t3_nobody_waits_long_for_a_connection() -> None:
    async with broken(None) as server:
        faults: list[str] = []
        async with store(server.url, faults, timeout_ms=1000) as cache:
            found = await asyncio.gather(*(cache.get(key(number)) for number in range(100)))
        assert all(isinstance(one, Failed) for one in found)
        assert faults.count("pool") == 100 - 64


FAULTS: dict[str, tuple[bytes, type[Exception]]] = {
    "garbage": (b"\x00garbage\r\n", exceptions.InvalidResponse),
    "memory": (b"-OOM command not allowed when used memory > 'maxmemory'.\r\n", exceptions.OutOfMemoryError),
    "replica": (b"-READONLY You can't write against a read only replica.\r\n", exceptions.ReadOnlyError),
    "permission": (b"-NOPERM this user has no permissions\r\n", exceptions.NoPermissionError),
    "password": (b"-NOAUTH Authentication required.\r\n", exceptions.AuthenticationError),
    "loading": (b"-LOADING Redis is loading the dataset in memory\r\n", exceptions.BusyLoadingError),
    "another protocol": (b"HTTP/1.1 400 Bad Request\r\n\r\n", exceptions.InvalidResponse),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_t4_whatever_redis_says_is_a_miss(name: str, slept: list[float]) -> None:
    says, error = FAULTS[name]
    async with broken(says) as server:
        async with Redis.from_url(server.url, protocol=2) as naive:
            with pytest.raises(error) as caught:
                await naive.set("a", "b")
        assert not isinstance(caught.value, OSError), "whoever catches what a socket raises catches none of them"
        async with store(server.url) as cache:
            for _ in range(3):
                assert isinstance(await cache.get(key()), Failed)
                assert await cache.put(key(), ENTRY) is False
            assert await cache.sweep({}) is False


async def test_t4_a_full_redis_and_a_replica_still_answer_reads(own_redis_server: Valkey) -> None:
    faults: list[str] = []
    admin = Redis.from_url(own_redis_server.url)
    break_it: list[tuple[Callable[[], object], Callable[[], object], str]] = [
        (lambda: admin.config_set("maxmemory", "1"), lambda: admin.config_set("maxmemory", "0"), "oom"),
        (lambda: admin.replicaof("127.0.0.1", "1"), lambda: admin.replicaof("NO", "ONE"), "readonly"),
    ]
    async with store(own_redis_server.url, faults) as cache:
        assert await cache.put(key(), ENTRY)
        for make, mend, kind in break_it:
            await make()  # type: ignore[misc]  # redis-py's own types promise both sync and async results
            for _ in range(10):
                with pytest.raises(exceptions.ResponseError) as caught:
                    await admin.set("a", "b")
                assert not isinstance(caught.value, exceptions.ConnectionError | ConnectionError)
                assert await cache.put(key(1), ENTRY) is False
                assert isinstance(await cache.get(key()), Found)
            await mend()  # type: ignore[misc]  # as above
            assert faults == [kind] * 10
            faults.clear()
            assert await cache.put(key(1), ENTRY)
    await admin.aclose()


async def test_t5_a_cancelled_read_leaves_its_answer_to_nobody(valkey: Valkey) -> None:
    names = [f"t5-{uuid4().hex}" for _ in range(2)]
    admin = Redis.from_url(valkey.url)
    for name in names:
        await admin.set(name, name, ex=60)
    # What redis-py did before 4.5.4: the next command on the connection reads the answer of the cancelled one.
    connection = Connection(port=valkey.port)
    await connection.connect()  # type: ignore[no-untyped-call]  # has no annotations
    for name in names:
        await connection.send_command("GET", name)
    assert (await connection.read_response()).decode() == names[0]
    await connection.disconnect()

    async with store(valkey.url) as cache:
        entries = [replace(ENTRY, body=b"%d" % number) for number in range(100)]
        for number, entry in enumerate(entries):
            assert await cache.put(key(number), entry)
        for turns in range(300):
            asked = [asyncio.create_task(cache.get(key((turns + number) % 100))) for number in range(4)]
            for _ in range(turns % 7):
                await asyncio.sleep(0)
            for task in asked[::2]:
                task.cancel()
            for number, found in enumerate(await asyncio.gather(*asked, return_exceptions=True)):
                if isinstance(found, asyncio.CancelledError):
                    continue
                assert isinstance(found, Found)
                assert found.entry.body == b"%d" % ((turns + number) % 100)
        for number, entry in enumerate(entries):
            found = await cache.get(key(number))
            assert isinstance(found, Found)
            assert found.entry == entry
    await admin.delete(*names)
    await admin.aclose()
