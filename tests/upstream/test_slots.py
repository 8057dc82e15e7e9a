"""A source has so many slots; every way in which a request can end gives its slot back, and the connection is not reused
unless both bodies went over it whole.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from proxy.errors import BadRequest, UpstreamError
from proxy.upstream.client import Upstream
from proxy.upstream.response import Response
from proxy.upstream.switched import Switched
from tests.servers.scripted import Connection, Scripted, Seen, answer, chunk

from .asking import client, read, whole, write

ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""For the key of RFC 6455's example."""
OPEN = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"a")


def switching(protocol: str, accept: str) -> bytes:
    fields = f"Connection: Upgrade\r\nUpgrade: {protocol}\r\nSec-WebSocket-Accept: {accept}\r\n"
    return f"HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n".encode()


async def by_target(seen: Seen, connection: Connection) -> None:
    match seen.target:
        case "/silent":
            await connection.gone()
        case "/open":
            await connection.send(OPEN)
            await connection.gone()
        case "/reset":
            connection.reset()
        case "/cut":
            await connection.send(OPEN)
            connection.reset()
        case "/switches":
            await connection.send(switching("websocket", ACCEPT) + b"hello")
            await connection.gone()
        case "/switches-to-another":
            await connection.send(switching("h2c", ACCEPT))
        case "/switches-unasked":
            await connection.send(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        case "/switches-with-another-key":
            await connection.send(switching("websocket", "s3pPLMBiTxaQ9kYGzzhZRbK+xOp="))
        case "/refuses-websockets":
            await connection.send(answer(b"no", status="403 Forbidden"))
        case _:
            await connection.send(answer(b"fine"))


async def cancelled_while_waiting(source: Upstream, scripted: Scripted) -> None:
    task = asyncio.create_task(whole(source, read("/silent")))
    while not scripted.requests:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def cancelled_while_reading(source: Upstream, scripted: Scripted) -> None:
    response = await source.fetch(read("/open"))
    chunks = response.chunks()
    assert await anext(chunks) == b"a"
    task = asyncio.ensure_future(anext(chunks))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def left_unread(source: Upstream, scripted: Scripted) -> None:
    response = await source.fetch(read("/open"))
    await response.aclose()
    await response.aclose()


async def broken_off(source: Upstream, scripted: Scripted) -> None:
    for target in ("/reset", "/cut"):
        with pytest.raises(UpstreamError):
            await whole(source, read(target))


async def client_broke_off(source: Upstream, scripted: Scripted) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"a"
        raise BadRequest("broken")

    with pytest.raises(BadRequest):
        await whole(source, write(body=body()))


async def websocket_refused(source: Upstream, scripted: Scripted) -> None:
    refusal = await source.websocket(read("/refuses-websockets"))
    assert isinstance(refusal, Response)
    assert (refusal.status, b"".join([chunk async for chunk in refusal.chunks()])) == (403, b"no")


async def websocket_reset(source: Upstream, scripted: Scripted) -> None:
    with pytest.raises(UpstreamError):
        await source.websocket(read("/reset"))


async def websocket_not_as_asked(source: Upstream, scripted: Scripted) -> None:
    for target in ("/switches-to-another", "/switches-unasked", "/switches-with-another-key"):
        with pytest.raises(UpstreamError, match="not HTTP"):
            await source.websocket(read(target, headers=(("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),)))


async def websocket_open(source: Upstream, scripted: Scripted) -> None:
    """Holds none: the test goes on with it open."""
    switched = await source.websocket(read("/switches", headers=(("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),)))
    assert isinstance(switched, Switched)
    assert await switched.end.read() == b"hello"


async def websocket_cancelled(source: Upstream, scripted: Scripted) -> None:
    task = asyncio.create_task(source.websocket(read("/silent")))
    while not scripted.requests:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


ENDINGS = [
    cancelled_while_waiting,
    cancelled_while_reading,
    left_unread,
    broken_off,
    client_broke_off,
    websocket_refused,
    websocket_reset,
    websocket_not_as_asked,
    websocket_open,
    websocket_cancelled,
]


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.__name__)
async def test_the_slot_is_free_again_once(ending: object) -> None:
    async with Scripted(by_target) as scripted, client(scripted.url, max_concurrent=1) as source:
        assert callable(ending)
        await ending(source, scripted)
        async with asyncio.timeout(20):
            first = await source.fetch(read("/open"))
        waiting = asyncio.create_task(source.fetch(read()))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not waiting.done(), "there is one slot, not two"
        await first.aclose()
        async with asyncio.timeout(20):
            assert b"".join([one async for one in (await waiting).chunks()]) == b"fine"


async def test_one_cancelled_in_the_queue_takes_no_slot() -> None:
    async with Scripted(by_target) as scripted, client(scripted.url, max_concurrent=1) as source:
        first = await source.fetch(read("/open"))
        waiting = [asyncio.create_task(source.fetch(read())) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await first.aclose()
        waiting[1].cancel()
        async with asyncio.timeout(20):
            await (await waiting[2]).aclose()
            assert await whole(source, read()) == b"fine"
        for task in waiting[:2]:
            with suppress(asyncio.CancelledError):
                await (await task).aclose()


async def test_a_connection_is_used_again_after_a_whole_answer_only() -> None:
    async with Scripted(by_target) as scripted, client(scripted.url) as source:
        for _ in range(3):
            await whole(source, read())
        assert scripted.connections == 1
        await left_unread(source, scripted)
        await whole(source, read())
        assert scripted.connections == 2


async def test_an_answer_that_comes_before_the_body_is_sent_ends_the_connection() -> None:
    """The rest of the body would be the next request's beginning."""
    go_on = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"a" * 10
        await go_on.wait()
        yield b"GET /smuggled HTTP/1.1\r\n\r\n"

    async def early(_: Seen, connection: Connection) -> None:
        await connection.send(answer(b"too much", status="413 Content Too Large"))

    async with Scripted(early, reads_bodies=False) as scripted, client(scripted.url) as source:
        outgoing = read(method="POST", headers=(("Content-Length", "1000"),), body=body())
        response = await source.fetch(outgoing)
        assert response.status == 413
        assert [chunk async for chunk in response.chunks()] == [b"too much"]
        go_on.set()
        await whole(source, read("/next"))
        assert [seen.connection for seen in scripted.requests if seen.target == "/next"] == [2]
    assert "/smuggled" not in scripted.targets
