"""Whatever is asked of Millpond in whatever order, its answer is Prometheus' own: `make deltas` is the long form.

DELTA_SEED=… takes the one that a failed run printed, DELTA_EPISODE=… an episode of it alone.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from itertools import count
from typing import Any

import pytest

from proxy.cache.memory import MemoryStore
from proxy.cache.redis import RedisStore
from proxy.cache.store import Store
from proxy.config.schema import Config
from tests.servers.prometheus_history import END_S, FINE_S, History
from tests.servers.valkey import Valkey

from .episode import Differs, Episode, Tally, episode
from .panel import Panel, Range
from .seed import COMPARISONS, LONG, SEED
from .stand import Clocks, Stand, standing

ONE = os.environ.get("DELTA_EPISODE", "")
_AT_ONCE = 4
_ENOUGH = 5
"""Differences after which no more are looked for."""


def memory(clocks: Clocks, config: Config) -> Store:
    caching = config.caching
    size = int(caching.memory.max_size_mb * 2**20)
    return MemoryStore(max_size_bytes=size, max_value_bytes=caching.max_value_bytes, clock=clocks.monotonic)


def valkey_store(clocks: Clocks, config: Config) -> Store:
    return RedisStore(config.caching, on_fault=lambda operation, kind: pytest.fail(f"{operation}: {kind}"))


def stand_of(
    number: int, it: Episode, delta: dict[str, Any], url: str, valkey: Valkey
) -> AbstractAsyncContextManager[Stand]:
    """Every seventh in Valkey, every fifth in so little memory that much of it is evicted."""
    caching: dict[str, Any] = {"ttl": f"{it.ttl_ms}ms"}
    store: Callable[[Clocks, Config], Store] = memory
    if number % 7 == 3:
        caching |= dict.fromkeys(("read_timeout", "write_timeout", "connection_timeout"), "10s")
        caching["redis"] = {"url": valkey.url, "prefix": f"deltas-{SEED}-{number}"}
        store = valkey_store
    elif number % 5 == 4:
        caching |= {"memory": {"max_size_mb": 0.05}, "max_value_mb": 0.02}
    return standing(url, clocks=it.clocks, store=store, caching=caching, delta=delta)


@pytest.mark.timeout(0 if LONG else 240)
async def test_the_answer_is_the_sources(prometheus_history: History, valkey: Valkey) -> None:
    print(f"DELTA_SEED={SEED}", file=sys.stderr)
    tally = Tally()
    differences: list[str] = []
    numbers: Iterator[int] = iter((int(ONE),)) if ONE else count()

    async def work() -> None:
        for number in numbers:
            if (tally.comparisons >= COMPARISONS and not ONE) or len(differences) >= _ENOUGH:
                return
            it, delta = episode(SEED, number, tally)
            try:
                await it.run(partial(stand_of, number, it, delta, prometheus_history.url, valkey))
            except* Differs as group:
                told = "\n".join([f"DELTA_SEED={SEED} DELTA_EPISODE={number} {delta} TTL {it.ttl_ms} ms", *it.log])
                differences.append(f"{told}\n  {group.exceptions[0]}")

    async with asyncio.TaskGroup() as tasks:
        for _ in range(_AT_ONCE):
            tasks.create_task(work())
    print(
        f"{tally.comparisons} comparisons, {tally.same_bytes} alike to the byte, {len(tally.kinds)} kinds; {tally.said}"
    )
    print(tally.statuses)
    assert differences == [], "\n\n".join(differences)
    if not ONE:
        reused = tally.said["hit"] + tally.said["fwd=partial"]
        assert len(tally.kinds) >= 60
        assert tally.said["fwd=partial"] > tally.statuses[200] / 20
        assert reused > tally.statuses[200] / 4, "little was answered from parts"


@pytest.mark.parametrize(
    "query",
    [
        'rate({__name__=~"old_name_total|new_name_total"}[1m])',
        'max_over_time({job="web",__name__=~".*name_total"}[1m])',
        '-{__name__=~"old_name_total|new_name_total"}',
        "-(old_name_total or new_name_total)",
        "max_over_time((old_name_total or new_name_total)[30s:15s])",
        "predict_linear(req_total[40s] @ 1795390000, 60)",
    ],
)
async def test_what_the_whole_range_decides_is_not_decided_point_by_point(
    prometheus_history: History, query: str
) -> None:
    """A metric got another name. Where the name is taken off, Prometheus refuses ranges that hold both."""
    panel = Panel(query=query, step_ms=15_000, step_texts=("15",), phase_ms=0)
    middle_ms = panel.on_grid((END_S - FINE_S // 2) * 1000)
    clocks = Clocks(END_S * 1000)
    async with standing(prometheus_history.url, clocks=clocks, store=memory) as stand:
        for number in range(-2, 32):
            ask = panel.plainly(Range(middle_ms - 600_000, middle_ms + number * panel.step_ms))
            ours, theirs = await stand.ask(ask), await stand.ask_source(ask)
            assert ours.difference(theirs) is None
