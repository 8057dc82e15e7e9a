"""What every cache store promises, over this process's memory and over real Valkey and Redis servers and a cluster."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from uuid import uuid4

import pytest
from redis.asyncio import Redis as Client

from proxy.cache.memory import MemoryStore
from proxy.cache.redis import RedisStore
from proxy.cache.store import ABSENT, ANY, Failed, Found, Store, Version
from proxy.config.schema import Caching, Duration, Redis, Secret
from proxy.core.model import Entry, Key

from ..servers.valkey import Cluster, Valkey

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


def redis_caching(url: str, prefix: str, cluster: str = "") -> Caching:
    patient = Duration(10_000)  # a busy machine is not what these tests are about
    return Caching(
        read_timeout_ms=patient,
        write_timeout_ms=patient,
        connection_timeout_ms=patient,
        redis=Redis(url=Secret(url), prefix=prefix, cluster=cluster),
    )


@pytest.fixture
def prefix() -> str:
    """With glob characters, which must not be a pattern."""
    return f"t[e]st*?\\^-{uuid4().hex}"


async def wait_ms(duration_ms: int) -> None:
    """Redis has no clock to turn."""
    await asyncio.sleep(duration_ms / 1000)


@asynccontextmanager
async def redis_bench(caching: Caching) -> AsyncIterator[Bench]:
    faults: list[tuple[str, str]] = []
    store = RedisStore(caching, on_fault=lambda operation, kind: faults.append((operation, kind)))
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


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster() as cluster:
        yield cluster


@pytest.fixture(params=["memory", "valkey", "redis", "cluster"])
async def bench(request: pytest.FixtureRequest, prefix: str) -> AsyncIterator[Bench]:
    match request.param:
        case "memory":
            opened = memory_bench()
        case "cluster":
            cluster: Cluster = request.getfixturevalue("cluster")
            opened = redis_bench(redis_caching(cluster.masters[0].url, prefix, cluster.addresses))
        case kind:
            opened = redis_bench(redis_caching(request.getfixturevalue(kind).url, prefix))
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


def keys(count: int) -> list[Key]:
    return [replace(KEY, digest=number.to_bytes(32, "big")) for number in range(count)]


async def bodies(store: Store, wanted: list[Key]) -> list[bytes | None]:
    """Of many in one look-up, None where there is none."""
    return [found.entry.body if isinstance(found, Found) else None for found in await store.get_many(wanted)]


async def test_many_are_found_in_the_order_they_were_asked_for(store: Store) -> None:
    there = keys(25)
    for key in there:
        assert await store.put(key, replace(ENTRY, body=key.digest))
    backwards = there[::-1]
    assert await bodies(store, backwards) == [key.digest for key in backwards]
    assert await bodies(store, [there[3], there[1], there[3]]) == [there[n].digest for n in (3, 1, 3)]


async def test_many_say_of_each_what_one_says(bench: Bench) -> None:
    wanted = keys(9)
    for key in wanted[::3]:
        assert await bench.store.put(key, replace(ENTRY, body=key.digest))
    for key in wanted[1::3]:
        assert await bench.store.put(key, replace(ENTRY, keep_ms=50))
    await bench.pass_ms(51)
    async with asyncio.timeout(10):  # a server may reckon its expiries a little later
        while await bodies(bench.store, wanted[1::3]) != [None] * 3:
            await bench.pass_ms(5)
    assert await bodies(bench.store, wanted) == [key.digest if key in wanted[::3] else None for key in wanted]
    await bench.pass_ms(30)
    (one,) = await bench.store.get_many(wanted[:1])
    other = await bench.store.get(wanted[0])
    assert isinstance(one, Found)
    assert isinstance(other, Found)
    assert one.entry == other.entry
    assert one.version == other.version
    assert 75 <= one.age_ms <= other.age_ms


async def test_none_are_asked_for_and_none_found(store: Store) -> None:
    assert list(await store.get_many([])) == []
    assert list(await store.get_many(keys(3))) == [ABSENT] * 3


async def seen(store: Store, key: Key = KEY) -> Version | None:
    found = await store.get(key)
    assert not isinstance(found, Failed)
    return found.version


OLD, NEW = replace(ENTRY, body=b"old"), replace(ENTRY, body=b"new")


async def test_over_nothing_goes_what_is_the_first(store: Store) -> None:
    assert await seen(store) is None
    assert await store.put(KEY, OLD, over=None)
    assert not await store.put(KEY, NEW, over=None)
    assert await bodies(store, [KEY]) == [b"old"]


async def test_over_what_has_expired_goes_what_is_the_first(bench: Bench) -> None:
    version = None
    while version is None:  # it may have expired before it is seen
        assert await bench.store.put(KEY, replace(OLD, keep_ms=50))
        version = await seen(bench.store)
    await bench.pass_ms(51)
    async with asyncio.timeout(10):
        while await bench.store.get(KEY) != ABSENT:
            await bench.pass_ms(5)
    assert not await bench.store.put(KEY, NEW, over=version)
    assert await bench.store.put(KEY, NEW, over=None)
    assert await bodies(bench.store, [KEY]) == [b"new"]


CHANGES = {
    "body": replace(OLD, body=b"odl"),
    "header": replace(OLD, headers=(("Content-Type", "text/plain"),)),
    "ttl": replace(OLD, ttl_ms=1),
    "keep": replace(OLD, keep_ms=OLD.keep_ms + 1),
    "fetch": replace(OLD, fetch_ms=0),
    "large": replace(OLD, body=b"a" * 300_000),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_over_a_version_goes_what_saw_that_version(store: Store, change: Entry) -> None:
    assert await store.put(KEY, OLD)
    version = await seen(store)
    assert await store.put(KEY, change, over=version)
    assert not await store.put(KEY, NEW, over=version)
    assert not await store.put(KEY, NEW, over=None)
    found = await store.get(KEY)
    assert isinstance(found, Found)
    assert found.entry == change
    assert await store.put(KEY, NEW, over=found.version)
    assert await bodies(store, [KEY]) == [b"new"]


async def test_over_a_version_goes_nothing_once_that_is_swept(store: Store) -> None:
    assert await store.put(KEY, OLD)
    version = await seen(store)
    assert await store.sweep({})
    assert not await store.put(KEY, NEW, over=version)
    assert await store.get(KEY) == ABSENT


async def test_over_anything_goes_all(store: Store) -> None:
    for entry in (OLD, NEW):
        assert await store.put(KEY, entry, over=ANY)
    assert await bodies(store, [KEY]) == [b"new"]


async def test_a_version_is_of_its_own_key(store: Store) -> None:
    assert await store.put(KEY, OLD)
    version = await seen(store)
    assert await store.put(OTHERS[0], NEW)
    assert not await store.put(OTHERS[0], OLD, over=version)
    assert not await store.put(OTHERS[1], OLD, over=version)
    assert await bodies(store, OTHERS[:2]) == [b"new", None]


async def test_what_was_put_over_a_version_is_young_and_expires(bench: Bench) -> None:
    assert await bench.store.put(KEY, OLD)
    await bench.pass_ms(40)
    old = await bench.store.get(KEY)
    assert isinstance(old, Found)
    assert await bench.store.put(KEY, replace(NEW, keep_ms=OLD.keep_ms), over=old.version)
    new = await bench.store.get(KEY)
    assert isinstance(new, Found)
    assert old.age_ms >= 35
    assert new.age_ms < 60_000
    assert await bench.store.put(KEY, replace(NEW, keep_ms=50), over=new.version)
    await bench.pass_ms(51)
    async with asyncio.timeout(10):
        while await bench.store.get(KEY) != ABSENT:
            await bench.pass_ms(5)


async def test_of_fifty_who_add_to_one_entry_none_is_lost(store: Store) -> None:
    async def add(number: int) -> None:
        while True:
            found = await store.get(KEY)
            assert not isinstance(found, Failed)
            known = json.loads(found.entry.body) if isinstance(found, Found) else []
            await asyncio.sleep(0)  # in memory, nobody else would come between
            body = json.dumps([*known, number]).encode()
            if await store.put(KEY, replace(ENTRY, body=body), over=found.version):
                return

    await asyncio.gather(*(add(number) for number in range(50)))
    (body,) = await bodies(store, [KEY])
    assert body is not None
    assert sorted(json.loads(body)) == list(range(50))


async def names(client: Client) -> set[bytes]:
    return {name if isinstance(name, bytes) else name.encode() for name in await client.keys("*")}


async def test_in_redis_every_key_is_under_our_prefix_and_expires(redis_server: Valkey, prefix: str) -> None:
    async with (
        Client.from_url(redis_server.url) as client,
        redis_bench(redis_caching(redis_server.url, prefix)) as bench,
    ):
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
    async with (
        Client.from_url(redis_server.url) as client,
        redis_bench(redis_caching(redis_server.url, prefix)) as bench,
    ):
        for name in foreign:
            await client.set(name, b"theirs")
        for key in SCOPES:
            assert await bench.store.put(key, ENTRY)
        assert await bench.store.sweep({"prom": "g1"})
        assert await bench.store.sweep({})
        assert await kept(bench.store) == set()
        assert [await client.get(name) for name in foreign] == [b"theirs"] * len(foreign)
        await client.delete(*foreign)
