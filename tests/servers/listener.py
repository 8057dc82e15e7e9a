"""The data listener in the test's own process: the same parts as in `proxy.app`, over a memory store, so that a test can
turn its limits down and look inside.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from proxy.cache.memory import MemoryStore
from proxy.cache.store import Store
from proxy.config.schema import Caching, Config, Duration, Source, SourceCache, Timeouts
from proxy.core.forwarded import NOBODY, AuthProxy
from proxy.engine.pipeline import Pipeline
from proxy.engine.source import Limits, SourceRuntime
from proxy.engine.sources import Sources
from proxy.settings.book import Book
from proxy.settings.file import FileSettings
from proxy.telemetry.metrics import Metrics
from proxy.upstream.client import Upstream
from proxy.web.data import DataHandler
from proxy.web.front import FrontEngine, FrontHandler
from proxy.web.front_path import SubPath
from proxy.web.guard import GuardedServer, Patience

from .wire import Reply, parse, request

HANGS_SECONDS = 30
"""After this long a connection that should have ended counts as hanging. Nothing waits for it that works."""
BRISK = Patience(sweep_seconds=0.05)
MATRIX = b'{"status":"success","data":{"resultType":"matrix","result":[]}}'
QUERY_RANGE = "/api/v1/query_range?query=up&start=1795392000&end=1795395600&step=60"
LABELS = "/api/v1/labels?start=1795392000&end=1795395600"


@dataclass(slots=True)
class Listener:
    port: int
    metrics: Metrics
    sources: Sources
    server: GuardedServer
    handler: DataHandler

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def raw(self, *parts: bytes, half_close: bool = False) -> bytes:
        """All that comes back on a connection of its own until it ends. Raises TimeoutError if it is left hanging."""
        reader, writer = await self.connect()
        try:
            async with asyncio.timeout(HANGS_SECONDS):
                with suppress(ConnectionError):
                    for part in parts:
                        writer.write(part)
                        await writer.drain()
                    if half_close:
                        writer.write_eof()
                return await read_all(reader)
        finally:
            writer.transport.abort()

    async def ask(self, target: str, *headers: str, method: str = "GET", body: bytes | None = None) -> Reply:
        """A request on a connection of its own, and its answer."""
        return parse(await self.raw(request(target, *headers, method=method, body=body)), method)


async def read_all(reader: asyncio.StreamReader) -> bytes:
    """Until the connection ends, cleanly or not."""
    data = b""
    with suppress(ConnectionError):
        while part := await reader.read(1 << 20):
            data += part
    return data


def source(url: str, uid: str = "prom", **options: Any) -> Source:
    """A data source with caching on. Time-outs are `<name>_ms=…`."""
    timeouts = {name: Duration(options.pop(name)) for name in tuple(options) if name in Timeouts.__struct_fields__}
    options.setdefault("cache", SourceCache(enabled=True))
    options.setdefault("timeouts", Timeouts(**timeouts))
    return Source(uid=uid, url=url, **options)


@asynccontextmanager
async def listening(
    *sources: Source,
    caching: Caching | None = None,
    store: Store | None = None,
    patience: Patience = BRISK,
    front: FrontHandler | None = None,
) -> AsyncIterator[Listener]:
    config = Config(datasources=sources, caching=caching or Caching())
    metrics = Metrics()
    store = store or MemoryStore(max_size_bytes=256 << 20, max_value_bytes=16 << 20)
    with tempfile.TemporaryDirectory() as directory:
        book = Book(FileSettings(Path(directory)), config)
        await store.start()
        await book.start()
        limits = Limits.of(config)
        upstreams = [Upstream(one) for one in sources]
        for upstream in upstreams:
            await upstream.start()
        runtimes = [SourceRuntime.of(one, limits, up) for one, up in zip(sources, upstreams, strict=True)]
        known = Sources.of(runtimes)
        pipeline = Pipeline(book=book, store=store, metrics=metrics)
        handler = DataHandler(
            pipeline=pipeline,
            sources=lambda: known,
            settings=lambda: book.snapshot,
            metrics=metrics,
            front=front,
        )
        server = GuardedServer(handler, patience)
        runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
        await site.start()
        try:
            yield Listener(runner.addresses[0][1], metrics, known, server, handler)
        finally:
            await runner.cleanup()
            await pipeline.close()
            for upstream in upstreams:
                await upstream.close()
            await book.close()
            await store.close()


@asynccontextmanager
async def in_front_of(
    url: str,
    *sources: Source,
    path: str | None = None,
    auth_proxy: AuthProxy = NOBODY,
    engine: FrontEngine | None = None,
    patience: Patience = BRISK,
    **options: Any,
) -> AsyncIterator[Listener]:
    """In front of the Grafana at `url`, and of data sources beside it; `options` are those of Grafana's `source`."""
    options = {"max_concurrent": 10_000, "first_byte_ms": 600_000, "between_bytes_ms": 3_600_000, **options}
    upstream = Upstream(source(url, "grafana", **options))
    await upstream.start()
    front = FrontHandler(
        metrics=Metrics(), upstream=upstream, sub_path=SubPath.of(url, path), auth_proxy=auth_proxy, engine=engine
    )
    try:
        async with listening(*sources, patience=patience, front=front) as millpond:
            yield millpond
    finally:
        await upstream.close()
