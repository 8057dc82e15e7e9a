"""T14, S-62: whoever is slow, or stops, is ended, frees what he held, and holds up nobody."""

import asyncio

import pytest

from proxy.web.guard import Patience
from tests.servers.listener import HANGS_SECONDS, QUERY_RANGE, Listener, listening, read_all, source
from tests.servers.scripted import Connection, Scripted, Seen, json_answer

HEAD = b"POST /ds/prom/x HTTP/1.1\r\nHost: m\r\nContent-Length: 1000000\r\n\r\n"


async def drip(millpond: Listener, start: bytes, more: bytes) -> bytes:
    """Send `start`, then one byte of `more` after the other for ever; what came back until the connection ended."""
    reader, writer = await millpond.connect()

    async def send() -> None:
        writer.write(start)
        while not reader.at_eof():
            writer.write(more)
            await asyncio.sleep(0.02)

    sending = asyncio.create_task(send())
    try:
        async with asyncio.timeout(HANGS_SECONDS):
            return await read_all(reader)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.transport.abort()


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"", b""),
        (b"GET /ds/prom/x HT", b""),
        (b"GET /ds/prom/x HTTP/1.1\r\nX-A: ", b"a"),
        (HEAD, b""),
        (HEAD, b"a"),
        (HEAD.replace(b"/x", b"/api/v1/query_range"), b"a"),
        (HEAD.replace(b"Content-Length: 1000000", b"Transfer-Encoding: chunked"), b"1\r\na\r\n"),
        (HEAD.replace(b"Host", b"Expect: 100-continue\r\nHost"), b""),
    ],
    ids=["nothing", "half a line", "dripping head", "no body", "dripping body", "body read first", "chunks", "expects"],
)
async def test_a_slow_client_is_ended_and_holds_up_nobody(start: bytes, more: bytes) -> None:
    patience = Patience(head_seconds=0.5, body_seconds=0.5, idle_seconds=0.5, sweep_seconds=0.05)
    async with (
        Scripted(json_answer(b"{}")) as upstream,
        listening(source(upstream.url, max_concurrent=32), patience=patience) as millpond,
    ):
        slow = [asyncio.create_task(drip(millpond, start, more)) for _ in range(20)]
        reply = await millpond.ask("/ds/prom/x")
        assert reply.status == 200
        answers = await asyncio.gather(*slow)
        assert set(answers) <= {b"", b"HTTP/1.1 100 Continue\r\n\r\n"}
        # Their slots are free again.
        replies = await asyncio.gather(*(millpond.ask("/ds/prom/x") for _ in range(32)))
        assert {reply.status for reply in replies} == {200}
        assert len(upstream.requests) == 33


async def test_a_slow_source_is_no_fault_of_the_client() -> None:
    go_on = asyncio.Event()
    body = b"a" * (8 << 20)
    read = []

    async def answer(_: Seen, connection: Connection) -> None:
        await go_on.wait()
        read.append(await connection.reader.readexactly(len(body)))
        await connection.send(json_answer(b"{}"))

    async with Scripted(answer, reads_bodies=False) as upstream, listening(source(upstream.url)) as millpond:
        asked = asyncio.create_task(millpond.ask("/ds/prom/x", method="POST", body=body))
        while not upstream.requests:
            await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        stuck = 0
        while stuck < 100:  # until nothing moves any more
            [connection] = millpond.server.connections
            stuck = stuck + 1 if not connection.wants_body else 0  # type: ignore[attr-defined]  # a guarded one
            await asyncio.sleep(0)
        for later in range(0, 200, 20):
            connection.sweep(loop.time() + later, Patience())  # type: ignore[attr-defined]  # as above
        go_on.set()
        assert (await asked).status == 200
    assert read == [body]


async def test_a_client_that_does_not_read_is_ended() -> None:
    gone = asyncio.Event()

    async def answer(_: Seen, connection: Connection) -> None:
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        try:
            while not connection.ended:
                await connection.send(b"a" * 65536)
        finally:
            gone.set()

    patience = Patience(stall_seconds=0.3, sweep_seconds=0.05)
    async with Scripted(answer) as upstream, listening(source(upstream.url), patience=patience) as millpond:
        reader, writer = await millpond.connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a stream's transport reads too
        writer.write(f"GET /ds/prom{QUERY_RANGE} HTTP/1.1\r\nHost: m\r\n\r\n".encode())
        async with asyncio.timeout(HANGS_SECONDS):
            await gone.wait()
        assert not reader.at_eof()
        writer.transport.abort()
