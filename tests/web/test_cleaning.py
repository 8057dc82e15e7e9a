"""Deleting what a moved generation has left: once for each move, and until it is done."""

import asyncio
from collections.abc import Mapping

from proxy.web.cleaning import Cleaner


class Store:
    """Its `sweep` waits for the gate, then gives the next result, or True."""

    def __init__(self, *results: bool) -> None:
        self.generations = {"a": "1"}
        self.gate = asyncio.Event()
        self.gate.set()
        self.sweeps: list[Mapping[str, str]] = []
        self.failures = 0
        self._results = list(results)
        self.cleaner = Cleaner(self.sweep, lambda: self.generations, failed=self.count, retry_seconds=0.001)

    async def sweep(self, generations: Mapping[str, str]) -> bool:
        self.sweeps.append(generations)
        await self.gate.wait()
        return self._results.pop(0) if self._results else True

    def count(self) -> None:
        self.failures += 1

    async def swept(self, times: int) -> None:
        async with asyncio.timeout(10):
            while len(self.sweeps) < times:
                await asyncio.sleep(0.001)


async def test_who_asks_and_the_notice_of_the_move_delete_once_together() -> None:
    store = Store()
    store.cleaner.soon()
    await store.cleaner.clean()
    await store.cleaner.clean()
    assert store.sweeps == [{"a": "1"}]


async def test_each_move_is_deleted_after() -> None:
    store = Store()
    await store.cleaner.clean()
    store.generations = {"a": "2"}
    store.cleaner.soon()
    await store.swept(2)
    assert store.sweeps[-1] == {"a": "2"}
    await store.cleaner.close()


async def test_a_move_during_a_deletion_is_not_missed() -> None:
    store = Store()
    store.gate.clear()
    store.cleaner.soon()
    await store.swept(1)
    store.generations = {"a": "2"}
    store.cleaner.soon()
    store.gate.set()
    await store.swept(2)
    assert store.sweeps == [{"a": "1"}, {"a": "2"}]
    await store.cleaner.close()


async def test_who_asks_does_not_wait_for_a_store_that_fails_but_it_is_asked_again() -> None:
    store = Store(False, False, False)
    await store.cleaner.clean()
    assert len(store.sweeps) == 1
    await store.swept(4)
    assert store.failures == 3
    await store.cleaner.close()


async def test_closing_ends_a_deletion_that_never_succeeds() -> None:
    store = Store(*[False] * 10_000)
    await store.cleaner.clean()
    await store.swept(3)
    await store.cleaner.close()
    store.cleaner.soon()
    assert asyncio.all_tasks() == {asyncio.current_task()}
