"""The small sources of `tests/sources`, listening in a thread of this process, so that a test reads what was asked."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Self

import pytest
from aiohttp import web

from tests.sources.plain import SCRIPT
from tests.sources.recorder import RECORDER, Recorded, Recorder

from .process import free_port


class RunningSource:
    """Started when entered, ended when left."""

    def __init__(self, app: web.Application) -> None:
        self.app = app
        self.port = free_port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner = web.AppRunner(app, access_log=None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def recorder(self) -> Recorder:
        return self.app[RECORDER]

    @property
    def count(self) -> int:
        """How many requests it was sent."""
        return self.recorder.count

    @property
    def last(self) -> Recorded:
        return self.recorder.requests[-1]

    def closed_gate(self) -> Callable[[], None]:
        """Hold every request to a plain source from now on; the function lets them go."""
        script = self.app[SCRIPT]

        async def close() -> asyncio.Event:
            return script.closed_gate()

        async def open_gate() -> None:
            gate.set()
            script.gate = None

        gate = asyncio.run_coroutine_threadsafe(close(), self._loop).result(20)
        return lambda: asyncio.run_coroutine_threadsafe(open_gate(), self._loop).result(20)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(20)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()

    async def _listen(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()


RunSource = Callable[[web.Application], RunningSource]


@pytest.fixture(scope="module")
def run_source() -> Iterator[RunSource]:
    """Runs as many as the module asks for."""
    with ExitStack() as running:
        yield lambda app: running.enter_context(RunningSource(app))
