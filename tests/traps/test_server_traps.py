"""T13 to T15 and T17 to T19: what aiohttp's server does by itself, shown first, and that ours does not."""

import asyncio
import gzip
import logging
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from proxy.web.guard import Patience
from tests.servers.listener import HANGS_SECONDS, MATRIX, QUERY_RANGE, Listener, listening, source
from tests.servers.millpond import StartMillpond
from tests.servers.scripted import Scripted, json_answer
from tests.servers.wire import parse

GOOD = json_answer(MATRIX)


@asynccontextmanager
async def naive(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]], path: str = "/{tail:.*}"
) -> AsyncIterator[int]:
    """The port of an ordinary aiohttp application."""
    app = web.Application()
    app.router.add_route("*", path, handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def raw(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    async with asyncio.timeout(HANGS_SECONDS):
        data = await reader.read()
    writer.transport.abort()
    return data


def get(target: str, *fields: str) -> bytes:
    return "\r\n".join((f"GET {target} HTTP/1.1", *(fields or ("Host: m",)), "Connection: close", "", "")).encode()


async def test_t13_a_source_is_named_by_the_raw_path() -> None:
    async def show(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.match_info['uid']} {request.match_info['tail']}")

    async with naive(show, "/ds/{uid}/{tail:.*}") as port:
        assert parse(await raw(port, get("/ds/prom/..%2f..%2fapi/x"))).body == b"prom ../../api/x"
        assert parse(await raw(port, get("/ds/prom%2fx/y"))).body == b"prom/x y"

    async with Scripted(GOOD) as upstream, listening(source(upstream.url)) as millpond:
        refused = {
            **dict.fromkeys(("/ds/prom/..%2f..%2fapi/x", "/ds/prom/../api"), 400),
            **dict.fromkeys(("/ds/prom%2fx/y", "/ds/%70rom/y", "/ds/prom%00/y", "/ds/", "/ds", "/ds//y"), 404),
            **dict.fromkeys(("/ds/PROM/y", f"/ds/{'a' * 41}/y", "/DS/prom/y", "//ds/prom/y", "/ds/prom;a/y"), 404),
        }
        for target, status in refused.items():
            reply = await millpond.ask(target)
            assert (target, reply.status) == (target, status)
        assert upstream.requests == []
        for target in ("/ds/prom", "/ds/prom/", "/ds/prom?a=b"):
            assert (await millpond.ask(target)).status == 200
        assert upstream.targets == ["/", "/", "/?a=b"]


async def test_t14_half_a_head_does_not_keep_a_connection() -> None:
    async def serve(_: web.Request) -> web.Response:
        return web.Response()

    patience = Patience(head_seconds=0.1, sweep_seconds=0.02)
    async with (
        naive(serve) as port,
        Scripted(GOOD) as upstream,
        listening(source(upstream.url), patience=patience) as millpond,
    ):
        ends = [(await asyncio.open_connection("127.0.0.1", one)) for one in (port, millpond.port)]
        for _, writer in ends:
            writer.write(b"GET / HTTP/1.1\r\nHost: m\r\n")
        closed = [asyncio.create_task(reader.read()) for reader, _ in ends]
        async with asyncio.timeout(HANGS_SECONDS):
            assert await closed[1] == b""
        assert not closed[0].done(), "aiohttp's is still waiting"
        for _, writer in ends:
            writer.transport.abort()
        await asyncio.gather(*closed, return_exceptions=True)


async def post(millpond: Listener, body: bytes, *fields: str, path: str = "/api/v1/query_range") -> int:
    return (await millpond.ask(f"/ds/prom{path}", *fields, method="POST", body=body)).status


async def test_t15_a_body_passes_as_it_was_sent_and_may_be_large() -> None:
    async def show(request: web.Request) -> web.Response:
        body = await request.read()
        return web.Response(text=f"{request.headers.get('Content-Encoding')} {body[:5].decode()}")

    zipped = gzip.compress(b"query=up")
    packed = b"\x28\xb5\x2f\xfd\x20\x08\x41\x00\x00query=up"  # zstd, which aiohttp undoes since it finds our library
    request = (
        b"POST / HTTP/1.1\r\nHost: m\r\nConnection: close\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b"
    )
    large = b"query=" + b"a" * (2 << 20)
    async with naive(show) as port:
        assert parse(await raw(port, request % (len(zipped), zipped))).body == b"gzip query"
        other = request.replace(b"gzip", b"zstd")
        assert parse(await raw(port, other % (len(packed), packed))).body == b"zstd query"
        plain = request.replace(b"Content-Encoding: gzip\r\n", b"")
        assert parse(await raw(port, plain % (len(large), large))).status == 413

    bomb = gzip.compress(bytes(200 << 20), 1)
    async with Scripted(GOOD) as upstream, listening(source(upstream.url)) as millpond:
        for body, coding in ((zipped, "gzip"), (bomb, "gzip"), (packed, "zstd"), (packed[:-1], "zstd")):
            assert await post(millpond, body, f"Content-Encoding: {coding}") == 200
            assert upstream.requests[-1].headers["Content-Encoding"] == coding
            assert upstream.requests[-1].body == body
        assert await post(millpond, large) == 200
        assert upstream.requests[-1].body == large


async def test_t17_odd_hosts_and_methods_are_refused() -> None:
    async def serve(_: web.Request) -> web.Response:
        return web.Response(text="served")

    odd = [
        *(get("/ds/prom/x", f"Host: {host}") for host in ("a b", "a/b", "x@evil")),
        get("/ds/prom/x").replace(b"GET", b"TRACE"),
    ]
    async with naive(serve) as port, Scripted(GOOD) as upstream, listening(source(upstream.url)) as millpond:
        for request in odd:
            assert parse(await raw(port, request)).body == b"served"
            assert parse(await raw(millpond.port, request)).status in (400, 501)
    assert upstream.requests == []


def test_t18_without_the_c_parser_it_does_not_start(tmp_path: Path) -> None:
    without = {**os.environ, "AIOHTTP_NO_EXTENSIONS": "1"}
    quiet = "from aiohttp import http_parser as p, web; assert p.HttpRequestParser is p.HttpRequestParserPy"
    subprocess.run([sys.executable, "-c", quiet], env=without, check=True, timeout=60)

    command = [sys.executable, "-m", "proxy", "serve", "--upstream", "http://127.0.0.1:9", "--data-dir", str(tmp_path)]
    ended = subprocess.run(command, env=without, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "C parser is missing" in ended.stderr


def connected(port: int, clients: int) -> int:
    """How many of so many connections the kernel makes while nobody accepts them."""
    with ExitStack() as open_sockets:
        made = 0
        for _ in range(clients):
            client = open_sockets.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
            # On loopback the handshake is over when connect returns, or its SYN was dropped.
            made += client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0 and is_established(client)
        return made


def is_established(client: socket.socket) -> bool:
    state: int = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return state == 1


def test_t19_a_rush_of_connections_is_not_refused(start_millpond: StartMillpond) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)  # aiohttp's default
        assert connected(listener.getsockname()[1], 400) < 150
    millpond = start_millpond("--upstream", "http://127.0.0.1:9")
    millpond.pause()
    try:
        assert connected(millpond.port, 400) == 400
    finally:
        millpond.resume()


async def test_t19_the_log_holds_no_query(caplog: pytest.LogCaptureFixture) -> None:
    async def serve(_: web.Request) -> web.Response:
        return web.Response()

    caplog.set_level(logging.DEBUG)
    async with naive(serve) as port:
        await raw(port, get("/x?token=canary"))
    assert "canary" in caplog.text

    caplog.clear()
    async with Scripted(GOOD) as upstream, listening(source(upstream.url)) as millpond:
        for target in ("/x?token=canary", f"{QUERY_RANGE}&token=canary"):
            await millpond.ask(f"/ds/prom{target}", "Authorization: Bearer canary", "Cookie: a=canary")
    assert [record for record in caplog.records if record.name == "proxy.web.sending"]
    assert "canary" not in caplog.text
    assert not any("canary" in str(record.__dict__) for record in caplog.records)
