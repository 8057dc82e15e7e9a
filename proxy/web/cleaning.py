"""Deleting what a clean has made unreachable: at once, and in the background for as long as the store refuses."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

_log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0


class Cleaner:
    """`clear` is a cache store's. `failed` is called for each deletion that did not end (a metric)."""

    def __init__(
        self,
        clear: Callable[[str | None], Awaitable[bool]],
        *,
        failed: Callable[[], None] = lambda: None,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._clear = clear
        self._failed = failed
        self._retry_seconds = retry_seconds
        self._tasks: dict[str | None, asyncio.Task[None]] = {}
        """The deletions still to be done: at most one a source and one for all."""

    async def clean(self, uid: str | None = None) -> None:
        """Delete a source's entries, or all. Returns when that has ended, or has been put off to the background."""
        if not await self._once(uid) and uid not in self._tasks:
            self._tasks[uid] = task = asyncio.create_task(self._again(uid), name="clean again")
            task.add_done_callback(lambda _: self._tasks.pop(uid, None))

    async def close(self) -> None:
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _once(self, uid: str | None) -> bool:
        done = await self._clear(uid)
        if not done:
            self._failed()
        return done

    async def _again(self, uid: str | None) -> None:
        _log.warning("Cleaned, but the store did not delete everything: trying again until it does.")
        done = False
        while not done:
            await asyncio.sleep(self._retry_seconds)
            done = await self._once(uid)
        _log.info("The store has now deleted everything that was cleaned.")
