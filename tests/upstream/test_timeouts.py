"""Each of a source's time-outs ends its own wait, says so, and gives the slot back."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from proxy.errors import UpstreamBusy, UpstreamTimeout
from proxy.upstream import resolver
from proxy.upstream.sending import Deadline
from tests.servers.scripted import Answer, Connection, Scripted, Seen, answer, chunk

from .asking import client, read, whole, write

SHORT_MS = 50
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def silent(_: Seen, connection: Connection) -> None:
    await connection.gone()


async def silent_after_head(_: Seen, connection: Connection) -> None:
    await connection.send(HEAD + chunk(b"a"))
    await connection.gone()


async def dripping(_: Seen, connection: Connection) -> None:
    await connection.send(HEAD)
    while not connection.ended:
        await connection.send(chunk(b"a"))
        await asyncio.sleep(0.005)


async def early_hints_for_ever(_: Seen, connection: Connection) -> None:
    while not connection.ended:
        await connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        await asyncio.sleep(0)


async def fine(_: Seen, connection: Connection) -> None:
    await connection.send(answer(b"fine"))


@pytest.mark.parametrize(
    ("wait", "setting", "behaviour"),
    [
        ("first_byte", "first_byte_ms", silent),
        ("first_byte", "first_byte_ms", early_hints_for_ever),
        ("between_bytes", "between_bytes_ms", silent_after_head),
        ("total", "total_ms", silent),
        ("total", "total_ms", silent_after_head),
        ("total", "total_ms", dripping),
    ],
)
async def test_a_wait_ends_at_its_time_out(wait: str, setting: str, behaviour: Answer) -> None:
    async def first_badly(seen: Seen, connection: Connection) -> None:
        await (behaviour if len(upstream.requests) == 1 else fine)(seen, connection)

    async with Scripted(first_badly) as upstream:
        async with client(upstream.url, max_concurrent=1, **{setting: SHORT_MS}) as source:
            with pytest.raises(UpstreamTimeout) as caught:
                await whole(source, read())
            assert caught.value.status == 504
            assert caught.value.kind == f"timeout-{wait.replace('_', '-')}"
            assert f"raise its timeouts.{wait}" in caught.value.public_message.lower()
            assert caught.value.extra == {"dataSourceUID": "prom"}
        async with client(upstream.url, max_concurrent=1) as source:
            assert await whole(source, read()) == b"fine"


async def test_the_slot_of_a_wait_that_ended_is_free() -> None:
    async with Scripted(silent) as upstream, client(upstream.url, max_concurrent=1, first_byte_ms=SHORT_MS) as source:
        for _ in range(3):
            with pytest.raises(UpstreamTimeout):
                await whole(source, read())
    assert len(upstream.requests) == 3


@contextmanager
def black_hole() -> Iterator[str]:
    """A listener whose queue is full: the kernel drops every further SYN."""
    with socket.socket() as listener, socket.socket() as one, socket.socket() as two:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for filler in (one, two):
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def test_a_connection_that_is_not_made_ends_at_its_time_out() -> None:
    with black_hole() as url:
        async with client(url, max_concurrent=1, connect_ms=SHORT_MS) as source:
            for _ in range(2):
                with pytest.raises(UpstreamTimeout) as caught:
                    await whole(source, read())
                assert caught.value.kind == "timeout-connect"
                assert "timeouts.connect" in caught.value.public_message


async def test_so_does_a_name_that_is_not_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiohttp's `sock_connect` would not end it."""

    class Hanging(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            await asyncio.Event().wait()
            raise AssertionError

        async def close(self) -> None: ...

    monkeypatch.setattr(resolver, "DefaultResolver", Hanging)
    async with client("http://name.test", connect_ms=SHORT_MS) as source:
        with pytest.raises(UpstreamTimeout) as caught:
            await whole(source, read())
    assert caught.value.kind == "timeout-connect"


async def test_a_queue_ends_at_its_time_out() -> None:
    async with (
        Scripted(silent) as upstream,
        client(upstream.url, max_concurrent=1, queue_timeout_ms=SHORT_MS) as source,
    ):
        first = asyncio.create_task(whole(source, read()))
        while not upstream.requests:
            await asyncio.sleep(0)
        with pytest.raises(UpstreamBusy) as caught:
            await whole(source, read())
        assert caught.value.status == 503
        assert "max_concurrent" in caught.value.public_message
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)


async def test_the_total_time_counts_the_queue() -> None:
    async with Scripted(silent) as upstream, client(upstream.url, max_concurrent=1, total_ms=SHORT_MS) as source:
        first = asyncio.create_task(whole(source, write()))
        while not upstream.requests:
            await asyncio.sleep(0)
        with pytest.raises(UpstreamBusy):
            await whole(source, read())
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)


async def test_a_stream_that_is_never_kept_has_no_total_time() -> None:
    async with Scripted(dripping) as upstream, client(upstream.url, total_ms=1) as source:
        response = await source.fetch(write())
        chunks = response.chunks()
        async with asyncio.timeout(20):
            for _ in range(20):
                assert await anext(chunks) == b"a"
        await response.aclose()


async def test_an_event_stream_may_be_silent() -> None:
    speak = asyncio.Event()

    async def events(_: Seen, connection: Connection) -> None:
        await connection.send(HEAD.replace(b"\r\n\r\n", b"\r\nContent-Type: text/event-stream\r\n\r\n"))
        await speak.wait()
        await connection.send(chunk(b"data: 1\n\n") + chunk(b""))

    async with Scripted(events) as upstream, client(upstream.url, between_bytes_ms=1) as source:
        response = await source.fetch(write())
        told = asyncio.ensure_future(anext(response.chunks()))
        await asyncio.wait([told], timeout=0.05)
        assert not told.done()
        speak.set()
        assert await told == b"data: 1\n\n"
        await response.aclose()


async def test_the_wait_for_an_answer_begins_with_the_last_byte_of_the_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long upload is no late answer, but it counts for the total time."""
    loop = asyncio.get_running_loop()
    now = loop.time()
    deadline = Deadline(60, until=now + 300)
    async with deadline.waiting:
        for seconds, ends, total in ((50, 110, False), (200, 260, False), (290, 300, True)):
            monkeypatch.setattr(loop, "time", lambda seconds=seconds: now + seconds)
            deadline.begin_again()
            assert deadline.waiting.when() == now + ends
            assert deadline.is_total is total
    deadline.begin_again()  # an answer may come before the end of the body


async def test_a_streamed_body_arrives_whole() -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"a"

    async with Scripted(answer(b"fine")) as upstream, client(upstream.url) as source:
        assert await whole(source, write(body=body())) == b"fine"
    assert upstream.requests[0].body == b"a" * 20
