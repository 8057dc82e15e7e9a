"""Entries in Redis or Valkey, standalone or cluster. Every fault is a miss and a count, never an exception.

A call waits for Redis as long as its timeout says and no longer, connecting included; what it began goes on in a task
of its own to a clean end. So a connection that is slow to open serves the next call, and no reply is left unread on one
that goes back to the pool, whoever gives up or hangs up (CVE-2023-28858).
"""

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from ..config.schema import MIB, UID, Caching
from ..core.model import Entry, Key
from ..redis_connection import ANSWERED, connect, kind_of, now_ms, said
from ..telemetry.logs import Quiet
from . import wire
from .breaker import Breaker
from .store import ABSENT, ANY, Absent, Failed, Found, Lookup, Version

_log = logging.getLogger(__name__)
T = TypeVar("T")

_AT_ONCE = 64
_WAIT_SECONDS = 0.1
_PROBE_SECONDS = 1.0
_LOG_SECONDS = 10.0
_SWEEP_SECONDS = 60.0
_BATCH = 1000
_HEAD_BYTES = MIB
"""The most that a value may have besides its body; what is longer is none of ours, and not read to its end."""
_HEAVY_BYTES = 256 * 1024
"""So much is packed and unpacked beside the event loop."""

_POOL = "pool"
_EXPIRED = -2
_NAME = re.compile(rf"({UID}|[0-9]+/[^/:]+):([^:]+):[0-9a-f]{{64}}".encode())
_PUT_OVER = f"""
if redis.call('GETRANGE', KEYS[1], 0, {wire.HEAD_BYTES - 1}) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
return 1
"""


class _PoolBusy(Exception):
    """No connection came free in time, which says nothing about Redis."""


class RedisStore:
    """A `Store`. `on_fault` is told the operation and the kind of each fault, both from closed lists."""

    def __init__(
        self,
        caching: Caching,
        *,
        on_fault: Callable[[str, str], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._prefix = f"{caching.redis.prefix}:c:"
        self._on_fault = on_fault
        self._monotonic = monotonic
        self._breaker = Breaker()
        self._refused: set[str] = set()
        """The operations whose last call failed."""
        self._read_seconds = caching.read_timeout_ms / 1000
        self._write_seconds = caching.write_timeout_ms / 1000
        connect_seconds = caching.connection_timeout_ms / 1000
        self._most_seconds = connect_seconds + max(self._read_seconds, self._write_seconds)
        self._client = connect(
            caching, connect_seconds=connect_seconds, read_seconds=max(self._read_seconds, self._write_seconds)
        )
        self._max_value_bytes = caching.max_value_bytes
        self._last_byte = caching.max_value_bytes + _HEAD_BYTES - 1
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._running: set[asyncio.Task[Any]] = set()
        self._writing: set[asyncio.Task[bool]] = set()
        self._probing: asyncio.Task[None] | None = None
        self._quiet = Quiet(_LOG_SECONDS)

    @property
    def degraded(self) -> bool:
        """Whether Redis is left alone because it fails, or refused what it was last asked."""
        return self._breaker.is_open or bool(self._refused)

    async def get(self, key: Key) -> Lookup:
        (lookup,) = await self._look_up((key,))
        return lookup

    async def get_many(self, keys: Sequence[Key]) -> Sequence[Lookup]:
        return await self._look_up(keys) if keys else ()

    async def put(self, key: Key, entry: Entry, *, over: Version | None = ANY) -> bool:
        if self._breaker.is_open or len(entry.body) > self._max_value_bytes:
            return False
        task = self._begin(self._write(key, entry, over, self._monotonic()))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        try:
            kept = await _within(self._write_seconds, task)
        except Exception as error:
            self._fault("put", error)
            return False
        self._succeeded("put")
        return kept

    async def sweep(self, generations: Mapping[str, str]) -> bool:
        """SCAN and UNLINK on every master, never a name that is not one of ours. Values on their way are let in first:
        they may be of an earlier generation."""
        try:
            async with asyncio.timeout(_SWEEP_SECONDS):
                if self._writing:
                    await asyncio.wait(self._writing)
                await self._unlink_others(generations)
        except Exception as error:
            self._note("sweep", kind_of(error), error)
            return False
        return True

    async def start(self) -> None:
        """Connections are made when they are needed: a Redis that is down costs misses, not the start."""

    async def close(self) -> None:
        if self._probing is not None:
            self._probing.cancel()
            with suppress(asyncio.CancelledError):
                await self._probing
        if self._running:
            await asyncio.wait(self._running)
        await self._client.aclose()

    async def _look_up(self, keys: Sequence[Key]) -> Sequence[Lookup]:
        """One wait and one verdict for all of them, however much it is that they have to bring."""
        if self._breaker.is_open:
            return [Failed("open")] * len(keys)
        task = self._begin(self._read([self._name(key) for key in keys]))
        try:
            found = await _within(self._read_seconds, task)
            values = [value for value, _ in found]
            heavy = sum(map(wire.unpacked_bytes, values)) >= _HEAVY_BYTES
            entries = await asyncio.to_thread(self._decode, keys, values) if heavy else self._decode(keys, values)
        except Exception as error:  # of this protocol no call raises, whatever Redis says
            return [Failed(self._fault("get", error))] * len(keys)
        self._succeeded("get")
        return [self._told(entry, *stored) for entry, stored in zip(entries, found, strict=True)]

    def _decode(self, keys: Sequence[Key], values: Sequence[bytes]) -> list[Entry | None]:
        return [wire.decode(key, value, self._max_value_bytes) for key, value in zip(keys, values, strict=True)]

    def _told(self, entry: Entry | None, value: bytes, left_ms: int) -> Lookup:
        if not value or left_ms == _EXPIRED:
            return ABSENT
        version = value[: wire.HEAD_BYTES]
        if entry is None or left_ms < 0:  # without an expiry it is not ours
            self._note("get", "value")
            return Absent(version)
        # The age is what is gone of the expiry: no replica's wall clock counts (ADR 6). More left than there ever was:
        # Redis' own clock was set back.
        return Found(entry, entry.keep_ms - left_ms, version) if left_ms <= entry.keep_ms else Absent(version)

    async def _read(self, names: Sequence[str]) -> list[tuple[bytes, int]]:
        """Of each the value, b"" where there is none, and what is left of its expiry, in one round trip. The expiry comes
        first: of a value that is written between the two, it makes an older one, not a younger."""
        async with self._slot(), asyncio.timeout(self._most_seconds):
            pipeline = self._client.pipeline(transaction=False)
            for name in names:
                pipeline.pttl(name).getrange(name, 0, self._last_byte)
            replies = await pipeline.execute()
            values = list(zip(replies[1::2], replies[::2], strict=True))
            if not all(isinstance(value, bytes) and isinstance(left_ms, int) for value, left_ms in values):
                raise ValueError("not what these commands answer")
            return values

    async def _write(self, key: Key, entry: Entry, over: Version | None, fetched: float) -> bool:
        """Expiry at a time, not after a while: a Redis that hangs runs what waits in its sockets when it wakes, long
        after the caller gave up, and would take an old answer for a new one."""
        name = self._name(key)
        heavy = len(entry.body) >= _HEAVY_BYTES
        value = await asyncio.to_thread(wire.encode, key, entry) if heavy else wire.encode(key, entry)
        async with self._slot(), asyncio.timeout(self._most_seconds):
            now = await now_ms(self._client, name)
            waited_ms = int((self._monotonic() - fetched) * 1000)
            until_ms = now - waited_ms + entry.keep_ms
            if over is ANY:
                reply = await self._client.set(name, value, pxat=until_ms)
            else:
                reply = await self._client.eval(_PUT_OVER, 1, name, b"" if over is None else over, value, until_ms)
            if reply not in (0, 1):
                raise ValueError("not what these commands answer")
            return bool(reply)

    async def _unlink_others(self, generations: Mapping[str, str]) -> None:
        others: list[bytes] = []
        prefix = self._prefix.encode()
        current = {uid.encode(): generation.encode() for uid, generation in generations.items()}
        async for name in self._client.scan_iter(match=f"{_escape(self._prefix)}*", count=_BATCH):
            match = _NAME.fullmatch(name.removeprefix(prefix))
            if match is not None and current.get(match[1]) != match[2]:
                others.append(name)
            if len(others) >= _BATCH:
                await self._client.unlink(*others)
                others.clear()
        if others:
            await self._client.unlink(*others)

    def _name(self, key: Key) -> str:
        return f"{self._prefix}{key.uid}:{key.generation}:{key.digest.hex()}"

    def _succeeded(self, operation: str) -> None:
        self._breaker.succeeded()
        self._refused.discard(operation)

    def _fault(self, operation: str, error: BaseException) -> str:
        kind = _POOL if isinstance(error, _PoolBusy) else kind_of(error)
        self._note(operation, kind, error)
        if kind == _POOL:
            return kind
        self._refused.add(operation)
        if kind in ANSWERED:
            self._breaker.succeeded()
            return kind
        self._breaker.failed()
        if self._breaker.is_open and (self._probing is None or self._probing.done()):
            text = "Redis fails and is left alone: answers come from the sources"
            self._quiet.log(_log, logging.WARNING, "open", text, {"kind": kind})
            self._probing = asyncio.create_task(self._probe(), name="redis probe")
        return kind

    async def _probe(self) -> None:
        """While Redis is left alone it is asked in the background, so that no request waits to see whether it is back."""
        while self._breaker.is_open:
            await asyncio.sleep(_PROBE_SECONDS)
            try:
                await self._read([self._prefix])
            except Exception as error:
                self._note("probe", kind_of(error), error)
            else:
                self._breaker.succeeded()
                self._refused.clear()
                self._quiet.log(_log, logging.INFO, "closed", "Redis answers again")

    def _note(self, operation: str, kind: str, error: BaseException | None = None) -> None:
        self._on_fault(operation, kind)
        extra = {"operation": operation, "kind": kind} | ({"error": said(error)} if error is not None else {})
        self._quiet.log(_log, logging.WARNING, f"{operation} {kind}", "Redis failed", extra)

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # nobody asks for that of a call that was given up

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """Bounds the connections, waiting briefly. redis-py's pools do not tell a full pool from a Redis that is down."""
        if self._slots.locked():
            try:
                async with asyncio.timeout(_WAIT_SECONDS):
                    await self._slots.acquire()
            except TimeoutError:
                raise _PoolBusy from None
        else:
            await self._slots.acquire()
        try:
            yield
        finally:
            self._slots.release()


async def _within(seconds: float, task: asyncio.Task[T]) -> T:
    """The task's result; TimeoutError when it takes longer, and the task goes on."""
    await asyncio.wait((task,), timeout=seconds)
    if not task.done():
        raise TimeoutError
    return task.result()


def _escape(text: str) -> str:
    return "".join(f"\\{char}" if char in "*?[]\\^-" else char for char in text)
