"""What every cache store promises, over this process's memory and over real Valkey and Redis servers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from uuid import uuid4

import pytest
from redis.asyncio import Redis as Client

from proxy.cache.memory import MemoryStore
from proxy.cache.redis import RedisStore
from proxy.cache.store import ABSENT, Found, Store
from proxy.config.schema import Caching, Duration, Redis, Secret
from proxy.core.model import Entry, Key

from ..servers.valkey import Valkey

MIB = 1024 * 1024
KEY = Key(uid="prom", generation="0190000000000aa", digest=b"\x00\xff*?[]" + b"d" * 26)
ENTRY = Entry(
    headers=(("Content-Type", "application/json"),),
    encoding="identity",
    body=b'{"status":"success"}',
    ttl_ms=60_000,
    keep_ms=120_000,
    fetch_ms=17,
)


@dataclass
class Bench:
    """A store, and how time passes for it."""

    store: Store
    pass_ms: Callable[[int], Awaitable[None]]


def redis_caching(url: str, prefix: str) -> Caching:
    patient = Duration(10_000)  # a busy machine is not what these tests are about
    return Caching(
        read_timeout_ms=patient,
        write_timeout_ms=patient,
        connection_timeout_ms=patient,
        redis=Redis(url=Secret(url), prefix=prefix),
    )


@pytest.fixture
def prefix() -> str:
    """With glob characters, which must not be a pattern."""
    return f"t[e]st*?\\^-{uuid4().hex}"


async def wait_ms(duration_ms: int) -> None:
    """Redis has no clock to turn."""
    await asyncio.sleep(duration_ms / 1000)


@asynccontextmanager
async def redis_bench(url: str, prefix: str) -> AsyncIterator[Bench]:
    faults: list[tuple[str, str]] = []
    store = RedisStore(redis_caching(url, prefix), on_fault=lambda operation, kind: faults.append((operation, kind)))
    await store.start()
    yield Bench(store, wait_ms)
    await store.close()
    assert faults == []


@asynccontextmanager
async def memory_bench() -> AsyncIterator[Bench]:
    now = [1000.0]

    async def pass_ms(duration_ms: int) -> None:
        now[0] += duration_ms / 1000

    store = MemoryStore(max_size_bytes=64 * MIB, max_value_bytes=16 * MIB, clock=lambda: now[0])
    await store.start()
    yield Bench(store, pass_ms)
    await store.close()


@pytest.fixture(params=["memory", "valkey", "redis"])
async def bench(request: pytest.FixtureRequest, prefix: str) -> AsyncIterator[Bench]:
    if request.param == "memory":
        opened = memory_bench()
    else:
        opened = redis_bench(request.getfixturevalue(request.param).url, prefix)
    async with opened as bench:
        yield bench


@pytest.fixture
def store(bench: Bench) -> Store:
    return bench.store


def entries() -> list[Entry]:
    return [
        ENTRY,
        replace(ENTRY, headers=()),
        replace(ENTRY, headers=(("X-Name", "Zürich – 東京"), ("x-name", ""), ("X-Name", "again"))),
        replace(ENTRY, headers=(("X-Latin", b"Z\xfcrich".decode("utf-8", "surrogateescape")),)),
        replace(ENTRY, body=b""),
        replace(ENTRY, body=bytes(range(256)), encoding="gzip", fetch_ms=0),
        replace(ENTRY, body=b"0123456789" * MIB),
        replace(ENTRY, ttl_ms=0, keep_ms=2**40),
    ]


@pytest.mark.parametrize(
    "entry", entries(), ids=["plain", "bare", "non-ascii", "no-utf-8", "empty", "gzip", "10MiB", "far"]
)
async def test_what_was_put_is_found(store: Store, entry: Entry) -> None:
    assert await store.put(KEY, entry)
    found = await store.get(KEY)
    assert isinstance(found, Found)
    assert found.entry == entry
    assert 0 <= found.age_ms < 60_000


async def test_the_last_one_put_is_found(store: Store) -> None:
    assert await store.put(KEY, ENTRY)
    assert await store.put(KEY, replace(ENTRY, body=b"newer"))
    found = await store.get(KEY)
    assert isinstance(found, Found)
    assert found.entry.body == b"newer"


OTHERS = [
    replace(KEY, digest=KEY.digest[:-1] + b"e"),
    replace(KEY, generation="0190000000000ab"),
    replace(KEY, uid="prom2"),
    replace(KEY, uid="pro"),
    replace(KEY, uid="Prom"),
]


@pytest.mark.parametrize("other", OTHERS, ids=["digest", "generation", "longer-uid", "shorter-uid", "case"])
async def test_another_key_is_absent(store: Store, other: Key) -> None:
    assert await store.get(KEY) == ABSENT
    assert await store.put(KEY, ENTRY)
    assert await store.get(other) == ABSENT


async def test_an_entry_expires(bench: Bench) -> None:
    assert await bench.store.put(KEY, replace(ENTRY, keep_ms=50))
    assert await bench.store.put(OTHERS[0], ENTRY)
    await bench.pass_ms(51)
    async with asyncio.timeout(10):  # a server may reckon its expiries a little later
        while await bench.store.get(KEY) != ABSENT:
            await bench.pass_ms(5)
    assert isinstance(await bench.store.get(OTHERS[0]), Found)


async def test_the_age_grows(bench: Bench) -> None:
    assert await bench.store.put(KEY, ENTRY)
    first = await bench.store.get(KEY)
    await bench.pass_ms(30)
    second = await bench.store.get(KEY)
    assert isinstance(first, Found)
    assert isinstance(second, Found)
    assert 25 <= second.age_ms - first.age_ms < 60_000  # 30, and what was rounded


async def test_a_rewritten_entry_is_young_again(bench: Bench) -> None:
    assert await bench.store.put(KEY, ENTRY)
    await bench.pass_ms(40)
    old = await bench.store.get(KEY)
    assert await bench.store.put(KEY, ENTRY)
    new = await bench.store.get(KEY)
    assert isinstance(old, Found)
    assert isinstance(new, Found)
    assert old.age_ms >= 35
    assert new.age_ms < 60_000


SCOPES = [
    Key(uid=uid, generation=generation, digest=digest * 32)
    for uid in ("prom", "prom2", "pro", "Prom", "p-_m")
    for generation in ("g1", "g2")
    for digest in (b"a", b"b")
]


async def kept(store: Store) -> set[Key]:
    return {key for key in SCOPES if isinstance(await store.get(key), Found)}


async def test_a_sweep_leaves_the_generations_in_force_and_nothing_else(store: Store) -> None:
    for key in SCOPES:
        assert await store.put(key, ENTRY)
    in_force = {"prom": "g2", "prom2": "g1", "pro": "g3", "p-_m": "g"}
    assert await store.sweep(in_force)
    left = {key for key in SCOPES if in_force.get(key.uid) == key.generation}
    assert {key.uid for key in left} == {"prom", "prom2"}
    assert await kept(store) == left
    assert await store.sweep(in_force)
    assert await kept(store) == left
    assert await store.sweep({})
    assert await kept(store) == set()
    assert await store.put(KEY, ENTRY)
    assert isinstance(await store.get(KEY), Found)


async def test_a_sweep_of_more_than_one_batch(store: Store) -> None:
    keys = [replace(KEY, digest=number.to_bytes(32, "big")) for number in range(2_500)]
    for batch in range(0, len(keys), 50):  # more at once than connections may be refused
        assert all(await asyncio.gather(*(store.put(key, ENTRY) for key in keys[batch : batch + 50])))
    assert await store.sweep({KEY.uid: "next"})
    assert [key for key in keys if await store.get(key) != ABSENT] == []


async def test_a_sweep_takes_what_was_on_its_way_when_it_began(store: Store) -> None:
    keys = [replace(KEY, digest=number.to_bytes(32, "big")) for number in range(40)]
    putting = [asyncio.create_task(store.put(key, replace(ENTRY, body=bytes(MIB // 4)))) for key in keys]
    await asyncio.sleep(0)  # each has begun
    assert await store.sweep({KEY.uid: "next"})
    await asyncio.gather(*putting)
    assert [key for key in keys if await store.get(key) != ABSENT] == []


async def test_two_at_once_get_their_own(store: Store) -> None:
    keys = [replace(KEY, digest=number.to_bytes(32, "big")) for number in range(60)]
    for key in keys:
        assert await store.put(key, replace(ENTRY, body=key.digest))
    for key, found in zip(keys, await asyncio.gather(*(store.get(key) for key in keys)), strict=True):
        assert isinstance(found, Found)
        assert found.entry.body == key.digest


async def names(client: Client) -> set[bytes]:
    return {name if isinstance(name, bytes) else name.encode() for name in await client.keys("*")}


async def test_in_redis_every_key_is_under_our_prefix_and_expires(redis_server: Valkey, prefix: str) -> None:
    async with Client.from_url(redis_server.url) as client, redis_bench(redis_server.url, prefix) as bench:
        before = await names(client)
        for key in SCOPES:
            assert await bench.store.put(key, replace(ENTRY, keep_ms=77_000))
        ours = await names(client) - before
        assert len(ours) == len(SCOPES)
        assert {name for name in ours if not name.decode().startswith(f"{prefix}:")} == set()
        for name in ours:
            assert 0 < await client.pttl(name) <= 77_000
        await bench.store.sweep({})


async def test_in_redis_what_is_not_ours_survives(redis_server: Valkey, prefix: str) -> None:
    """Also what a prefix taken for a pattern would match, another replica group's keys, those of one whose prefix begins
    with ours and a colon, and our own settings."""
    twin = prefix.replace("[e]", "e").replace("*", "anything").replace("?", "x").replace("\\", "")
    digest = "00" * 32
    foreign = [
        *(f"{twin}:c:prom:g1:{digest}", f"{prefix}x:c:prom:g1:{digest}", f"x{prefix}:c:prom:g1:{digest}"),
        *(f"{prefix}:s:settings", prefix, f"{prefix}:c", f"{prefix}:c:"),
        *(f"{prefix}:c:s:settings", f"{prefix}:c:c:prom:g1:{digest}"),
    ]
    async with Client.from_url(redis_server.url) as client, redis_bench(redis_server.url, prefix) as bench:
        for name in foreign:
            await client.set(name, b"theirs")
        for key in SCOPES:
            assert await bench.store.put(key, ENTRY)
        assert await bench.store.sweep({"prom": "g1"})
        assert await bench.store.sweep({})
        assert await kept(bench.store) == set()
        assert [await client.get(name) for name in foreign] == [b"theirs"] * len(foreign)
        await client.delete(*foreign)
