"""Everything at once, in an order that follows from a seed: `make chaos` is the long form.

CHAOS_SEED=… takes the one that a failed run printed.
"""

import os
import secrets
import time

from redis.asyncio import Redis as Client

from .events import EVENTS
from .storm import Storm, storm

SECONDS = float(os.environ.get("CHAOS_SECONDS", "0"))
"""How long one storm follows another; at least one of them there is."""
TIMES = int(os.environ.get("CHAOS_EVENTS", "12"))
SEED = int(os.environ.get("CHAOS_SEED", "0")) or secrets.randbelow(2**31)
_GROWTH_BYTES = 64 * 1024 * 1024
_GROWTH_DESCRIPTORS = 60


async def test_nobody_gets_a_wrong_answer_whatever_happens() -> None:
    ends, seed = time.monotonic() + SECONDS, SEED
    await _weathers(seed)
    while time.monotonic() < ends:
        seed += 1
        await _weathers(seed)


async def _weathers(seed: int) -> None:
    print(f"CHAOS_SEED={seed}")
    async with storm(seed) as it:
        await it.calm()
        resident = {name: replica.resident_bytes() for name, replica in it.replicas.items()}
        descriptors = {name: replica.descriptors() for name, replica in it.replicas.items()}
        await it.rage(EVENTS, TIMES)
        await it.calm()
        assert it.clients.wrong == [], it.told()
        await _nothing_without_expiry(it)
        for name, replica in it.replicas.items():
            assert [line for line in replica.log.splitlines() if "Traceback" in line][:2] == []
            assert replica.resident_bytes() - resident[name] < _GROWTH_BYTES, it.told()
            assert replica.descriptors() - descriptors[name] < _GROWTH_DESCRIPTORS, it.told()
    assert it.clients.wrong == [], it.told()
    print(f"{dict(it.clients.seen)}, {dict(it.happened)}")


async def _nothing_without_expiry(it: Storm) -> None:
    async with Client.from_url(it.redis.url) as client:
        names = [name async for name in client.scan_iter(count=1000)]
        # Not -2: that one has expired since it was listed.
        assert {name for name in names if await client.pttl(name) == -1} == {b"millpond:s:settings"}
        assert all(name.startswith(b"millpond:") for name in names)
