"""The engine without a listener: a pipeline over a real source, a real client to it, real settings, and a clock that
the test turns. `servers.listener` has the listener, and so no clock: aiohttp's own runs by the event loop's.

`ranges` has the source for range queries.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDict

from proxy.cache.memory import MemoryStore
from proxy.cache.store import Store
from proxy.config.schema import Caching, Config, Duration, Source, SourceCache
from proxy.core.model import XCache
from proxy.engine.exchange import Payload
from proxy.engine.pipeline import Pipeline
from proxy.engine.source import Limits, SourceRuntime
from proxy.errors import UpstreamError
from proxy.settings.book import Book
from proxy.settings.file import FileSettings
from proxy.settings.model import CacheConfig
from proxy.telemetry.metrics import Metrics
from proxy.upstream.client import Upstream

UID = "prom"
TWIN = "twin"
"""Another source of the same address."""
TTL_MS = 60_000
INSTANT = "/api/v1/query"
QUERY = "query=up&time=1"
NOW_MS = 1_795_392_000_000
"""Of the wall clock, when the monotonic one stands at 1000 seconds: a full hour."""
SUCCESS = b'{"status":"success","data":{"resultType":"matrix","result":[]}}'

Respond = Callable[[web.Request, int], Awaitable[web.StreamResponse]]


async def success(request: web.Request, number: int) -> web.StreamResponse:
    """A good answer of Prometheus that says which request it answers."""
    body = SUCCESS[:-1] + b',"number":%d}' % number
    return web.Response(body=body, content_type="application/json")


class Clock:
    """Both clocks: the monotonic one, and the wall's, which may be off by `wall_off_ms`."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.wall_off_ms = 0

    def __call__(self) -> float:
        return self.seconds

    def now_ms(self) -> int:
        return NOW_MS + self.wall_off_ms + round((self.seconds - 1000) * 1000)


@dataclass
class SlowSource:
    """Answers by `respond` when its gate is open. `at_once` is the most requests it had in hand together."""

    respond: Respond = success
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    requests: list[web.Request] = field(default_factory=list)
    in_hand: int = 0
    at_once: int = 0
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        number = len(self.requests)
        self.in_hand += 1
        self.at_once = max(self.at_once, self.in_hand)
        async with self._arrived:
            self._arrived.notify_all()
        try:
            await self.gate.wait()
            return await self.respond(request, number)
        finally:
            self.in_hand -= 1

    async def has(self, count: int) -> None:
        """Wait until it has been asked so often."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """An `Incoming`."""

    method: str = "GET"
    path: str = INSTANT
    query: str = QUERY
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
    body: bytes = b""

    async def read(self, limit_bytes: int) -> bytes | None:
        return self.body if len(self.body) <= limit_bytes else None

    def stream(self) -> bytes | AsyncIterator[bytes]:
        return self.body


def having(**headers: str) -> Ask:
    """The usual request with these headers, underscores for dashes."""
    return Ask(headers=CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    status: int
    headers: CIMultiDict[str]
    body: bytes
    x_cache: XCache
    cache_status: str


@dataclass
class Stack:
    source: SlowSource
    runtime: SourceRuntime
    twin: SourceRuntime
    pipeline: Pipeline
    book: Book
    store: Store
    clock: Clock
    metrics: Metrics

    async def ask(self, ask: Ask | None = None, *, twin: bool = False) -> Answered:
        """Raises UpstreamError for a source that failed."""
        ask = ask or Ask()
        reply = await self.pipeline.answer(self.twin if twin else self.runtime, ask)
        if isinstance(reply.payload, UpstreamError):
            raise reply.payload
        return Answered(
            status=reply.payload.status,
            headers=CIMultiDict(reply.payload.headers),
            body=await whole(reply.payload),
            x_cache=reply.x_cache,
            cache_status=reply.cache_status,
        )

    async def set_ttl(self, ttl_ms: int) -> None:
        config = CacheConfig(enabled=True, use_default_ttl=False, ttl_queries_ms=ttl_ms, ttl_resources_ms=ttl_ms)
        await self.book.change(UID, config)


async def whole(payload: Payload) -> bytes:
    if isinstance(payload.body, bytes):
        return payload.body
    try:
        return b"".join([chunk async for chunk in payload.body])
    finally:
        if payload.aclose is not None:
            await payload.aclose()


@asynccontextmanager
async def running(
    *,
    caching: Caching | None = None,
    store: Callable[[Clock], Store] | None = None,
    data_dir: Path | None = None,
    url: str = "",
    **source_settings: Any,
) -> AsyncIterator[Stack]:
    """`source_settings` are fields of `schema.Source`. With the `url` of another stack's source this one's is not asked."""
    source, clock, metrics = SlowSource(), Clock(), Metrics()
    source.gate.set()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", source.handle)
    caching = msgspec.structs.replace(caching or Caching(), ttl_ms=Duration(TTL_MS))
    with tempfile.TemporaryDirectory() as directory:
        async with TestServer(app) as server:
            config = Source(
                uid=UID,
                url=url or str(server.make_url("")).rstrip("/"),
                cache=SourceCache(enabled=True),
                **source_settings,
            )
            twin = msgspec.structs.replace(config, uid=TWIN)
            configuration = Config(caching=caching, datasources=(config, twin))
            book = Book(FileSettings(data_dir or Path(directory)), configuration)
            upstreams = [Upstream(each) for each in configuration.datasources]
            made = store(clock) if store else MemoryStore(max_size_bytes=2**24, max_value_bytes=2**20, clock=clock)
            pipeline = Pipeline(book=book, store=made, metrics=metrics, monotonic=clock, now_ms=clock.now_ms)
            await book.start()
            for upstream in upstreams:
                await upstream.start()
            limits = Limits.of(configuration)
            runtime, twin_runtime = (
                SourceRuntime.of(each, limits, upstream)
                for each, upstream in zip(configuration.datasources, upstreams, strict=True)
            )
            try:
                yield Stack(
                    source=source,
                    runtime=runtime,
                    twin=twin_runtime,
                    pipeline=pipeline,
                    book=book,
                    store=made,
                    clock=clock,
                    metrics=metrics,
                )
            finally:
                source.gate.set()
                await pipeline.close()
                for upstream in upstreams:
                    await upstream.close()
                await book.close()
