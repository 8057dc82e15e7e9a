"""Grafana Live and other WebSockets, through Millpond as without it."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from proxy.web.websocket import Frames
from tests.servers.listener import HANGS_SECONDS, Listener, in_front_of
from tests.servers.scripted import Connection, Scripted, Seen, answer
from tests.servers.wire import parse

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
HANDSHAKE = (
    "GET /api/live/ws?a=b HTTP/1.1", "Host: grafana.example", "Connection: keep-alive, Upgrade", "Upgrade: websocket",
    f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Extensions: permessage-deflate; x-own",
    "Sec-WebSocket-Protocol: one, two", "Origin: https://grafana.example", "Cookie: grafana_session=abc; b=c",
    "Authorization: Bearer x", "X-Grafana-Org-Id: 7",
)  # fmt: skip
SWITCHED = (
    "HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {ACCEPT}",
    "Sec-WebSocket-Protocol: two", "Sec-WebSocket-Extensions: x-own", "Set-Cookie: grafana_session=new; HttpOnly",
    "Set-Cookie: b=c", "X-Own: 1",
)  # fmt: skip


def lines(*fields: str) -> bytes:
    return "\r\n".join((*fields, "", "")).encode()


Talk = Callable[[Seen, Connection], Any]


@asynccontextmanager
async def switched(
    talk: Talk, early: bytes = b""
) -> AsyncIterator[tuple[Listener, Scripted, bytes, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A Grafana that switches and then does as `talk` says, and a client that has got its 101; `early` went right behind
    its handshake.
    """
    async with Scripted(talk) as grafana, in_front_of(grafana.url) as millpond:
        reader, writer = await millpond.connect()
        writer.write(lines(*HANDSHAKE) + early)
        try:
            async with asyncio.timeout(HANGS_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                yield millpond, grafana, head, reader, writer
        finally:
            writer.transport.abort()


async def test_the_handshake_goes_both_ways_whole() -> None:
    async def talk(_: Seen, connection: Connection) -> None:
        await connection.send(lines(*SWITCHED))
        await connection.gone()

    async with switched(talk) as (_, grafana, head, _, _):
        [seen] = grafana.requests
        for line in HANDSHAKE[1:]:
            name, _, value = line.partition(": ")
            assert seen.headers.getall(name) == ["Upgrade" if name == "Connection" else value]
        assert (seen.target, seen.headers["X-Forwarded-For"]) == ("/api/live/ws?a=b", "127.0.0.1")
        got = head.decode().removesuffix("\r\n\r\n").split("\r\n")
        assert got[0] == SWITCHED[0]
        assert sorted(line for line in got[1:] if not line.startswith("Date:")) == sorted(SWITCHED[1:])


async def test_bytes_go_both_ways_from_the_first_to_the_last() -> None:
    """Frames are not looked at: compressed or broken ones, and what came right behind a handshake, arrive as they are."""
    blob = os.urandom(3_000_000)

    async def talk(_: Seen, connection: Connection) -> None:
        await connection.send(lines(*SWITCHED) + b"at once")
        got = await connection.reader.readexactly(len(blob) + 5)
        await connection.send(got)
        connection.finish()

    async with switched(talk, early=b"early") as (_, _, _, reader, writer):
        assert await reader.readexactly(7) == b"at once"
        writer.write(blob)
        assert await reader.read(-1) == b"early" + blob


async def test_a_client_that_says_no_more_still_listens() -> None:
    async def talk(_: Seen, connection: Connection) -> None:
        await connection.send(lines(*SWITCHED))
        assert await connection.reader.read(-1) == b"last words"
        await connection.send(b"answer")
        connection.finish()

    async with switched(talk) as (_, _, _, reader, writer):
        writer.write(b"last words")
        writer.write_eof()
        assert await reader.read(-1) == b"answer"


async def test_a_client_that_goes_away_ends_it_at_grafana() -> None:
    gone = asyncio.Event()

    async def talk(_: Seen, connection: Connection) -> None:
        await connection.send(lines(*SWITCHED))
        await connection.gone()
        gone.set()

    async with switched(talk) as (millpond, _, _, _, writer):
        writer.transport.abort()
        await gone.wait()
        while millpond.server.connections:
            await asyncio.sleep(0)


async def test_a_grafana_that_crashes_ends_it_for_the_client() -> None:
    async def talk(_: Seen, connection: Connection) -> None:
        await connection.send(lines(*SWITCHED))
        await connection.reader.readexactly(1)
        connection.reset()

    async with switched(talk) as (_, _, _, reader, writer):
        writer.write(b"x")
        assert await reader.read(-1) == b""


@pytest.mark.parametrize(
    ("open_frame", "said"),
    [
        (b"", b"\x88\x02\x03\xe9"),
        (b"\x81\x05hello", b"\x81\x05hello\x88\x02\x03\xe9"),
        (b"\x81\x05hel", b"\x81\x05hel"),
    ],
    ids=["nothing said", "between frames", "within a frame"],
)
async def test_draining_says_that_it_goes_away_where_a_frame_may_go(open_frame: bytes, said: bytes) -> None:
    heard: list[bytes] = []

    async def talk(_: Seen, connection: Connection) -> None:
        await connection.send(lines(*SWITCHED) + open_frame)
        heard.append(await connection.reader.read(-1))

    async with switched(talk) as (millpond, _, _, reader, _):
        got = await reader.readexactly(len(open_frame))
        millpond.handler.drain()
        assert got + await reader.read(-1) == said
        while not heard:
            await asyncio.sleep(0)
        assert heard == [b"\x88\x82\x00\x00\x00\x00\x03\xe9"]


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "403 Forbidden", "200 OK", "302 Found"])
async def test_a_refused_handshake_is_relayed_whole(status: str) -> None:
    refusal = answer(b'{"message":"no"}', "Set-Cookie: a=b", "Location: /login", "X-Cache: own", status=status)
    async with Scripted(refusal) as grafana, in_front_of(grafana.url) as millpond:
        reader, writer = await millpond.connect()
        writer.write(lines(*HANDSHAKE))
        async with asyncio.timeout(HANGS_SECONDS):
            reply = parse(await reader.readuntil(b'"no"}'))
            writer.write(b"GET /next HTTP/1.1\r\nHost: g\r\n\r\n")
            await reader.readuntil(b'"no"}')
        writer.transport.abort()
    assert grafana.targets == ["/api/live/ws?a=b", "/next"]
    assert (reply.status, reply.body) == (int(status[:3]), b'{"message":"no"}')
    assert [reply.headers[name] for name in ("Set-Cookie", "Location", "X-Cache")] == ["a=b", "/login", "own"]


@pytest.mark.parametrize("upgrade", ["h2c", "TLS/1.2", "websocket, h2c", "tailscale-control-protocol"])
async def test_no_other_upgrade_is_offered(upgrade: str) -> None:
    """S-26: what is spoken after one would pass us unseen."""
    async with Scripted(answer(b"fine")) as grafana, in_front_of(grafana.url) as millpond:
        reply = await millpond.ask(
            "/x", f"Upgrade: {upgrade}", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: a"
        )
    assert reply.body == b"fine"
    assert {"Upgrade", "HTTP2-Settings"}.isdisjoint(grafana.requests[0].headers)


async def test_an_old_client_s_upgrade_means_nothing() -> None:
    async with Scripted(answer(b"fine")) as grafana, in_front_of(grafana.url) as millpond:
        handshake = lines(*HANDSHAKE).replace(b"HTTP/1.1", b"HTTP/1.0")
        assert parse(await millpond.raw(handshake.replace(b"keep-alive, ", b""))).body == b"fine"
    assert "Upgrade" not in grafana.requests[0].headers


@asynccontextmanager
async def live() -> AsyncIterator[str]:
    """A Grafana Live that echoes, and closes as it is told: `close 4001 why`."""

    async def echo(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0, autoping=False)
        await socket.prepare(request)
        async for message in socket:
            match message.type:
                case aiohttp.WSMsgType.TEXT if message.data.startswith("close "):
                    _, code, why = message.data.split(" ", 2)
                    await socket.close(code=int(code), message=why.encode())
                case aiohttp.WSMsgType.TEXT:
                    await socket.send_str(message.data)
                case aiohttp.WSMsgType.BINARY:
                    await socket.send_bytes(message.data)
                case aiohttp.WSMsgType.PING:
                    await socket.pong(message.data)
        return socket

    app = web.Application()
    app.router.add_get("/api/live/ws", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def connected(**options: Any) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with (
        live() as url,
        in_front_of(url) as millpond,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"http://127.0.0.1:{millpond.port}/api/live/ws", max_msg_size=0, **options) as socket,
        asyncio.timeout(HANGS_SECONDS),
    ):
        yield socket


@pytest.mark.parametrize("compress", [0, 15])
async def test_ten_thousand_messages_come_back_in_order(compress: int) -> None:
    async with connected(compress=compress) as socket:
        assert bool(socket.compress) == bool(compress)

        async def say() -> None:
            for number in range(10_000):
                await socket.send_str(f"{number} é")

        saying = asyncio.ensure_future(say())
        for number in range(10_000):
            assert await socket.receive_str() == f"{number} é"
        await saying


async def test_a_large_message_comes_back() -> None:
    blob = os.urandom(40_000_000)
    async with connected() as socket:
        await socket.send_bytes(blob)
        assert await socket.receive_bytes() == blob


async def test_ping_is_answered_by_the_other_side() -> None:
    async with connected(autoping=False) as socket:
        await socket.ping(b"are you there")
        message = await socket.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"are you there")


@pytest.mark.parametrize("code", [1000, 3000, 4001])
async def test_close_codes_and_reasons_are_those_of_who_closes(code: int) -> None:
    async with connected(autoclose=False) as socket:
        await socket.send_str(f"close {code} because")
        message = await socket.receive()
        assert (message.type, message.data, message.extra) == (aiohttp.WSMsgType.CLOSE, code, "because")


FRAMES = [
    b"\x81\x00", b"\x81\x05hello", b"\x88\x02\x03\xe9", b"\x82\x85abcdhello", b"\x89\x80abcd",
    b"\x82\x7e\x01\x00" + b"a" * 256, b"\x82\xfe\x01\x00abcd" + b"a" * 256,
    b"\x82\x7f" + (70_000).to_bytes(8, "big") + b"a" * 70_000,
]  # fmt: skip


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame[:2].hex())
def test_the_end_of_a_frame_is_known_however_it_comes(frame: bytes) -> None:
    whole, bytewise, several = Frames(), Frames(), Frames()
    whole.feed(frame)
    assert whole.between
    for at in range(len(frame)):
        assert bytewise.between == (at == 0)
        bytewise.feed(frame[at : at + 1])
    assert bytewise.between
    several.feed(frame * 2 + frame[:-1])
    assert not several.between
    several.feed(frame[-1:] + frame)
    assert several.between
