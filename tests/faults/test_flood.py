"""S-60: one client asks for ever new keys. The memory stays within its bound, the hot set stays, and nothing else grows."""

import asyncio
import json
import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

from ..servers.counting import Counting
from ..servers.millpond import StartMillpond
from ..servers.valkey import Valkey
from .bench import HOLD_SECONDS, under_load

FLOOD = 200_000 if HOLD_SECONDS > 1 else 4_000
MAX_MB = 2
HOT = [f"/hot?{number}" for number in range(300)]
CLIENTS = 16


async def test_a_flood_of_new_keys(
    valkey: Valkey, source: Counting, start_millpond: StartMillpond, record_property: Callable[[str, object], None]
) -> None:
    config = {
        "caching": {"memory": {"max_size_mb": MAX_MB}},
        "datasources": [{"uid": "src", "type": "opaque", "url": source.url, "cache": {"enabled": True}}],
    }
    millpond = await asyncio.to_thread(start_millpond, config=json.dumps(config))
    async with under_load(valkey, source, millpond) as bench:
        ask = bench.load.ask
        for _ in range(3):
            before = [await ask(target) for target in HOT].count("HIT")
        lines, rss_kb = len(await bench.metrics()), resident_kb(millpond.pid)
        numbers = count()
        hot: list[str] = []

        async def client() -> None:
            while (number := next(numbers)) < FLOOD:
                await ask(f"/cold?{number}")
                if number % 4 == 0:
                    hot.append(await ask(HOT[number // 4 % len(HOT)]))

        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        metrics = await bench.metrics()
        grown_kb = resident_kb(millpond.pid) - rss_kb
    assert hot.count("HIT") / len(hot) >= 0.8 * before / len(HOT)
    assert metrics["millpond_memory_size_bytes"] <= MAX_MB * 1024 * 1024
    assert len(metrics) <= lines + 10, "no series a key"
    record_property("hot hits", f"{hot.count('HIT')} of {len(hot)}")
    record_property("resident memory grown by KiB", grown_kb)


def resident_kb(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
