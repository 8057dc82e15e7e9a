"""Millpond's data listener in front of a Grafana, with no cache behind it: what passing through costs by itself.

python -m benchmarks.front_listener PORT URL
"""

import asyncio
import gc
import sys
import tempfile
from pathlib import Path

import uvloop
from aiohttp import web

from proxy.cache.memory import MemoryStore
from proxy.config.schema import Config, Source
from proxy.engine.pipeline import Pipeline
from proxy.engine.sources import Sources
from proxy.settings.book import Book
from proxy.settings.file import FileSettings
from proxy.telemetry.metrics import Metrics
from proxy.upstream.client import Upstream
from proxy.web.data import DataHandler
from proxy.web.front import FrontHandler
from proxy.web.front_path import SubPath
from proxy.web.guard import GuardedServer


async def main(port: int, url: str) -> None:
    upstream = Upstream(Source(uid="grafana", url=url, max_concurrent=1000))
    await upstream.start()
    front = FrontHandler(upstream=upstream, sub_path=SubPath.of(url, None))
    metrics = Metrics()
    with tempfile.TemporaryDirectory() as directory:
        book = Book(FileSettings(Path(directory)), Config())
        store = MemoryStore(max_size_bytes=1 << 20, max_value_bytes=1 << 20)
        handler = DataHandler(
            pipeline=Pipeline(book=book, store=store, metrics=metrics),
            sources=lambda: Sources.of(()),
            settings=lambda: book.snapshot,
            metrics=metrics,
            front=lambda: front,
        )
        runner = web.ServerRunner(GuardedServer(handler))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
        gc.collect()
        gc.freeze()
        await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        loop.run(main(int(sys.argv[1]), sys.argv[2]))
