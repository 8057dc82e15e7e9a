"""The engine in front of a real source, with clocks to turn, and the source itself beside it for comparison."""

import gzip
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from aiohttp import ClientSession, ClientTimeout
from yarl import URL

from proxy.cache.store import Store
from proxy.config.convert import section
from proxy.config.schema import Config
from proxy.core.model import XCache
from proxy.engine.pipeline import Pipeline
from proxy.engine.source import Limits, SourceRuntime
from proxy.errors import UpstreamError
from proxy.settings.book import Book
from proxy.settings.file import FileSettings
from proxy.settings.model import CacheConfig
from proxy.telemetry.metrics import Metrics
from proxy.upstream.client import Upstream
from tests.engine.stack import UID, Ask, whole


class Clocks:
    """A monotonic clock in seconds, and the wall clock that goes with it until somebody sets it."""

    def __init__(self, wall_ms: int) -> None:
        self.seconds = 1000.0
        self._ahead_ms = wall_ms - 1_000_000

    def monotonic(self) -> float:
        return self.seconds

    def wall_ms(self) -> int:
        return int(self.seconds * 1000) + self._ahead_ms

    def advance(self, ms: int) -> None:
        self.seconds += ms / 1000

    def set_wall_back(self, ms: int) -> None:
        self._ahead_ms -= ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`body` is decoded from its `coding`. What the cache says of it, if it is not the source's own."""

    status: int
    content_type: str
    coding: str
    body: bytes
    x_cache: XCache | None = None
    cache_status: str = ""

    def difference(self, other: "Answer") -> str | None:
        """What is not the same, as a client that reads JSON would see it."""
        for name in ("status", "content_type"):
            if getattr(self, name) != getattr(other, name):
                return f"{name}: {getattr(self, name)} for {getattr(other, name)} {self.body[:200]!r}"
        if self.status != 200 and self.coding != other.coding and "collapsed" not in self.cache_status:
            return f"coding: {self.coding} for {other.coding}"
        if self.body == other.body:
            return None
        if self.status != 200:
            return f"text: {self.body[:500]!r} for {other.body[:500]!r}"
        return _difference(_read(self.body), _read(other.body))


@dataclass
class Stand:
    source: ClientSession
    runtime: SourceRuntime
    pipeline: Pipeline
    book: Book
    store: Store
    clocks: Clocks
    metrics: Metrics

    async def ask(self, ask: Ask) -> Answer:
        reply = await self.pipeline.answer(self.runtime, ask)
        payload = reply.payload
        if isinstance(payload, UpstreamError):
            raise payload
        body = await whole(payload)
        headers = {name.lower(): value for name, value in payload.headers}
        return _answer(payload.status, headers, body, reply.x_cache, reply.cache_status)

    async def ask_source(self, ask: Ask) -> Answer:
        url = URL(f"{self.runtime.config.url}{ask.path}?{ask.query}", encoded=True)
        headers = dict(ask.headers.items())
        async with self.source.request(ask.method, url, headers=headers, data=ask.body or None) as response:
            found = {name.lower(): value for name, value in response.headers.items()}
            return _answer(response.status, found, await response.read())

    async def set_ttl(self, ttl_ms: int) -> None:
        config = CacheConfig(enabled=True, use_default_ttl=False, ttl_queries_ms=ttl_ms, ttl_resources_ms=ttl_ms)
        await self.book.change(UID, config)

    async def clean(self) -> None:
        await self.book.move_generation(UID)
        generations = {uid: settings.generation for uid, settings in self.book.snapshot.sources.items()}
        assert await self.store.sweep(generations)


@asynccontextmanager
async def standing(
    url: str,
    *,
    clocks: Clocks,
    store: Callable[[Clocks, Config], Store],
    caching: dict[str, Any] | None = None,
    **source: Any,
) -> AsyncIterator[Stand]:
    """`caching` and `source` are keys of the configuration file."""
    problems: list[tuple[str, str]] = []
    document = {
        "caching": caching or {},
        "datasources": [{"uid": UID, "url": url, "cache": {"enabled": True}} | source],
    }
    config = section(Config, document, "", problems)
    assert problems == []
    with tempfile.TemporaryDirectory() as directory:
        timeout = ClientTimeout(total=60)
        async with ClientSession(auto_decompress=False, timeout=timeout) as session:
            book = Book(FileSettings(Path(directory)), config)
            upstream = Upstream(config.datasources[0])
            made, metrics = store(clocks, config), Metrics()
            pipeline = Pipeline(
                book=book, store=made, metrics=metrics, monotonic=clocks.monotonic, now_ms=clocks.wall_ms
            )
            await made.start()
            await book.start()
            await upstream.start()
            runtime = SourceRuntime.of(config.datasources[0], Limits.of(config), upstream)
            try:
                yield Stand(session, runtime, pipeline, book, made, clocks, metrics)
            finally:
                await pipeline.close()
                await upstream.close()
                await book.close()
                await made.close()


def _answer(
    status: int, headers: dict[str, str], body: bytes, x_cache: XCache | None = None, cache_status: str = ""
) -> Answer:
    coding = headers.get("content-encoding", "")
    return Answer(
        status=status,
        content_type=headers.get("content-type", ""),
        coding=coding,
        body=gzip.decompress(body) if coding == "gzip" else body,
        x_cache=x_cache,
        cache_status=cache_status,
    )


def _read(body: bytes) -> Any:
    """Without the times of `stats`, which differ each time."""
    found = orjson.loads(body)
    if found["data"].get("stats"):
        found["data"]["stats"] = True
    return found


def _difference(one: Any, other: Any, where: str = "") -> str | None:
    """The first place where two documents differ; None when they are equal."""
    if type(one) is not type(other) and not (isinstance(one, int | float) and isinstance(other, int | float)):
        return f"at {where or '/'}: {_shown(one)} for {_shown(other)}"
    if isinstance(one, dict):
        for key in one.keys() | other.keys():
            if key not in one or key not in other:
                return f"at {where}/{key}: {'missing' if key not in one else 'too much'}"
            if (found := _difference(one[key], other[key], f"{where}/{key}")) is not None:
                return found
        return None
    if isinstance(one, list):
        for index, (left, right) in enumerate(zip(one, other, strict=False)):
            if (found := _difference(left, right, f"{where}/{index}")) is not None:
                return found
        return None if len(one) == len(other) else f"at {where}: {len(one)} elements for {len(other)}"
    return None if one == other else f"at {where}: {_shown(one)} for {_shown(other)}"


def _shown(value: Any) -> str:
    return repr(value)[:200]
