"""What only the store in Redis has: a server that fails, hangs, lies or wakes up late."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from redis.asyncio import Redis as Client

from proxy.cache import redis as redis_store
from proxy.cache.redis import RedisStore
from proxy.cache.store import ABSENT, Failed, Found
from proxy.config.schema import Caching, Duration, Redis, Secret
from proxy.core.model import Entry, Key

from ..servers.line import Line
from ..servers.process import free_port
from ..servers.valkey import Valkey

KEY = Key(uid="prom", generation="g", digest=bytes(32))
ENTRY = Entry(headers=(), encoding="identity", body=b"body", ttl_ms=60_000, keep_ms=60_000)
PATIENT = 10_000
"""Milliseconds: longer than any pause of a busy machine."""


@pytest.fixture
def server() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server


@asynccontextmanager
async def opened(
    port: int, faults: list[tuple[str, str]], *, timeout_ms: int = PATIENT, max_value_mb: float = 16
) -> AsyncIterator[RedisStore]:
    timeout = Duration(timeout_ms)
    caching = Caching(
        connection_timeout_ms=timeout,
        read_timeout_ms=timeout,
        write_timeout_ms=timeout,
        max_value_mb=max_value_mb,
        redis=Redis(url=Secret(f"redis://127.0.0.1:{port}")),
    )
    store = RedisStore(caching, on_fault=lambda operation, kind: faults.append((operation, kind)))
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture(autouse=True)
def _impatient_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_store, "_PROBE_SECONDS", 0.01)


async def closed(store: RedisStore) -> None:
    async with asyncio.timeout(20):
        while store.degraded:
            await asyncio.sleep(0.005)


async def test_five_failures_open_the_breaker_and_no_call_finds_out_whether_it_is_back() -> None:
    faults: list[tuple[str, str]] = []
    server = Valkey()
    async with opened(server.port, faults) as store:
        assert [await store.get(KEY) for _ in range(7)] == [Failed("connect")] * 5 + [Failed("open")] * 2
        assert not await store.put(KEY, ENTRY)
        assert store.degraded
        while ("probe", "connect") not in faults:
            await asyncio.sleep(0.001)
        assert [fault for fault in faults if fault[0] != "probe"] == [("get", "connect")] * 5
        with server:
            await closed(store)
            assert await store.get(KEY) == ABSENT
            assert await store.put(KEY, ENTRY)


async def test_a_refused_write_is_told_until_one_goes_through(server: Valkey) -> None:
    faults: list[tuple[str, str]] = []
    async with opened(server.port, faults) as store, Client(port=server.port) as client:
        assert await store.put(KEY, ENTRY)
        await client.config_set("maxmemory", "1")
        for _ in range(20):
            assert not await store.put(KEY, ENTRY)
            assert isinstance(await store.get(KEY), Found)
            assert store.degraded
        assert faults == [("put", "oom")] * 20
        await client.config_set("maxmemory", "0")
        assert await store.put(KEY, ENTRY)
        assert not store.degraded


async def test_one_line_is_logged_for_a_kind_however_often_it_happens(caplog: pytest.LogCaptureFixture) -> None:
    faults: list[tuple[str, str]] = []
    async with opened(free_port(), faults) as store:
        for _ in range(5):
            await store.get(KEY)
        while len(faults) < 30:
            await asyncio.sleep(0.001)
    told = [(record.message, record.__dict__.get("operation"), record.__dict__["kind"]) for record in caplog.records]
    assert told == [
        ("Redis failed", "get", "connect"),
        ("Redis fails and is left alone: answers come from the sources", None, "connect"),
        ("Redis failed", "probe", "connect"),
    ]


async def test_a_look_up_that_is_given_up_ends_behind_its_back_and_warms_the_connection(server: Valkey) -> None:
    """R-04: 300 ms are too long for a look-up; the answers that come then are nobody's."""
    faults: list[tuple[str, str]] = []
    async with Line(free_port(), server.port) as line, opened(line.port, faults, timeout_ms=250) as store:
        line.delay_seconds = 0.3
        assert await store.get(KEY) == Failed("timeout")
        line.delay_seconds = 0.0
        await asyncio.wait(store._running)
        keys = [replace(KEY, digest=bytes([number]) * 32) for number in range(20)]
        for key in keys:
            while not await store.put(key, replace(ENTRY, body=key.digest)):
                pass
        for key in keys:
            found = await store.get(key)
            while not isinstance(found, Found):
                found = await store.get(key)
            assert found.entry.body == key.digest


@pytest.mark.parametrize(
    "noise",
    [
        b"\x00\xff garbage\r\n",
        b"$-5\r\n",
        b"*99999999999999999999\r\n",
        b"+OK\r\n+OK\r\n",
        b"$4\r\nbo",
        b":1\r\n:1\r\n",
    ],
    ids=["bytes", "length", "count", "other", "cut", "numbers"],
)
async def test_noise_instead_of_an_answer_is_a_miss(server: Valkey, noise: bytes) -> None:
    faults: list[tuple[str, str]] = []
    async with Line(free_port(), server.port) as line, opened(line.port, faults, timeout_ms=250) as store:
        line.noise = noise
        for _ in range(6):
            assert isinstance(await store.get(KEY), Failed) or await store.get(KEY) == ABSENT
        assert faults
        line.noise = None
        await closed(store)
        while not await store.put(KEY, ENTRY):
            await asyncio.sleep(0.01)
        assert isinstance(await store.get(KEY), Found)


async def test_callers_that_leave_get_nobody_elses_answer(server: Valkey) -> None:
    """R-16, at every turn of the event loop that a look-up takes."""
    faults: list[tuple[str, str]] = []
    keys = [replace(KEY, digest=bytes([number]) * 32) for number in range(50)]
    async with opened(server.port, faults) as store:
        for key in keys:
            assert await store.put(key, replace(ENTRY, body=key.digest))
        for number in range(1_000):
            task = asyncio.create_task(store.get(keys[number % 50]))
            for _ in range(number % 12):
                await asyncio.sleep(0)
            task.cancel()
            key = keys[(number + 7) % 50]
            found = await store.get(key)
            assert isinstance(found, Found)
            assert found.entry.body == key.digest
    assert faults == []


async def test_a_write_that_is_carried_out_late_makes_no_answer_young_again(server: Valkey) -> None:
    """R-03: it waits in the socket of a Redis that hangs, whose caller has long given up."""
    faults: list[tuple[str, str]] = []
    async with Line(free_port(), server.port) as line, opened(line.port, faults) as store:
        line.held = b"PXAT"
        writing = asyncio.create_task(store.put(KEY, replace(ENTRY, ttl_ms=300, keep_ms=300)))
        await line.holding.wait()
        await asyncio.sleep(0.3)  # its time is over
        line.released.set()
        assert await writing
        assert await store.get(KEY) == ABSENT


async def test_a_clock_that_was_set_back_makes_nothing_live_longer(server: Valkey) -> None:
    """R-59: by Redis' own clock more is left than the entry was ever given."""
    faults: list[tuple[str, str]] = []
    async with opened(server.port, faults) as store, Client(port=server.port) as client:
        assert await store.put(KEY, ENTRY)
        assert await client.pexpire(store._name(KEY), ENTRY.keep_ms + 3_600_000)
        assert await store.get(KEY) == ABSENT
        assert await client.pexpire(store._name(KEY), ENTRY.keep_ms - 30_000)
        found = await store.get(KEY)
        assert isinstance(found, Found)
        assert 30_000 <= found.age_ms < 60_000


async def test_of_a_value_that_is_too_long_no_more_is_read_than_one_of_ours_may_have(server: Valkey) -> None:
    faults: list[tuple[str, str]] = []
    async with opened(server.port, faults, max_value_mb=1) as store, Client(port=server.port) as client:
        await client.set(store._name(KEY), b"MP" * 20_000_000, px=60_000)
        before = (await client.info("stats"))["total_net_output_bytes"]
        assert await store.get(KEY) == ABSENT
        assert (await client.info("stats"))["total_net_output_bytes"] - before < 3_000_000
        assert faults == [("get", "value")]
