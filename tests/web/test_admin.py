"""The admin listener as a connection: what is no request on the data listener is none here."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from proxy.web import guard
from proxy.web.admin import application
from proxy.web.guard import GuardedAppRunner
from tests.servers.listener import HANGS_SECONDS, read_all
from tests.servers.wire import Reply, parse

from .admin_app import UID, admin


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async def read(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    async def refuse(request: web.Request) -> web.Response:
        return web.json_response({"message": "Unauthorized"}, status=401)

    runner = GuardedAppRunner(application([web.get("/read", read), web.post("/refuse", refuse)]), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def ask(port: int, request: bytes) -> Reply:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    async with asyncio.timeout(HANGS_SECONDS):
        data = await read_all(reader)
    writer.transport.abort()
    assert data.startswith(b"HTTP/1.")
    return parse(data)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /read\r\nContent-Length: 0\r\n\r\n", 505),
        (b"GET /read HTTP/2.0\r\nHost: m\r\n\r\n", 505),
        (b"GET /read HTTP/1.1\r\nHost: a b/\r\n\r\n", 400),
        (b"GET http://user:word@m/read HTTP/1.1\r\nHost: m\r\n\r\n", 400),
        (b"GET /read HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"TRACE /read HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n", 405),
        (b"GET /read HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n", 200),
    ],
)
async def test_a_request_is_framed_as_on_the_data_listener(port: int, request_: bytes, status: int) -> None:
    reply = await ask(port, request_)
    assert (reply.status, reply.headers["Server"]) == (status, "millpond")


async def test_a_broken_body_that_nobody_wanted_is_not_logged(port: int, caplog: pytest.LogCaptureFixture) -> None:
    body = b"Host: m\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"
    assert (await ask(port, b"POST /refuse HTTP/1.1\r\n" + body)).status == 401
    assert [record.message for record in caplog.records if record.exc_info] == []


async def test_a_body_that_does_not_come_ends_its_connection_and_leaves_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """S-62, on the listener of the API."""
    brisk = guard.Patience(body_seconds=0.2, sweep_seconds=0.05)
    monkeypatch.setattr(guard, "Patience", lambda: brisk)
    line = f"POST /api/datasources/{UID}/cache HTTP/1.1\r\n"
    head = f"{line}Host: m\r\nAuthorization: Bearer admin\r\nContent-Length: 9\r\n\r\n{{"
    async with admin(tmp_path) as api:
        reader, writer = await asyncio.open_connection("127.0.0.1", api.client.port)
        writer.write(head.encode())
        async with asyncio.timeout(HANGS_SECONDS):
            assert await read_all(reader) == b""
        writer.transport.abort()
    assert [record.message for record in caplog.records if record.exc_info] == []
