"""The engine in this process, to look into its store."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from multidict import CIMultiDict

from proxy.cache.memory import MemoryStore
from proxy.config.schema import Caching, Config, Source, SourceCache
from proxy.engine.pipeline import Pipeline
from proxy.engine.source import Limits, SourceRuntime
from proxy.errors import UpstreamError
from proxy.settings.book import Book
from proxy.settings.file import FileSettings
from proxy.telemetry.metrics import Metrics
from proxy.upstream.client import Upstream

from .range_client import RangeQuery


@dataclass(frozen=True, slots=True)
class _Get:
    """An `Incoming`."""

    query: str
    method: str = "GET"
    path: str = "/api/v1/query_range"
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)

    async def read(self, limit_bytes: int) -> bytes | None:
        return b""

    def stream(self) -> bytes | AsyncIterator[bytes]:
        return b""


def memory_bytes(source_port: int, query: RangeQuery, *, wall_seconds: int) -> int:
    """What a memory store counts for after this one request, bookkeeping and all."""
    return asyncio.run(_memory_bytes(source_port, query, wall_seconds))


async def _memory_bytes(source_port: int, query: RangeQuery, wall_seconds: int) -> int:
    source = Source(uid="prom", url=f"http://127.0.0.1:{source_port}", cache=SourceCache(enabled=True))
    config = Config(caching=Caching(max_value_mb=64), datasources=(source,))
    store = MemoryStore(max_size_bytes=1 << 30, max_value_bytes=config.caching.max_value_bytes)
    with tempfile.TemporaryDirectory() as directory:
        book, upstream = Book(FileSettings(Path(directory)), config), Upstream(source)
        pipeline = Pipeline(book=book, store=store, metrics=Metrics(), now_ms=lambda: wall_seconds * 1000)
        await book.start()
        await upstream.start()
        try:
            reply = await pipeline.answer(SourceRuntime.of(source, Limits.of(config), upstream), _Get(query.form))
            if isinstance(reply.payload, UpstreamError):
                raise reply.payload
            if not isinstance(reply.payload.body, bytes):
                async for _ in reply.payload.body:
                    pass
        finally:
            await pipeline.close()
            await upstream.close()
            await book.close()
    return store.size_bytes
