"""What only the store in this process has: a bound in bytes, what it really costs, and what leaves it first."""

import gc
import random
import tracemalloc
from dataclasses import replace

import pytest

from proxy.cache.memory import MemoryStore
from proxy.cache.store import ABSENT, Found
from proxy.core.model import Entry, Key

KIB, MIB = 1024, 1024 * 1024
ENTRY = Entry(
    headers=(("Content-Type", "application/json"),),
    encoding="identity",
    body=b"x" * KIB,
    ttl_ms=60_000,
    keep_ms=60_000,
)


def key(number: int, generation: str = "g") -> Key:
    return Key(uid="prom", generation=generation, digest=number.to_bytes(32, "big"))


def fresh(number: int, size_bytes: int, headers: int) -> Entry:
    """An entry that shares nothing with another."""
    return Entry(
        headers=tuple((f"X-Name-{number}-{n}", f"a value {number} {n}") for n in range(headers)),
        encoding="identity",
        body=bytes(size_bytes),
        ttl_ms=60_000 + number,
        keep_ms=600_000 + number,
        fetch_ms=1_000 + number,
    )


class Cache:
    """A store with a clock to turn."""

    def __init__(self, max_size_bytes: int) -> None:
        self.now = 1000.0
        self.store = MemoryStore(max_size_bytes=max_size_bytes, max_value_bytes=16 * MIB, clock=lambda: self.now)

    async def ask(self, number: int) -> bool:
        """As the pipeline does: look up, and store what was not there. Whether it was."""
        if isinstance(await self.store.get(key(number)), Found):
            return True
        await self.store.put(key(number), replace(ENTRY))
        return False


@pytest.mark.parametrize("size_bytes", [100, KIB, 60 * KIB])
@pytest.mark.parametrize("headers", [1, 3])
async def test_what_is_counted_is_what_it_costs(size_bytes: int, headers: int) -> None:
    """A tenth too little would be a lie to the operator; a fifth too much would waste their memory."""
    count = 3_000
    store = MemoryStore(max_size_bytes=count * (size_bytes + 760 + 210 * headers) // 2, max_value_bytes=MIB)
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(count):  # twice as many as fit: with ghosts
            await store.put(key(number), fresh(number, size_bytes, headers))
        gc.collect()
        real_bytes = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert 0.9 * real_bytes <= store.size_bytes <= 1.2 * real_bytes


async def test_the_bound_holds_after_every_put() -> None:
    chance = random.Random(1)
    store = MemoryStore(max_size_bytes=MIB, max_value_bytes=MIB)
    for number in range(3_000):
        await store.put(key(chance.randrange(400)), fresh(number, chance.choice((0, 10, KIB, 20 * KIB, 500 * KIB)), 1))
        await store.get(key(chance.randrange(400)))
        assert store.size_bytes <= MIB
    await store.sweep({})
    assert (store.size_bytes, len(store)) == (0, 0)


async def test_what_does_not_fit_is_refused_and_costs_the_others_nothing() -> None:
    store = MemoryStore(max_size_bytes=MIB, max_value_bytes=100 * KIB)
    assert await store.put(key(1), ENTRY)
    assert not await store.put(key(2), replace(ENTRY, body=bytes(100 * KIB + 1)))
    store = MemoryStore(max_size_bytes=10 * KIB, max_value_bytes=MIB)
    assert await store.put(key(1), ENTRY)
    assert not await store.put(key(2), replace(ENTRY, body=bytes(10 * KIB)))
    assert isinstance(await store.get(key(1)), Found)


@pytest.mark.parametrize("flood", [5_000, pytest.param(200_000, id="S-60")])
async def test_a_hot_set_survives_a_flood_of_keys_that_are_asked_once(flood: int) -> None:
    """A fifth of the requests is for the hot set, which is a third of the space."""
    cache = Cache(2 * MIB)
    hot = range(350)
    chance = random.Random(flood)
    for _ in range(3):
        for number in hot:
            await cache.ask(number)
    hits = asked = 0
    for number in range(flood):
        await cache.ask(1_000 + number)
        if number % 4 == 0:
            asked += 1
            hits += await cache.ask(chance.choice(hot))
    assert hits >= 0.8 * asked
    assert cache.store.size_bytes <= 2 * MIB
    assert len(cache.store._ghosts) <= len(cache.store)


async def test_expired_entries_make_room_before_living_ones() -> None:
    """After a quiet night the main queue is full of what has expired: the morning's entries are not to fit a tenth."""
    cache = Cache(MIB)
    for number in (*range(400), *range(400), *range(400, 1_000)):  # those asked twice go into the main queue
        await cache.ask(number)
    assert len(cache.store._main) == 400
    cache.now += 61
    morning = range(10_000, 10_300)
    for number in morning:
        await cache.ask(number)
    assert [number for number in morning if not await cache.ask(number)] == []


async def test_an_eviction_is_of_a_living_entry() -> None:
    cache = Cache(MIB)
    for number in (*range(200), *range(2_000)):  # of both queues
        await cache.ask(number)
    evictions = cache.store.evictions
    assert evictions == 2_000 - len(cache.store)
    cache.now += 61
    for number in range(10_000, 10_300):
        await cache.ask(number)
    assert cache.store.evictions == evictions


async def test_an_entry_ends_with_its_time_whatever_was_asked_meanwhile() -> None:
    cache = Cache(MIB)
    await cache.ask(1)
    for _ in range(59):
        cache.now += 1
        assert await cache.ask(1)
    cache.now += 1
    assert await cache.store.get(key(1)) == ABSENT
    assert (cache.store.size_bytes, len(cache.store)) == (0, 0)


async def test_a_sweep_frees_what_other_processes_have_cleaned() -> None:
    store = MemoryStore(max_size_bytes=MIB, max_value_bytes=MIB)
    for number in range(100):
        await store.put(key(number, "old"), ENTRY)
    await store.put(key(1, "new"), ENTRY)
    one = store.size_bytes // 101
    await store.sweep({"prom": "new"})
    assert (store.size_bytes, len(store)) == (one, 1)
