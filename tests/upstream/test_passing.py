"""What is not kept passes through as it is: methods, statuses and lengths, live streams, both ways, old and new clients."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from proxy.config.schema import BasicAuth, Secret
from proxy.web.guard import GuardedHandler, Patience
from tests.servers.listener import HANGS_SECONDS, MATRIX, QUERY_RANGE, listening, read_all, source
from tests.servers.process import free_port
from tests.servers.scripted import Connection, Scripted, Seen, answer, chunk, json_answer
from tests.servers.wire import parse


async def in_time(reader: asyncio.StreamReader, until: bytes) -> bytes:
    async with asyncio.timeout(HANGS_SECONDS):
        return await reader.readuntil(until)


@pytest.mark.parametrize(
    ("method", "sent"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("DELETE", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n'),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 12345\r\n\r\n"),
        ("POST", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("GET", b"HTTP/1.1 599 Own\r\nContent-Length: 0\r\n\r\n"),
    ],
)
async def test_an_answer_without_a_body_leaves_the_connection_usable(method: str, sent: bytes) -> None:
    async with Scripted(sent) as upstream, listening(source(upstream.url)) as millpond:
        reader, writer = await millpond.connect()
        for _ in range(3):
            writer.write(f"{method} /ds/prom/x HTTP/1.1\r\nHost: m\r\n\r\n".encode())
            head = await in_time(reader, b"\r\n\r\n")
            reply = parse(head, method)
            assert reply.status == int(sent[9:12])
            assert reply.headers["ETag"] == ('"a"' if b"ETag" in sent else None)
            if method == "HEAD" and b"Content-Length" in sent:
                assert reply.headers["Content-Length"] in ("12345", "9")
        writer.transport.abort()
    assert len(upstream.requests) == 3


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "500 Internal Server Error", "429 Too Many Requests"])
async def test_status_body_and_headers_are_the_source_s(status: str) -> None:
    sent = answer(b"hello", "X-A: 1", "X-A: 2", "Set-Cookie: a=b", "X-U: é", status=status)
    async with Scripted(sent) as upstream, listening(source(upstream.url)) as millpond:
        reply = await millpond.ask("/ds/prom/x")
    assert (reply.status, reply.body) == (int(status[:3]), b"hello")
    assert reply.headers.get_all("X-A") == ["1", "2"]
    assert reply.headers["Set-Cookie"] == "a=b"


async def test_hop_by_hop_fields_go_neither_way() -> None:
    sent = answer(b"hello", "Connection: close, X-Hop", "X-Hop: 1", "Keep-Alive: timeout=5", "Proxy-Authenticate: x")
    ask = ("Connection: X-Mine", "X-Mine: 1", "TE: trailers", "Proxy-Authorization: x", "Upgrade: h2c", "Keep-Alive: 1")
    async with Scripted(sent) as upstream, listening(source(upstream.url)) as millpond:
        for _ in range(2):
            reply = await millpond.ask("/ds/prom/x", *ask)
            assert (reply.status, reply.body) == (200, b"hello")
            assert {"X-Hop", "Keep-Alive", "Proxy-Authenticate"}.isdisjoint(reply.headers)
    assert upstream.connections == 2, "the source closes each"
    assert {"X-Mine", "TE", "Proxy-Authorization", "Upgrade", "Keep-Alive"}.isdisjoint(upstream.requests[0].headers)


@pytest.mark.parametrize("target", ["/x", QUERY_RANGE], ids=["passes", "is looked up"])
async def test_a_field_that_is_repeated_in_other_letters_goes_whole(target: str) -> None:
    async with Scripted(json_answer(MATRIX)) as upstream, listening(source(upstream.url)) as millpond:
        await millpond.ask(f"/ds/prom{target}", "X-Own: 1", "x-own: 2", "X-OWN: 3")
    assert upstream.requests[0].headers.getall("X-Own") == ["1", "2", "3"]


async def test_an_http_1_0_client_gets_no_chunks() -> None:
    sent = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"hel") + chunk(b"lo") + chunk(b"")
    async with Scripted(sent) as upstream, listening(source(upstream.url)) as millpond:
        head, _, body = (await millpond.raw(b"GET /ds/prom/x HTTP/1.0\r\n\r\n")).partition(b"\r\n\r\n")
    assert body == b"hello"
    assert b"Transfer-Encoding" not in head


@pytest.mark.parametrize("framing", ["Content-Length: 10", "Transfer-Encoding: chunked"])
async def test_a_client_that_expects_to_be_told_is_told_when_its_body_is_wanted(framing: str) -> None:
    body = b"a" * 10 if "Length" in framing else chunk(b"a" * 10) + chunk(b"")
    for path in ("/x", "/api/v1/query_range"):
        async with Scripted(answer(b"fine")) as upstream, listening(source(upstream.url)) as millpond:
            reader, writer = await millpond.connect()
            head = f"POST /ds/prom{path} HTTP/1.1\r\nHost: m\r\nExpect: 100-continue\r\n{framing}\r\n\r\n"
            for _ in range(2):
                writer.write(head.encode())
                assert await in_time(reader, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
                writer.write(body)
                assert (await in_time(reader, b"fine")).startswith(b"HTTP/1.1 200 ")
            writer.transport.abort()
        assert [seen.body for seen in upstream.requests] == [b"a" * 10] * 2
        assert "Expect" not in upstream.requests[0].headers


@pytest.mark.parametrize(("uid", "status"), [("nobody", 404), ("gone", 502)])
async def test_a_client_that_was_not_told_to_send_its_body_is_not_read_on(uid: str, status: int) -> None:
    """R-48, S-27: whether its body follows nobody can tell, so the connection ends."""
    head = f"POST /ds/{uid}/x HTTP/1.1\r\nHost: m\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    async with Scripted(answer(b"fine")) as upstream:
        gone = source(f"http://127.0.0.1:{free_port()}", "gone")
        async with listening(source(upstream.url), gone) as millpond:
            reader, writer = await millpond.connect()
            writer.write(head.encode())
            final = await in_time(reader, b"}")
            reply = parse(final)
            assert (reply.status, reply.headers["Connection"]) == (status, "close")
            writer.write(b"GET /ds/prom/x HTTP/1.1\r\nHost: m\r\n\r\n" * 2)
            assert await read_all(reader) == b""
            writer.transport.abort()
    assert upstream.requests == []


async def test_an_early_answer_reaches_a_client_that_is_still_sending() -> None:
    async def refuse(_: Seen, connection: Connection) -> None:
        await connection.send(answer(b"too much", status="413 Content Too Large"))

    async with Scripted(refuse, reads_bodies=False) as upstream, listening(source(upstream.url)) as millpond:
        reader, writer = await millpond.connect()
        writer.write(b"POST /ds/prom/x HTTP/1.1\r\nHost: m\r\nContent-Length: 1000000\r\n\r\n" + b"a" * 1000)
        data = await in_time(reader, b"too much")
        assert data.startswith(b"HTTP/1.1 413 ")
        writer.transport.abort()
        assert (await millpond.ask("/ds/prom/y")).status == 413


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked",
        b"Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked",
        b"Content-Type: text/plain\r\nContent-Length: 6",
        b"Content-Type: text/plain\r\nConnection: close",
    ],
    ids=["SSE", "NDJSON", "length", "close"],
)
@pytest.mark.parametrize("target", ["/x", QUERY_RANGE], ids=["passes", "cacheable"])
async def test_a_stream_passes_live(target: str, head: bytes) -> None:
    """The first event arrives before the second is sent."""
    received = asyncio.Event()
    first, second = (chunk(b"one"), chunk(b"two") + chunk(b"")) if b"chunked" in head else (b"one", b"two")

    async def tell(_: Seen, connection: Connection) -> None:
        await connection.send(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + first)
        await received.wait()
        await connection.send(second)
        connection.finish()

    # What may be kept is collected before it is answered.
    asks = "X-A: 1" if target == "/x" or b"stream" in head or b"close" in head else "X-Cache-Skip: true"
    async with Scripted(tell) as upstream, listening(source(upstream.url)) as millpond:
        reader, writer = await millpond.connect()
        writer.write(f"GET /ds/prom{target} HTTP/1.1\r\nHost: m\r\n{asks}\r\nConnection: close\r\n\r\n".encode())
        data = await in_time(reader, b"one")
        received.set()
        async with asyncio.timeout(HANGS_SECONDS):
            data += await reader.read()
        writer.transport.abort()
    assert parse(data).body == b"onetwo"


@asynccontextmanager
async def tailing(url_of: list[str]) -> AsyncIterator[None]:
    """A source with a live tail over WebSocket: says one thing, echoes, and closes with a code of its own."""

    async def tail(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("tail",))
        await socket.prepare(request)
        await socket.send_str(f"{request.raw_path} {request.headers.get('X-Scope-OrgID')}")
        async for message in socket:
            if message.data == "end":
                await socket.close(code=4001, message=b"done")
            elif message.type is aiohttp.WSMsgType.TEXT:
                await socket.send_str(message.data.upper())
            else:
                await socket.send_bytes(message.data)
        return socket

    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=403, text="no tail")

    app = web.Application()
    app.router.add_get("/loki/api/v1/tail", tail)
    app.router.add_get("/refused", refuse)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url_of.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
    try:
        yield
    finally:
        await runner.cleanup()


async def test_a_websocket_passes_live_both_ways_and_ends_as_the_source_ends_it() -> None:
    urls: list[str] = []
    async with tailing(urls), listening(source(urls[0], type="loki", max_concurrent=2)) as millpond:
        base = f"http://127.0.0.1:{millpond.port}/ds/prom"
        async with aiohttp.ClientSession() as session, asyncio.timeout(HANGS_SECONDS):
            sockets = []
            for _ in range(5):  # more than the source has slots: an open tail holds none
                url = f"{base}/loki/api/v1/tail?query=%7Ba%3D%22b%22%7D"
                sockets.append(await session.ws_connect(url, headers={"X-Scope-OrgID": "t1"}, protocols=("tail",)))
            for socket in sockets:
                assert socket.protocol == "tail"
                assert await socket.receive_str() == "/loki/api/v1/tail?query=%7Ba%3D%22b%22%7D t1"
                await socket.send_str("é")
                assert await socket.receive_str() == "É"
                await socket.send_bytes(b"\x00\xff")
                assert await socket.receive_bytes() == b"\x00\xff"
            await sockets[0].send_str("end")
            closed = await sockets[0].receive()
            assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, 4001)
            for socket in sockets[1:]:
                await socket.close()


async def test_what_comes_over_a_websocket_is_no_head() -> None:
    urls: list[str] = []
    async with (
        tailing(urls),
        listening(source(urls[0], type="loki")) as millpond,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"http://127.0.0.1:{millpond.port}/ds/prom/loki/api/v1/tail") as socket,
    ):
        await socket.receive_str()
        [connection] = millpond.server.connections
        assert isinstance(connection, GuardedHandler)
        for letter in "abcdefgh":
            await socket.send_str(letter * 100_000)
            assert await socket.receive_str() == letter.upper() * 100_000
            connection.sweep(asyncio.get_running_loop().time() + 3600, Patience())


async def test_a_refused_websocket_is_refused_with_the_source_s_status() -> None:
    urls: list[str] = []
    async with tailing(urls), listening(source(urls[0], type="loki", max_concurrent=1)) as millpond:
        base = f"http://127.0.0.1:{millpond.port}/ds/prom"
        async with aiohttp.ClientSession() as session:
            for _ in range(3):
                with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                    await session.ws_connect(f"{base}/refused")
                assert caught.value.status == 403


async def test_a_source_that_is_gone_refuses_websockets_in_json() -> None:
    async with Scripted(b"") as upstream:
        url = upstream.url
    async with listening(source(url)) as millpond, aiohttp.ClientSession() as session:
        headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        headers["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ=="
        async with session.get(f"http://127.0.0.1:{millpond.port}/ds/prom/tail", headers=headers) as response:
            assert response.status == 502
            assert (await response.json())["dataSourceUID"] == "prom"


async def test_head_then_get_and_a_range_then_get_give_the_whole() -> None:
    """S-19."""

    async def serve(seen: Seen, connection: Connection) -> None:
        whole = json_answer(MATRIX, 'ETag: "a"')
        if seen.method == "HEAD":
            await connection.send(whole.removesuffix(MATRIX))
        elif "Range" in seen.headers:
            await connection.send(answer(MATRIX[:5], "Content-Range: bytes 0-4/99", status="206 Partial Content"))
        elif "If-None-Match" in seen.headers:
            await connection.send(b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n')
        else:
            await connection.send(whole)

    async with Scripted(serve) as upstream, listening(source(upstream.url)) as millpond:
        target = f"/ds/prom{QUERY_RANGE}"
        assert (await millpond.ask(target, method="HEAD")).headers["Content-Length"] == str(len(MATRIX))
        assert (await millpond.ask(target, "Range: bytes=0-4")).status == 206
        assert (await millpond.ask(target, 'If-None-Match: "a"')).status == 304
        for x_cache in ("MISS", "HIT"):
            reply = await millpond.ask(target)
            assert (reply.status, reply.x_cache, reply.body) == (200, x_cache, MATRIX)
        assert (await millpond.ask(target, "Range: bytes=0-4")).status == 206


async def test_the_configuration_s_credentials_go_to_the_source_instead_of_the_client_s() -> None:
    basic_auth = BasicAuth(username="ü", password=Secret("p:w"))
    async with Scripted(json_answer(MATRIX)) as upstream:
        configured = source(upstream.url, basic_auth=basic_auth, headers={"X-Key": Secret("ours")})
        async with listening(configured) as millpond:
            for target in ("/x", QUERY_RANGE):
                await millpond.ask(f"/ds/prom{target}", "Authorization: Bearer theirs", "X-Key: theirs")
    for seen in upstream.requests:
        assert seen.headers.getall("Authorization") == ["Basic w7w6cDp3"]
        assert seen.headers.getall("X-Key") == ["ours"]
