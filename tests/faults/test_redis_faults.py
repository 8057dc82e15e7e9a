"""Redis and Valkey broken in every way that `safety.md` names, under load: no 5xx, no wrong body, and back by itself."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
from redis.asyncio import Redis as Client

from proxy.cache import wire
from proxy.core.model import Key

from ..servers.counting import Counting
from ..servers.millpond import Millpond
from ..servers.valkey import Valkey, redis_binary
from .bench import Bench, configuration, under_load

SETTINGS: dict[str, object] = {
    "enabled": True,
    "useDefaultTTL": False,
    "ttlQueriesMs": 120_000,
    "ttlResourcesMs": 60_000,
}


@dataclass
class Running:
    redis: Valkey
    millpond: Millpond


@pytest.fixture(scope="module", params=["valkey", "redis"])
def running(request: pytest.FixtureRequest, source: Counting) -> Iterator[Running]:
    """One Millpond that goes through all of it."""
    binary = redis_binary() if request.param == "redis" else ""
    with Valkey(binary=binary) as redis, Millpond(config=configuration(source, redis.url)) as millpond:
        yield Running(redis, millpond)


@pytest.fixture
async def bench(running: Running, source: Counting) -> AsyncIterator[Bench]:
    """In good order, with hits; Redis runs, should a test before this have failed while it was down."""
    running.redis.restore()
    source.next_epoch()
    running.millpond.api("POST", "src/cache/clean")
    async with under_load(running.redis, source, running.millpond) as bench:
        for number in range(20):
            while await bench.load.ask(f"/q?{number}") != "HIT":
                pass
        yield bench


@pytest.fixture
async def client(running: Running) -> AsyncIterator[Client]:
    async with Client.from_url(running.redis.url) as client:
        yield client


async def names(client: Client) -> list[str]:
    """Of the values kept for our source."""
    return [name.decode() for name in await client.keys("millpond:c:src:*") if isinstance(name, bytes)]


async def command(client: Client, *words: object) -> object:
    return await client.execute_command(*words)  # type: ignore[no-untyped-call]  # redis-py's own


Changes = list[tuple[str, dict[str, object] | None]]
CHANGES: Changes = [
    ("cache/disable", None),
    ("cache/clean", None),
    ("cache", SETTINGS | {"ttlQueriesMs": 7}),
]


async def refuses(bench: Bench, changes: Changes) -> None:
    """R-67: what is known is told, and a change that cannot be durable is a 500 after which nothing has changed."""
    status, before = await bench.api("GET", "src/cache")
    assert (status, before["enabled"]) == (200, True)
    for path, body in changes:
        status, answer = await bench.api("POST", f"src/{path}", body)
        assert status == 500
        assert "nothing has changed" in answer["message"]
    assert await bench.api("GET", "src/cache") == (200, before)


@pytest.mark.parametrize("how", ["kill", "pause"])
async def test_dead_or_hung(bench: Bench, how: str, record_property: Callable[[str, object], None]) -> None:
    """R-02, R-03, R-65, R-66, R-67."""
    _, before = await bench.api("POST", "src/cache", SETTINGS)
    if how == "kill":
        bench.redis.kill()
    else:
        bench.redis.pause()
    await bench.until(lambda: _open(bench), "the breaker opens")
    assert set(await bench.failing()) >= {"cache"}
    await bench.until(lambda: _failing(bench, "settings"), "the settings' store is told too")
    await bench.alive()
    await refuses(bench, CHANGES if how == "kill" else CHANGES[:1])  # each waits two seconds for a Redis that hangs
    await bench.load.answer_those_under_way()  # some may have begun to ask Redis before it was left alone
    errors = await bench.counted("get", "connect") + await bench.counted("get", "timeout")
    asked = bench.load.caches.total()
    await bench.until(lambda: bench.load.caches.total() > asked + 50, "the load goes on")
    more = await bench.counted("get", "connect") + await bench.counted("get", "timeout") - errors
    assert more < 10, "left alone: after the first failure it is degraded, after five in a row it is asked no more"
    bench.load.seconds.clear()
    await bench.hold()
    slowest_first = sorted(bench.load.seconds, reverse=True)
    record_property("p99 while left alone, ms", round(slowest_first[len(slowest_first) // 100] * 1000, 1))
    if how == "kill":
        bench.redis.start()
    else:
        bench.redis.resume()
    await bench.until(bench.well, "it closes again")
    await bench.hits()
    _, after = await bench.api("GET", "src/cache")
    assert {**after, "message": ""} == {**before, "message": ""}
    status, _ = await bench.api("POST", "src/cache/clean")
    assert status == 200


async def _open(bench: Bench) -> bool:
    return (await bench.metrics())["millpond_store_degraded"] == 1 and "cache" in await bench.failing()


async def _failing(bench: Bench, name: str) -> bool:
    return name in await bench.failing()


async def test_out_of_memory(bench: Bench, client: Client) -> None:
    """R-07: reads still hit, writes are dropped and counted."""
    await client.config_set("maxmemory", "1")
    await bench.until(lambda: bench.counted("put", "oom"), "a write is refused")
    await bench.until(bench.degraded, "that is told")
    await bench.hits()
    await refuses(bench, CHANGES)
    await bench.hold()
    await client.config_set("maxmemory", "0")
    await bench.until(bench.well, "writes go through again")
    assert (await bench.api("POST", "src/cache/clean"))[0] == 200


async def test_evicts_what_it_likes(bench: Bench, client: Client) -> None:
    """R-08: the settings and generations too, and gets them back."""
    _, before = await bench.api("POST", "src/cache", SETTINGS)
    assert (await bench.api("POST", "other/cache/disable"))[0] == 200
    used = (await client.info("memory"))["used_memory"]
    await client.config_set("maxmemory-policy", "allkeys-lru")
    await client.config_set("maxmemory", str(used + 100_000))
    evicted = 0
    for number in range(400):
        await bench.load.ask(f"/flood?{number}")
        if number % 50 == 0:
            evicted += await client.delete("millpond:s:settings")  # the eviction is by chance, this is not
    assert evicted > 0
    assert (await client.info("stats"))["evicted_keys"] > 0
    await bench.hold()
    assert (await bench.api("GET", "other/cache"))[1]["enabled"] is False
    assert await bench.load.ask("/q?1", uid="other") == "DISABLED"
    await bench.until(lambda: client.exists("millpond:s:settings"), "the settings are back")
    await client.config_set("maxmemory", "0")
    await client.config_set("maxmemory-policy", "noeviction")
    await bench.until(lambda: _same_as(bench, before), "as they were")
    assert (await bench.api("POST", "other/cache/enable"))[0] == 200


async def _same_as(bench: Bench, before: dict[str, object]) -> bool:
    status, after = await bench.api("GET", "src/cache")
    return status == 200 and {**after, "message": ""} == {**before, "message": ""}


async def test_emptied(bench: Bench, client: Client) -> None:
    """R-09: misses alone; the settings come back from the replica, and no generation is ever what it was."""
    _, before = await bench.api("POST", "src/cache", SETTINGS)
    name = (await names(client))[0]
    value = await client.dump(name)
    assert value is not None
    await bench.move_on()
    for _ in range(3):
        await client.flushall()
        await client.restore(name, 60_000, value, replace=True)
        await bench.until(lambda: client.exists("millpond:s:settings"), "the settings are back")
        await bench.hits()
    assert await _same_as(bench, before)


async def test_read_only(bench: Bench, client: Client) -> None:
    """R-10: a master that was demoted: reads hit, writes are dropped."""
    await command(client, "REPLICAOF", "127.0.0.1", "1")
    await bench.until(lambda: bench.counted("put", "readonly"), "a write is refused")
    await bench.until(bench.degraded, "that is told")
    await bench.hits()
    await refuses(bench, CHANGES)
    await bench.hold()
    await command(client, "REPLICAOF", "NO", "ONE")
    await bench.until(bench.well, "writes go through again")


async def test_password_changed(bench: Bench, client: Client) -> None:
    """R-14: it is known at once and not waited for."""
    await client.config_set("requirepass", "other")
    await client.client_kill_filter(_type="normal", skipme=True)
    await bench.until(lambda: bench.counted("get", "auth"), "it is refused")
    await bench.until(bench.degraded, "that is told")
    await refuses(bench, CHANGES)
    await bench.hold()
    async with Client(port=bench.redis.port, password="other") as admin:
        await admin.config_set("requirepass", "")
    await bench.until(bench.well, "it is let in again")
    await bench.hits()


async def test_not_permitted(bench: Bench, client: Client) -> None:
    """R-14: an operator's list of commands that forgot what writes a value."""
    await command(client, "ACL", "SETUSER", "default", "-set")
    await bench.until(lambda: bench.counted("put", "denied"), "a write is refused")
    await bench.until(bench.degraded, "that is told")
    await bench.hits()
    await bench.hold()
    await command(client, "ACL", "SETUSER", "default", "+set")
    await bench.until(bench.well, "it may again")


GARBAGE = {
    "pickle": b"cposix\nsystem\n(S'echo'\ntR.",
    "short": b"MP",
    "text": b"x" * 5_000,
    "huge": b"\x00" * 40_000_000,  # far more than max_value_mb
    "nothing": b"",
}


@pytest.mark.parametrize("value", GARBAGE.values(), ids=GARBAGE.keys())
async def test_values_that_are_none_of_ours(bench: Bench, client: Client, value: bytes) -> None:
    """S-56."""
    target = f"/poisoned?{uuid4().hex}"
    name = await _name_of(bench, client, target)
    await client.set(name, value, px=60_000)
    assert await bench.load.ask(target) in ("MISS", "ERROR")
    while await bench.load.ask(target) != "HIT":
        pass
    await bench.alive()


async def test_values_of_a_wrong_kind_cut_or_copied(bench: Bench, client: Client) -> None:
    """S-56."""
    names = {target: await _name_of(bench, client, target) for target in ("/list?1", "/cut?1", "/copied?1", "/from?1")}
    await client.delete(names["/list?1"])
    await client.rpush(names["/list?1"], "a", "b")
    value = await client.get(names["/cut?1"])
    assert isinstance(value, bytes)
    await client.set(names["/cut?1"], value[:-1], px=60_000)
    assert await client.copy(names["/from?1"], names["/copied?1"], replace=True)
    for target in ("/list?1", "/cut?1", "/copied?1"):
        assert await bench.load.ask(target) in ("MISS", "ERROR")
        while await bench.load.ask(target) != "HIT":
            pass
    assert await bench.counted("get", "value") >= 2
    assert await bench.counted("get", "refused") >= 1
    await bench.until(bench.well, "one value says nothing of the store")


async def test_a_value_without_an_expiry_is_none_of_ours(bench: Bench, client: Client) -> None:
    name = await _name_of(bench, client, "/for-ever?1")
    await client.persist(name)
    await bench.move_on()
    assert await bench.load.ask("/for-ever?1") == "MISS"


async def _name_of(bench: Bench, client: Client, target: str) -> str:
    """The name of the value of a target that nobody else asks for."""
    before = set(await names(client))
    assert await bench.load.ask(target) == "MISS"
    for name in set(await names(client)) - before:
        value = await client.get(name)
        *_, uid, generation, digest = name.split(":")
        key = Key(uid=uid, generation=generation, digest=bytes.fromhex(digest))
        entry = wire.decode(key, value, 1 << 20) if isinstance(value, bytes) else None
        if entry is not None and target.encode() in entry.body:
            return name
    raise AssertionError("it was not kept")


async def test_clients_that_hang_up(bench: Bench) -> None:
    """R-16: 1000 clients leave while Redis is asked for them; nobody gets another's answer."""
    targets = [f"/left?{number}" for number in range(50)]
    for target in targets:
        await bench.load.ask(target)
    for number in range(1_000):
        _, writer = await asyncio.open_connection("127.0.0.1", bench.millpond.port)
        writer.write(f"GET /ds/src{targets[number % 50]} HTTP/1.1\r\nHost: millpond\r\n\r\n".encode())
        await writer.drain()
        writer.close()
        if number % 10 == 0:
            assert await bench.load.ask(targets[number % 50]) == "HIT"
    for target in targets:
        assert await bench.load.ask(target) == "HIT"
