"""Deleting what a moved generation has made unreachable: at once, and again for as long as the store refuses.

Every process deletes when it learns of the move, not only the one that was asked to clean: until then it may still have
kept answers under the earlier generation, and afterwards it keeps none. So nothing of it is left once the last one
knows, however long that took (ADR 8).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

_log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0

Generations = Mapping[str, str]
"""Each source's, by uid."""


class Cleaner:
    """`sweep` is a cache store's, `generations` those in force. `failed` is called for each deletion that did not end."""

    def __init__(
        self,
        sweep: Callable[[Generations], Awaitable[bool]],
        generations: Callable[[], Generations],
        *,
        failed: Callable[[], None] = lambda: None,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._sweep = sweep
        self._generations = generations
        self._failed = failed
        self._retry_seconds = retry_seconds
        self._swept: Generations | None = None
        self._one_at_a_time = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def clean(self) -> None:
        """Returns when what is not of the generations in force is deleted, or has been put off to the background."""
        if not await self._once():
            _log.warning("Cleaned, but the store did not delete everything: trying again until it does.")
            self.soon(self._retry_seconds)

    def soon(self, after_seconds: float = 0.0) -> None:
        """Do it in the background: a generation has moved."""
        if not self._closed and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._until_done(after_seconds), name="clean")

    async def close(self) -> None:
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _until_done(self, after_seconds: float) -> None:
        done = False
        while not done:
            await asyncio.sleep(after_seconds)
            done = await self._once()
            after_seconds = self._retry_seconds

    async def _once(self) -> bool:
        async with self._one_at_a_time:
            while (generations := dict(self._generations())) != self._swept:  # they may move meanwhile
                if not await self._sweep(generations):
                    self._failed()
                    return False
                self._swept = generations
            return True
