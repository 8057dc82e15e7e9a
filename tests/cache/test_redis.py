"""What only the store in Redis has: a server that fails, hangs, lies or wakes up late."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from redis.asyncio import Redis as Client

from proxy.cache import redis as redis_store
from proxy.cache import wire
from proxy.cache.redis import RedisStore
from proxy.cache.store import ABSENT, ANY, Absent, Failed, Found, Lookup, Version
from proxy.config.schema import Caching, Duration, Redis, Secret
from proxy.core.model import Entry, Key

from ..servers.line import Line
from ..servers.process import free_port
from ..servers.valkey import Cluster, Valkey

KEY = Key(uid="prom", generation="g", digest=bytes(32))
ENTRY = Entry(headers=(), encoding="identity", body=b"body", ttl_ms=60_000, keep_ms=60_000)
OTHER = replace(KEY, digest=b"o" * 32)
VERSION = wire.encode(KEY, ENTRY)[: wire.HEAD_BYTES]
PATIENT = 10_000
"""Milliseconds: longer than any pause of a busy machine."""


@pytest.fixture
def server() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server


@asynccontextmanager
async def opened(
    port: int,
    faults: list[tuple[str, str]],
    *,
    timeout_ms: int = PATIENT,
    max_value_mb: float = 16,
    user: str = "",
    cluster: str = "",
) -> AsyncIterator[RedisStore]:
    timeout = Duration(timeout_ms)
    caching = Caching(
        connection_timeout_ms=timeout,
        read_timeout_ms=timeout,
        write_timeout_ms=timeout,
        max_value_mb=max_value_mb,
        redis=Redis(url=Secret(f"redis://{user}127.0.0.1:{port}"), cluster=cluster),
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


Ask = Callable[[RedisStore], Awaitable[object]]


def over(version: Version | None) -> Ask:
    return lambda store: store.put(KEY, ENTRY, over=version)


FAILING: dict[str, tuple[Ask, str, Callable[[str], object]]] = {
    "get": (lambda store: store.get(KEY), "get", Failed),
    "get many": (lambda store: store.get_many([KEY, OTHER, KEY]), "get", lambda kind: [Failed(kind)] * 3),
    "put": (over(ANY), "put", lambda kind: False),
    "put over nothing": (over(None), "put", lambda kind: False),
    "put over a version": (over(VERSION), "put", lambda kind: False),
}
CALLS = pytest.mark.parametrize(("ask", "operation", "failed"), FAILING.values(), ids=FAILING.keys())


@CALLS
async def test_every_call_fails_at_a_redis_that_is_killed(
    ask: Ask, operation: str, failed: Callable[[str], object]
) -> None:
    faults: list[tuple[str, str]] = []
    server = Valkey()
    async with opened(server.port, faults) as store:
        for _ in range(5):
            assert await ask(store) == failed("connect")
        assert [fault for fault in faults if fault[0] != "probe"] == [(operation, "connect")] * 5
        for other, _, left_alone in FAILING.values():
            assert await other(store) == left_alone("open")
        with server:
            await closed(store)
            assert await store.put(KEY, ENTRY, over=None)
            assert [type(found) for found in await store.get_many([KEY, OTHER])] == [Found, Absent]


@CALLS
async def test_every_call_gives_up_a_redis_that_hangs(
    server: Valkey, ask: Ask, operation: str, failed: Callable[[str], object]
) -> None:
    faults: list[tuple[str, str]] = []
    async with opened(server.port, faults, timeout_ms=250) as store:
        await store.get(KEY)
        server.pause()
        faults.clear()
        try:
            assert await ask(store) == failed("timeout")
            assert faults == [(operation, "timeout")]
        finally:
            server.resume()
        while isinstance(await store.get(KEY), Failed):
            await asyncio.sleep(0.01)


async def test_one_value_of_another_kind_fails_a_look_up_of_many(server: Valkey) -> None:
    faults: list[tuple[str, str]] = []
    async with opened(server.port, faults) as store, Client(port=server.port) as client:
        assert await store.put(KEY, ENTRY)
        await client.execute_command("RPUSH", store._name(OTHER), "a")  # type: ignore[no-untyped-call]  # redis-py has no annotations there
        assert await store.get_many([KEY, OTHER]) == [Failed("refused")] * 2
        assert faults == [("get", "refused")]
        assert isinstance(await store.get(KEY), Found)
        assert await store.put(OTHER, ENTRY)
        assert [type(found) for found in await store.get_many([KEY, OTHER])] == [Found, Found]


async def test_a_user_without_scripts_writes_over_no_version(server: Valkey) -> None:
    server.ask("ACL", "SETUSER", "plain", "on", ">word", "~*", "+@all", "-eval")
    faults: list[tuple[str, str]] = []
    async with opened(server.port, faults, user="plain:word@") as store:
        assert not await store.put(KEY, ENTRY, over=None)
        assert faults == [("put", "denied")]
        assert await store.get(KEY) == ABSENT
        assert store.degraded
        assert await store.put(KEY, ENTRY)
        assert not store.degraded


UNREADABLE = {
    "garbage": b"x" * 5_000,
    "short": b"MP",
    "of another version": b"MP\x01" + bytes(200),
    "damaged": wire.encode(KEY, ENTRY)[:-1] + b"?",
    "of another key": wire.encode(OTHER, ENTRY),
}


@pytest.mark.parametrize("px", [60_000, None], ids=["expires", "stays"])
@pytest.mark.parametrize("value", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_what_cannot_be_read_is_written_over_by_who_has_seen_it(
    server: Valkey, value: bytes, px: int | None
) -> None:
    faults: list[tuple[str, str]] = []
    async with opened(server.port, faults) as store, Client(port=server.port) as client:
        await client.set(store._name(KEY), value, px=px)
        found = await store.get(KEY)
        assert found == ABSENT
        assert not isinstance(found, Failed)
        assert found.version is not None
        assert not await store.put(KEY, ENTRY, over=None)
        assert await store.put(KEY, ENTRY, over=found.version)
        assert isinstance(await store.get(KEY), Found)


@pytest.mark.parametrize("version", [ANY, VERSION], ids=["any", "version"])
async def test_a_refused_write_is_told_until_one_goes_through(
    own_redis_server: Valkey, version: Version | None
) -> None:
    server = own_redis_server
    faults: list[tuple[str, str]] = []
    async with opened(server.port, faults) as store, Client(port=server.port) as client:
        assert await store.put(KEY, ENTRY)
        await client.config_set("maxmemory", "1")
        for _ in range(20):
            assert not await store.put(KEY, ENTRY, over=version)
            assert isinstance(await store.get(KEY), Found)
            assert store.degraded
        assert faults == [("put", "oom")] * 20
        await client.config_set("maxmemory", "0")
        assert await store.put(KEY, ENTRY, over=version)
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
            assert not any(isinstance(found, Found) for found in await store.get_many([KEY, OTHER]))
            await store.put(KEY, ENTRY, over=None)  # what it says of it is as good as the noise
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
            some = [keys[(number + step) % 50] for step in range(3)]
            task = asyncio.ensure_future(store.get_many(some) if number % 2 else store.get(some[0]))
            for _ in range(number % 12):
                await asyncio.sleep(0)
            task.cancel()
            key = keys[(number + 7) % 50]
            found = await store.get(key)
            assert isinstance(found, Found)
            assert found.entry.body == key.digest
    assert faults == []


@pytest.mark.parametrize("version", [ANY, None, VERSION], ids=["any", "nothing", "version"])
async def test_a_write_that_is_carried_out_late_makes_no_answer_young_again(
    server: Valkey, version: Version | None
) -> None:
    """R-03: it waits in the socket of a Redis that hangs, whose caller has long given up."""
    faults: list[tuple[str, str]] = []
    async with Line(free_port(), server.port) as line, opened(line.port, faults) as store:
        if version == VERSION:
            assert await store.put(KEY, ENTRY)
        line.held = b"PXAT"
        writing = asyncio.create_task(store.put(KEY, replace(ENTRY, ttl_ms=300, keep_ms=300), over=version))
        await line.holding.wait()
        await asyncio.sleep(0.3)  # its time is over
        line.released.set()
        assert await writing
        assert await store.get(KEY) == ABSENT


async def test_a_write_that_is_carried_out_late_is_over_what_was_read_or_not_at_all(server: Valkey) -> None:
    faults: list[tuple[str, str]] = []
    newer = replace(ENTRY, body=b"newer")
    async with (
        Line(free_port(), server.port) as line,
        opened(line.port, faults) as slow,
        opened(server.port, faults) as quick,
    ):
        assert await quick.put(KEY, ENTRY)
        line.held = b"PXAT"
        writing = asyncio.create_task(slow.put(KEY, replace(ENTRY, body=b"late"), over=VERSION))
        await line.holding.wait()
        assert await quick.put(KEY, newer, over=VERSION)
        line.released.set()
        assert not await writing
        found = await quick.get(KEY)
        assert isinstance(found, Found)
        assert found.entry == newer
    assert faults == []


async def test_a_value_replaced_while_it_is_read_seems_older_and_not_younger(server: Valkey) -> None:
    """Its expiry is that of the one before, which had 20 of its 60 seconds left."""
    faults: list[tuple[str, str]] = []
    newer = replace(ENTRY, body=b"newer")
    async with (
        Line(free_port(), server.port) as line,
        opened(line.port, faults) as slow,
        opened(server.port, faults) as quick,
        Client(port=server.port) as client,
    ):
        assert await quick.put(KEY, ENTRY)
        assert await client.pexpire(quick._name(KEY), 20_000)
        line.held = b"GETRANGE"
        reading = asyncio.create_task(slow.get(KEY))
        await line.holding.wait()
        async with asyncio.timeout(20):
            while (await client.info("commandstats")).get("cmdstat_pttl", {"calls": 0})["calls"] == 0:
                await asyncio.sleep(0.001)
        assert await quick.put(KEY, newer)
        line.released.set()
        found = await reading
        assert isinstance(found, Found)
        assert found.entry == newer
        assert found.age_ms >= 40_000


async def test_large_values_are_packed_and_unpacked_beside_the_loop(
    server: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[bool] = []

    def note(function: Callable[..., object]) -> Callable[..., object]:
        def noted(*arguments: object) -> object:
            threads.append(threading.current_thread() is threading.main_thread())
            return function(*arguments)

        return noted

    monkeypatch.setattr(wire, "encode", note(wire.encode))
    monkeypatch.setattr(wire, "decode", note(wire.decode))
    small, large = replace(ENTRY, body=b"a" * 100_000), replace(ENTRY, body=b"a" * 2_000_000)
    faults: list[tuple[str, str]] = []
    async with opened(server.port, faults) as store:
        assert await store.put(KEY, small)
        assert await store.put(OTHER, large)
        await store.get(KEY)
        await store.get(OTHER)
        assert threads == [True, False, True, False]
        threads.clear()
        assert [type(found) for found in await store.get_many([KEY] * 4)] == [Found] * 4  # 400 kB together
        assert threads == [False] * 4


async def test_what_is_too_large_is_not_kept(server: Valkey) -> None:
    faults: list[tuple[str, str]] = []
    async with opened(server.port, faults, max_value_mb=1) as store:
        largest = replace(ENTRY, body=b"a" * 1024 * 1024)
        assert await store.put(KEY, largest)
        assert isinstance(await store.get(KEY), Found)
        assert not await store.put(KEY, replace(ENTRY, body=largest.body + b"a"))
        assert not await store.put(OTHER, replace(ENTRY, body=largest.body + b"a"), over=None)
    async with opened(server.port, faults, max_value_mb=0.5) as store:
        assert await store.get(KEY) == ABSENT
    assert faults == [("get", "value")]


async def test_a_cluster_that_lacks_a_master_fails_a_look_up_that_needs_it() -> None:
    faults: list[tuple[str, str]] = []
    keys = [replace(KEY, digest=bytes([number]) * 32) for number in range(30)]

    def whole(found: Sequence[Lookup]) -> bool:
        return not any(isinstance(one, Failed) for one in found)

    with Cluster() as cluster:
        async with opened(cluster.masters[0].port, faults, cluster=cluster.addresses) as store:
            for key in keys:
                assert await store.put(key, replace(ENTRY, body=key.digest), over=None)
            found = await store.get_many(keys)
            assert [one.entry.body for one in found if isinstance(one, Found)] == [key.digest for key in keys]
            cluster.masters[1].kill()
            found = await store.get_many(keys)
            assert len(found) == 30
            assert len(set(found)) == 1
            assert isinstance(found[0], Failed)
            kept = [await store.put(key, ENTRY, over=None) for key in keys]
            assert kept == [False] * 30
            cluster.masters[1].start()
            async with asyncio.timeout(60):
                while not whole(found := await store.get_many(keys)):
                    await asyncio.sleep(0.01)
            lost = [key for key, one in zip(keys, found, strict=True) if one == ABSENT]
            assert 0 < len(lost) < 30
            for key in lost:
                assert await store.put(key, ENTRY, over=None)


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
