"""Redis fails under a dashboard: on reading, and between reading and writing. The answers are the source's, and known
points are back when Redis is.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from ..engine.ranges import HOUR, STEP_MS, Board, parsed
from ..engine.stack import UID
from ..integration.test_delta_redis import on_redis
from ..servers.valkey import Valkey

WAIT_SECONDS = 60
TIMEOUT_MS = 1000
"""What a Redis that is well needs on a busy machine; one that hangs is waited for as long."""
NEXT = HOUR.moved(STEP_MS)


@pytest.fixture
def own_valkey() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server


@pytest.fixture
async def board(own_valkey: Valkey) -> AsyncIterator[Board]:
    async with on_redis(own_valkey, "delta-faults", timeout_ms=TIMEOUT_MS, max_concurrent=50) as board:
        yield board


async def well(board: Board) -> None:
    """Until it reads and writes again."""
    async with asyncio.timeout(WAIT_SECONDS):
        while (await board.see(NEXT)).x_cache != "HIT":
            await asyncio.sleep(0.02)


def broken(valkey: Valkey, how: str) -> None:
    valkey.kill() if how == "kill" else valkey.pause()


def mended(valkey: Valkey, how: str) -> None:
    valkey.start() if how == "kill" else valkey.resume()


@pytest.mark.parametrize("how", ["kill", "pause"])
async def test_a_look_up_that_fails_is_told_and_answered_by_the_source(
    board: Board, own_valkey: Valkey, how: str
) -> None:
    await board.see(HOUR)
    broken(own_valkey, how)
    board.took()
    for _ in range(8):  # the last of them find it left alone
        answered = await board.see(NEXT)
        assert answered.x_cache == "ERROR"
        assert answered.cache_status == "millpond; fwd=uri-miss; fwd-status=200; detail=store"
    assert board.took() == [NEXT.span] * 8
    mended(own_valkey, how)
    await well(board)


@pytest.mark.parametrize("how", ["kill", "pause"])
@pytest.mark.parametrize("known", [False, True], ids=["the whole", "a part"])
async def test_redis_goes_between_reading_and_writing(board: Board, own_valkey: Valkey, how: str, known: bool) -> None:
    if known:
        await board.see(HOUR)
    asked = len(board.took())
    board.stack.source.gate.clear()
    tasks = [asyncio.ensure_future(board.stack.ask(NEXT.ask)) for _ in range(10)]
    await board.stack.source.has(asked + 1)
    async with asyncio.timeout(WAIT_SECONDS):
        while await board.metric("coalesced_total") < len(tasks) - 1:  # some may still be reading
            await asyncio.sleep(0.01)
    broken(own_valkey, how)
    board.stack.source.gate.set()
    for answered in await asyncio.gather(*tasks):
        assert (answered.status, answered.x_cache) == (200, "MISS")
        assert parsed(answered.body) == parsed(board.truth(NEXT))
        assert "store" in answered.cache_status.partition("detail")[2]
        assert "stored" not in answered.cache_status.split("detail")[0]
    assert board.took() == [(NEXT.end_ms, NEXT.end_ms) if known else NEXT.span]
    assert await board.metric("not_stored_total", datasource_uid=UID, reason="store") >= 1
    mended(own_valkey, how)
    await well(board)


async def test_redis_is_emptied_between_reading_and_writing(board: Board, own_valkey: Valkey) -> None:
    """What was fetched is kept, and nothing is called known that is gone."""
    await board.see(HOUR)
    board.stack.source.gate.clear()
    asking = asyncio.ensure_future(board.stack.ask(NEXT.ask))
    await board.stack.source.has(2)
    own_valkey.ask("FLUSHALL")
    board.stack.source.gate.set()
    assert parsed((await asking).body) == parsed(board.truth(NEXT))
    board.took()
    await board.see(NEXT)
    assert board.took() == [NEXT.over(NEXT.start_ms, NEXT.end_ms - STEP_MS).span]
    assert (await board.see(NEXT)).x_cache == "HIT"


async def test_a_redis_that_takes_no_writes(board: Board, own_valkey: Valkey) -> None:
    """What is known stays known; what is new is asked for each time."""
    await board.see(HOUR)
    own_valkey.ask("CONFIG", "SET", "maxmemory", "1")
    for _ in range(3):
        answered = await board.see(NEXT)
        assert answered.x_cache == "MISS"
        assert answered.cache_status.endswith('store"')
    assert (await board.see(HOUR)).x_cache == "HIT"
    assert board.took() == [HOUR.span] + [(NEXT.end_ms, NEXT.end_ms)] * 3
    own_valkey.ask("CONFIG", "SET", "maxmemory", "0")
    await well(board)
