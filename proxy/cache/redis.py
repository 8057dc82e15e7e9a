"""Entries in Redis or Valkey, standalone or cluster. Every fault is a miss and a count, never an exception.

redis-py's defaults are for batch jobs: ten retries with backoff, five seconds a try, an exception when the pool is
empty. Here a command is tried once, briefly; so many at once, and the others wait briefly.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import redis.asyncio
from redis import exceptions
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from ..config.schema import Caching
from ..core.model import Entry, Key
from . import wire
from .breaker import Breaker
from .store import ABSENT, Failed, Found, Lookup

_log = logging.getLogger("millpond.cache")
T = TypeVar("T")

_AT_ONCE = 64
_WAIT_SECONDS = 0.1
_CLEAR_SECONDS = 60.0
_SCAN_COUNT = 1000

_FAULTS = (exceptions.RedisError, exceptions.RedisClusterException, OSError, TimeoutError, ValueError)
_KINDS: tuple[tuple[type[BaseException], str], ...] = (
    (exceptions.MaxConnectionsError, "pool"),
    (exceptions.AuthenticationError, "auth"),
    (exceptions.NoPermissionError, "auth"),
    (exceptions.OutOfMemoryError, "oom"),
    (exceptions.ReadOnlyError, "readonly"),
    (exceptions.TimeoutError, "timeout"),
    (TimeoutError, "timeout"),
    (exceptions.InvalidResponse, "protocol"),
    (exceptions.ResponseError, "refused"),
    (exceptions.ConnectionError, "connect"),
    (exceptions.RedisClusterException, "connect"),
    (OSError, "connect"),
)
_ANSWERED = frozenset(("oom", "readonly", "refused"))
"""Redis answered, if only to refuse: reads go on."""
_GONE = (0, -2)
"""PTTL of a key that expired after it was read; without an expiry, which is not ours, it is -1."""


class RedisStore:
    """A `Store`. `on_fault` is told the operation and the kind of each fault."""

    def __init__(self, caching: Caching, *, on_fault: Callable[[str, str], None]) -> None:
        self._prefix = f"{caching.redis.prefix}:c:"
        self._on_fault = on_fault
        self._breaker = Breaker()
        self._write_seconds = caching.write_timeout_ms / 1000
        self._client = _client(caching)
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._running: set[asyncio.Task[Any]] = set()

    @property
    def degraded(self) -> bool:
        """Whether Redis is left alone because it fails."""
        return self._breaker.is_open

    async def get(self, key: Key) -> Lookup:
        if not self._breaker.allows():
            return Failed("open")
        # Shielded: a client that hangs up must not leave a reply unread on a connection that goes back to the pool.
        return await self._shielded(self._get(key))

    async def put(self, key: Key, entry: Entry) -> bool:
        if not self._breaker.allows():
            return False
        return await self._shielded(self._put(key, entry))

    async def clear(self, uid: str | None = None) -> bool:
        pattern = f"{_escape(self._prefix)}{f'{_escape(uid)}:' if uid is not None else ''}*"
        try:
            async with asyncio.timeout(_CLEAR_SECONDS):
                await self._delete(pattern)
        except _FAULTS as error:
            self._fault("clear", error)
            return False
        return True

    async def start(self) -> None:
        """Connections are made when they are needed: a Redis that is down costs misses, not the start."""

    async def close(self) -> None:
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._client.aclose()

    async def _get(self, key: Key) -> Lookup:
        name = self._name(key)
        try:
            # The age comes from what is left of the expiry: no replica's wall clock counts (ADR 6).
            async with self._slot():
                pipeline = self._client.pipeline(transaction=False)
                value, left_ms = await pipeline.get(name).pttl(name).execute()
        except _FAULTS as error:
            return Failed(self._fault("get", error))
        self._breaker.succeeded()
        if value is None or left_ms in _GONE:
            return ABSENT
        entry = wire.decode(key, value)
        if entry is None or left_ms < 0:
            self._on_fault("get", "value")
            return ABSENT
        return Found(entry, max(0, entry.keep_ms - left_ms))

    async def _put(self, key: Key, entry: Entry) -> bool:
        try:
            async with self._slot(), asyncio.timeout(self._write_seconds):
                await self._client.set(self._name(key), wire.encode(key, entry), px=entry.keep_ms)
        except _FAULTS as error:
            self._fault("put", error)
            return False
        self._breaker.succeeded()
        return True

    async def _delete(self, pattern: str) -> None:
        """SCAN and UNLINK on every master; never anything outside the pattern."""
        batch: list[bytes] = []
        async for name in self._scan(pattern):
            batch.append(name)
            if len(batch) >= _SCAN_COUNT:
                await self._unlink(batch)
                batch = []
        await self._unlink(batch)

    def _scan(self, pattern: str) -> AsyncIterator[bytes]:
        names: AsyncIterator[bytes] = self._client.scan_iter(match=pattern, count=_SCAN_COUNT)
        return names

    async def _unlink(self, names: list[bytes]) -> None:
        if not names:
            return
        if isinstance(self._client, RedisCluster):
            for name in names:  # they lie in different slots
                await self._client.unlink(name)
        else:
            await self._client.unlink(*names)

    def _name(self, key: Key) -> str:
        return f"{self._prefix}{key.uid}:{key.generation}:{key.digest.hex()}"

    def _fault(self, operation: str, error: BaseException) -> str:
        kind = next((kind for known, kind in _KINDS if isinstance(error, known)), "other")
        if kind in _ANSWERED:
            self._breaker.succeeded()
        elif kind != "pool":  # a rush of calls says nothing about Redis
            was_open = self._breaker.is_open
            self._breaker.failed()
            if self._breaker.is_open and not was_open:
                _log.warning("Redis fails and is left alone; answers come from the sources", extra={"kind": kind})
        self._on_fault(operation, kind)
        return kind

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """Bounds the connections, waiting briefly. redis-py's pools do not tell a full pool from a Redis that is down."""
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await self._slots.acquire()
        except TimeoutError:
            raise exceptions.MaxConnectionsError("every connection is in use") from None
        try:
            yield
        finally:
            self._slots.release()

    async def _shielded(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)


def _client(caching: Caching) -> Any:
    """redis-py's own types promise both sync and async results, hence Any."""
    options: dict[str, Any] = {
        "socket_timeout": caching.read_timeout_ms / 1000,
        "socket_connect_timeout": caching.connection_timeout_ms / 1000,
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 0,
    }
    if caching.redis.cluster:
        hosts = (address.strip().rpartition(":") for address in caching.redis.cluster.split(","))
        nodes = [ClusterNode(host, int(port)) for host, _, port in hosts]
        url = urlsplit(caching.redis.url)  # the nodes are named apart; credentials and TLS are in the URL
        options["username"] = unquote(url.username) if url.username else None
        options["password"] = unquote(url.password) if url.password else None
        return RedisCluster(startup_nodes=nodes, ssl=url.scheme == "rediss", **options)
    return redis.asyncio.Redis.from_url(str(caching.redis.url), **options)


def _escape(text: str) -> str:
    return "".join(f"\\{char}" if char in "*?[]\\^-" else char for char in text)
