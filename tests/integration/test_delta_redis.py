"""Chunks in a real Valkey: what lies there, what two Millponds write at once, and values that nobody of ours wrote."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis import Redis as Client

from proxy.cache import wire
from proxy.cache.redis import RedisStore
from proxy.config.schema import Caching, Duration, Redis, Secret
from proxy.core import chunk
from proxy.core.chunk import Chunk
from proxy.core.extents import Extent
from proxy.core.matrix import FLOAT_ENDS, Matrix, Runs
from proxy.core.model import Entry, Key
from tests.engine.ranges import HOUR, STEP_MS, Board, View, dashboard, parsed
from tests.engine.stack import NOW_MS, Answered, Clock
from tests.servers.valkey import Valkey

NEXT = HOUR.moved(STEP_MS)


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    return f"delta-{request.node.name}"


@asynccontextmanager
async def on_redis(valkey: Valkey, prefix: str, *, timeout_ms: int = 10_000, **settings: Any) -> AsyncIterator[Board]:
    """The timeout is longer than any machine needs: where Redis is well, a test is not about it."""
    patience = Duration(timeout_ms)
    caching = Caching(
        backend="redis",
        redis=Redis(url=Secret(valkey.url), prefix=prefix),
        connection_timeout_ms=patience,
        read_timeout_ms=patience,
        write_timeout_ms=patience,
    )
    stores: list[RedisStore] = []

    def store(clock: Clock) -> RedisStore:
        stores.append(RedisStore(caching, on_fault=lambda operation, kind: None))
        return stores[-1]

    async with dashboard(store=store, caching=caching, **settings) as board:
        board.stack.clock.seconds += 5  # what lies in Redis ages by itself, and no point is to lie ahead
        try:
            yield board
        finally:
            for each in stores:
                await each.close()


def values(valkey: Valkey, prefix: str) -> dict[str, Entry]:
    """What is cached, by its name."""
    found = {}
    with Client(port=valkey.port) as client:
        for name in client.scan_iter(count=1000):
            if name.startswith(f"{prefix}:c:".encode()):
                value = client.get(name)
                assert isinstance(value, bytes)
                entry = wire.decode(key_of(name.decode()), value, 2**24)
                assert entry is not None
                found[name.decode()] = entry
    return found


def key_of(name: str) -> Key:
    *_, uid, generation, digest = name.split(":")
    return Key(uid=uid, generation=generation, digest=bytes.fromhex(digest))


async def test_a_refresh_is_read_back_from_redis(valkey: Valkey, prefix: str) -> None:
    async with on_redis(valkey, prefix) as board:
        await board.see(HOUR)
        view, _ = await board.refresh(HOUR, STEP_MS)
        assert (await board.see(view)).x_cache == "HIT"
        assert board.took() == [HOUR.span, (view.end_ms, view.end_ms)]
        chunks = [chunk.decode(entry.body) for entry in values(valkey, prefix).values()]
        assert chunks
        assert all(each is not None for each in chunks)


async def test_unaligned_clients_leave_no_chunk(valkey: Valkey, prefix: str) -> None:
    async with on_redis(valkey, prefix) as board:
        short = View(start_ms=NOW_MS - 60_000, end_ms=NOW_MS)
        for phase_ms in range(1, 1001):
            await board.see(short.moved(phase_ms))
        kept = values(valkey, prefix)
        assert len(kept) == 1000
        assert all(chunk.decode(entry.body) is None for entry in kept.values())
        assert (await board.see(short.moved(7))).x_cache == "HIT"
        await board.see(short.over(short.start_ms + 7, short.end_ms - STEP_MS + 7))  # the phase is seen again
        assert len(values(valkey, prefix)) > 1000


@pytest.mark.parametrize("known", [False, True])
async def test_two_millponds_that_write_one_chunk_lose_nothing(
    valkey: Valkey, prefix: str, known: bool, tmp_path: Path
) -> None:
    async with on_redis(valkey, prefix, data_dir=tmp_path, max_concurrent=100) as one:
        url = one.stack.runtime.config.url
        async with on_redis(valkey, prefix, data_dir=tmp_path, max_concurrent=100, url=url) as other:
            short = HOUR.over(HOUR.start_ms, HOUR.start_ms + 2 * STEP_MS)
            views = [short.moved(3 * STEP_MS * number) for number in range(40)]
            if known:
                await one.see(views[7])
            asked = len(one.took())
            one.stack.source.gate.clear()
            tasks: list[asyncio.Task[Answered]] = []
            for number, view in enumerate(views):
                board = (one, other)[number % 2]
                tasks.append(asyncio.ensure_future(board.stack.ask(view.ask)))
            await one.stack.source.has(asked + len(views) - known)
            one.stack.source.gate.set()
            for view, reply in zip(views, await asyncio.gather(*tasks), strict=True):
                assert parsed(reply.body) == parsed(one.truth(view))
            one.took()
            whole = short.over(short.start_ms, views[-1].end_ms)
            for board in (one, other):
                reply = await board.stack.ask(whole.ask)
                assert parsed(reply.body) == parsed(one.truth(whole))
                assert reply.x_cache == "HIT"
            assert one.took() == []


def _encoded(infos: Sequence[str]) -> bytes:
    index = HOUR.end_ms // STEP_MS
    samples = b"".join(b'[%d,"1"],' % (at * STEP_MS // 1000) for at in (index - 1, index))
    floats = Runs(blob=samples, begins=(0,), ends=(len(samples),), between=FLOAT_ENDS)
    matrix = Matrix(names=b'{"a":"b"}\n', floats=floats, is_compact=True)
    extent = Extent(index - 1, index, 0, 60_000, False)
    return chunk.encode(Chunk(extents=[extent], matrix=matrix, infos=infos))


def _with_infos(infos: object) -> bytes:
    """Of another JSON in place of the list of texts."""
    good = _encoded(["x" * (len(orjson.dumps(infos)) - 4)])
    return good.replace(orjson.dumps(["x" * (len(orjson.dumps(infos)) - 4)]), orjson.dumps(infos))


FORGED: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda body: b"",
    "a byte": lambda body: b"\x01",
    "text": lambda body: b"no chunk at all " * 100,
    "cut at its end": lambda body: body[:-1],
    "cut at its beginning": lambda body: body[1:],
    "its half": lambda body: body[: len(body) // 2],
    "zeros": lambda body: bytes(len(body)),
    "ones": lambda body: b"\xff" * len(body),
    "another version": lambda body: body[:-1] + b"\x09",
    "infos that are numbers": lambda body: _with_infos([1000, 2000]),
    "infos that are a number": lambda body: _with_infos(1234567),
    "infos that are lists": lambda body: _with_infos([["abcde"]]),
    "infos that are an object": lambda body: _with_infos({"abcde": 1}),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
async def test_a_forged_chunk_is_a_miss(valkey: Valkey, prefix: str, forge: Callable[[bytes], bytes]) -> None:
    """Whole and with its checksum, so that only the chunk itself is wrong."""
    async with on_redis(valkey, prefix) as board:
        await board.see(HOUR)
        with Client(port=valkey.port) as client:
            for name, entry in values(valkey, prefix).items():
                body = forge(entry.body)
                assert body != entry.body
                client.set(name, wire.encode(key_of(name), replace(entry, body=body)), px=entry.keep_ms)
        await board.see(HOUR)
        board.stack.clock.seconds += STEP_MS / 1000
        await board.see(NEXT)
        assert (await board.see(NEXT)).x_cache == "HIT"


@pytest.mark.parametrize(
    "forge", [lambda body: body.replace(b"{", b"["), lambda body: body.replace(b",", b"!")], ids=["labels", "samples"]
)
async def test_samples_that_cannot_be_read_fail_no_request(
    valkey: Valkey, prefix: str, forge: Callable[[bytes], bytes]
) -> None:
    async with on_redis(valkey, prefix) as board:
        await board.see(HOUR)
        with Client(port=valkey.port) as client:
            for name, entry in values(valkey, prefix).items():
                value = wire.encode(key_of(name), replace(entry, body=forge(entry.body)))
                client.set(name, value, px=entry.keep_ms)
        shown = await board.see(NEXT)
        assert (shown.status, shown.x_cache) == (200, "ERROR")


@pytest.mark.parametrize("value", [b"", b"MP", b"x" * 5_000])
async def test_a_value_that_is_no_entry_is_a_miss_and_is_written_over(
    valkey: Valkey, prefix: str, value: bytes
) -> None:
    async with on_redis(valkey, prefix) as board:
        await board.see(HOUR)
        with Client(port=valkey.port) as client:
            for name in values(valkey, prefix):
                client.set(name, value, px=60_000)
        assert (await board.see(HOUR)).x_cache == "MISS"
        assert (await board.see(HOUR)).x_cache == "HIT"


async def test_a_chunk_that_is_copied_over_another_is_a_miss(valkey: Valkey, prefix: str) -> None:
    async with on_redis(valkey, prefix) as board:
        await board.see(HOUR)
        others = set(values(valkey, prefix))
        await board.see(replace(HOUR, query="up * 2"))
        with Client(port=valkey.port) as client:
            for name, other in zip(sorted(set(values(valkey, prefix)) - others), sorted(others), strict=True):
                client.copy(name, other, replace=True)
        assert (await board.see(HOUR)).x_cache == "MISS"
