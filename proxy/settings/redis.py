"""The settings in Redis, shared by all replicas: one hash without expiry, so one slot of a cluster and one round trip.

A change is optimistic: read the hash, edit, and write only where its version is still the one that was read. The write
also carries a deadline by Redis' own clock, taken with the reading: a Redis that hung while the command waited in its
socket refuses it when it wakes, long after the caller was told that nothing has changed.
"""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ..config.schema import Caching
from ..errors import SettingsNotDurable, SettingsUnreadable
from ..redis_connection import ANSWERED, FAULTS, Client, connect, kind_of, said
from .contents import Contents, decode, encode, merge
from .store import Edit

_POLL_SECONDS = 0.25
_WRITE_SECONDS = 2.0
_DEADLINE_MS = 1000  # under _WRITE_SECONDS: a caller that gave up knows that Redis gives up too
_ATTEMPTS = 200  # each failed one means that another process' change went through

_SOURCE = "source:"

_READ = """
local time = redis.call('TIME')
return {time[1] * 1000 + math.floor(time[2] / 1000), redis.call('HGETALL', KEYS[1])}
"""
_WRITE = """
local time = redis.call('TIME')
if time[1] * 1000 + math.floor(time[2] / 1000) > tonumber(ARGV[2]) then return 'late' end
if (redis.call('HGET', KEYS[1], 'version') or '') ~= ARGV[1] then return 'changed' end
for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
return 'ok'
"""

_FAILURES = (*FAULTS, KeyError, TypeError, AttributeError)
"""Of Redis, or of what is kept there and cannot be read."""


class RedisSettings:
    """A `SettingsStore`."""

    def __init__(self, caching: Caching) -> None:
        self._key = f"{caching.redis.prefix}:s:settings"
        self._quick = connect(caching, connect_seconds=_POLL_SECONDS, read_seconds=_POLL_SECONDS)
        self._slow = connect(caching, connect_seconds=_WRITE_SECONDS, read_seconds=_WRITE_SECONDS)

    async def start(self) -> None:
        """Connections open when they are needed: a Redis that is down is found by the first reading."""

    async def load(self) -> Contents:
        with _reading():
            return (await self._read(self._quick))[1]

    async def version(self) -> str:
        with _reading():
            version = await self._quick.hget(self._key, "version")
            return "" if version is None else str(version.decode())

    async def change(self, edit: Edit) -> Contents:
        for _ in range(_ATTEMPTS):
            with _writing():
                now_ms, old = await self._read(self._slow)
            new = edit(old)
            if new.same(old):
                return old
            new = replace(new, version=secrets.token_hex(8))
            with _writing():
                result = await self._write(old, new, now_ms + _DEADLINE_MS)
            if result == b"ok":
                return new
            if result == b"late":
                raise _not_durable("it did not answer in time")
        raise _not_durable("too many processes are changing the settings at once")

    async def close(self) -> None:
        await self._quick.aclose()
        await self._slow.aclose()

    async def _read(self, client: Client) -> tuple[int, Contents]:
        now_ms, flat = await client.eval(_READ, 1, self._key)
        fields = dict(zip((name.decode() for name in flat[::2]), flat[1::2], strict=True))
        records = {
            name.removeprefix(_SOURCE): decode(text) for name, text in fields.items() if name.startswith(_SOURCE)
        }
        return int(now_ms), Contents(
            version=fields.get("version", b"").decode(),
            generation=fields.get("generation", b"").decode(),
            records=records,
        )

    async def _write(self, old: Contents, new: Contents, deadline_ms: int) -> bytes:
        pairs = ["version", new.version, "generation", new.generation]
        for uid, record in new.records.items():
            if record != old.records.get(uid):
                pairs += [_SOURCE + uid, encode(record)]
        try:
            result: bytes = await self._slow.eval(_WRITE, 1, self._key, old.version, deadline_ms, *pairs)
        except _FAILURES as error:
            if kind_of(error) in ANSWERED:
                raise
            # The answer was lost, not always the change. Once the deadline has passed it can no longer happen.
            await asyncio.sleep(_DEADLINE_MS / 1000)
            try:
                _, now = await self._read(self._slow)
            except _FAILURES:
                raise SettingsNotDurable(
                    f"The change could not be saved, and nothing has changed here: Redis failed ({said(error)}) "
                    f"before it answered. Should it have taken the change, that comes into force when Redis is back."
                ) from error
            if not merge(now, new).same(now):
                raise
            return b"ok"
        return result


# A failure is told by its kind alone: redis-py's texts may hold the URL, and with it the password.


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except _FAILURES as error:
        raise SettingsUnreadable(f"Redis could not be read ({said(error)}).") from error


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except _FAILURES as error:
        raise _not_durable(said(error)) from error


def _not_durable(reason: str) -> SettingsNotDurable:
    return SettingsNotDurable(
        f"The change could not be saved, and nothing has changed: Redis did not take it ({reason})."
    )
