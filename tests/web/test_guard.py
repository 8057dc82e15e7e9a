"""How long a client may keep a connection, on a clock of the test's own where that is possible."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from proxy.web.guard import MAX_HEAD_BYTES, GuardedHandler, GuardedServer, Patience

PATIENCE = Patience(head_seconds=10, body_seconds=10, body_bytes_per_second=500, stall_seconds=60)
HEAD = b"POST /ds/prom/x HTTP/1.1\r\nHost: m\r\nContent-Length: 1000000\r\n\r\n"


class FakeTransport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.unsent_bytes = 0
        self.written = b""
        self.ended = False

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.ended

    def close(self) -> None:
        self.ended = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    abort = close


class Held:
    """A connection whose request is being handled until the end of the test; `sweep` looks at it at a time."""

    def __init__(self) -> None:
        self.reads: Callable[[web.BaseRequest], Awaitable[object]] | None = None
        self.server = GuardedServer(self._handle, PATIENCE)
        self.connection: GuardedHandler = self.server()
        self.transport = FakeTransport()
        self.connection.connection_made(self.transport)
        self.began = asyncio.get_running_loop().time()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        with self.connection.waiting_for_body():
            await request.content.read()
        await asyncio.Event().wait()
        raise AssertionError

    async def receive(self, *parts: bytes) -> None:
        for part in parts:
            self.connection.data_received(part)
        for _ in range(5):
            await asyncio.sleep(0)

    def sweep(self, seconds: float) -> bool:
        """Whether the connection is still there after the sweep."""
        self.connection.sweep(self.began + seconds, PATIENCE)
        return not self.transport.ended

    async def close(self) -> None:
        self.connection.connection_lost(None)
        await asyncio.sleep(0)


@pytest.fixture
async def held() -> Held:
    return Held()


async def test_a_head_has_its_time(held: Held) -> None:
    await held.receive(b"GET /ds/prom")
    assert held.sweep(9)
    await held.receive(b"/x HTTP/1.1\r\nX: ")
    assert not held.sweep(11)
    await held.close()


async def test_what_comes_after_the_head_does_not_count_for_it(held: Held) -> None:
    """Also where the transport delivers head and body in one go, as uvloop does for large ones."""
    await held.receive(HEAD, b"a" * 1000)
    assert held.connection.reading_since is None
    assert held.sweep(1)
    await held.receive(b"a" * 999_000)
    assert held.sweep(1000), "the source takes its time"
    await held.close()


@pytest.mark.parametrize("bytes_per_second", [0, 1, 499])
async def test_a_slow_body_is_cut(held: Held, bytes_per_second: int) -> None:
    await held.receive(HEAD)
    for second in range(11):
        assert held.sweep(second)
        await held.receive(b"a" * bytes_per_second)
    assert not held.sweep(11)
    await held.close()


async def test_a_body_that_was_fast_once_may_not_stop(held: Held) -> None:
    await held.receive(HEAD)
    assert held.sweep(0)
    await held.receive(b"a" * 900_000)
    assert held.sweep(11)
    assert held.sweep(21)
    assert not held.sweep(22)
    await held.close()


async def test_a_steady_body_is_left_alone(held: Held) -> None:
    await held.receive(HEAD)
    for second in range(100):
        assert held.sweep(second)
        await held.receive(b"a" * 1000)
    await held.close()


async def test_a_reader_that_takes_nothing_is_ended_and_a_slow_one_is_not(held: Held) -> None:
    await held.receive(HEAD + b"a" * 1_000_000)
    held.transport.unsent_bytes = 50_000
    for second in range(0, 600, 30):
        held.transport.unsent_bytes -= 1
        assert held.sweep(second)
    assert held.sweep(629)
    assert not held.sweep(631)
    await held.close()


async def test_what_is_left_unsent_when_a_connection_closes_does_not_keep_it(held: Held) -> None:
    held.transport.unsent_bytes = 10
    held.connection.force_close()
    held.transport.ended = False  # closing lasts until all is sent
    assert held.sweep(0)
    assert not held.sweep(61)
    await held.close()


@pytest.mark.parametrize("before", [b"", b"GET / HTTP/1.1\r\nHost: m\r\n\r\n"], ids=["idle", "while one is answered"])
async def test_a_head_has_its_size(held: Held, before: bytes) -> None:
    await held.receive(before)
    await held.receive(b"GET / HTTP/1.1\r\n", *(b"X-%d: %b\r\n" % (n, b"a" * 60_000) for n in range(5)))
    assert MAX_HEAD_BYTES < 5 * 60_000
    assert held.transport.ended
    assert held.transport.written.startswith(b"HTTP/1.1 431 ")
    head, _, body = held.transport.written.partition(b"\r\n\r\n")
    assert b"Content-Length: %d" % len(body) in head
    await held.close()


@pytest.mark.parametrize("ends", ["the client", "we"])
async def test_an_answer_whose_connection_ends_is_no_failure_of_ours(
    caplog: pytest.LogCaptureFixture, ends: str
) -> None:
    """Clients leave all the time, and what a source broke off is told where it happens: no traceback for either."""
    handled = asyncio.Event()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        try:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"a part")
            connection.link.abort()
            if ends == "we":
                raise ConnectionResetError("broken off")
            await response.write(b"another")
            raise AssertionError
        finally:
            handled.set()

    connection: GuardedHandler = GuardedServer(handle, PATIENCE)()
    transport = FakeTransport()
    connection.connection_made(transport)
    connection.data_received(b"GET /x HTTP/1.1\r\nHost: m\r\n\r\n")
    await handled.wait()
    for _ in range(5):
        await asyncio.sleep(0)
    connection.connection_lost(None)
    assert transport.written.count(b"HTTP/1.1 ") == 1
    assert [record for record in caplog.records if record.levelname != "DEBUG"] == []


async def test_a_handler_that_fails_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        raise ConnectionResetError("of a connection that is not the client's")

    connection: GuardedHandler = GuardedServer(handle, PATIENCE)()
    transport = FakeTransport()
    connection.connection_made(transport)
    connection.data_received(b"GET /x HTTP/1.1\r\nHost: m\r\n\r\n")
    while not transport.ended:
        await asyncio.sleep(0)
    connection.connection_lost(None)
    assert transport.written.startswith(b"HTTP/1.1 500 ")
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == ["request failed"]
