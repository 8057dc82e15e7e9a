"""What Grafana answers reaches the client as without Millpond: asked directly and through it, and compared."""

import asyncio
import gzip

import pytest

from tests.servers.listener import HANGS_SECONDS, Listener, in_front_of, read_all
from tests.servers.scripted import Connection, Scripted, Seen, answer, chunk, json_answer
from tests.servers.wire import Reply, parse, request

OF_THE_HOP = ("date", "server", "connection", "keep-alive", "transfer-encoding")

COOKIES = (
    "Set-Cookie: grafana_session=5f1e0c7a; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax",
    "Set-Cookie: grafana_session_expiry=1795396425; Path=/; Max-Age=2592000; SameSite=Lax",
    "set-cookie: oauth_state=; Path=/grafana; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Secure; SameSite=None",
    'Set-Cookie: odd="a b, c; d"; Partitioned; Priority=High; Path="/x"',
    "Set-Cookie: grafana_session=5f1e0c7a; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax",
    "Set-Cookie: redirect_to=%252Fd%252Fabc%253Forg%253D1; Path=/",
    "Set-Cookie: bare",
)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
ANSWERS = {
    "json": ("GET", json_answer(b'{"a":1}', "Cache-Control: no-store", "Vary: Accept-Encoding")),
    "binary": ("GET", answer(PNG, "Content-Type: image/png", 'ETag: W/"a"', "Accept-Ranges: bytes")),
    "gzip": ("GET", answer(gzip.compress(b"a" * 5000), "Content-Type: text/html", "Content-Encoding: gzip")),
    "nothing that undoes it": ("GET", answer(b"\x00\x01", "Content-Encoding: x-own")),
    "no content type": ("GET", answer(b"hello")),
    "empty": ("GET", answer(b"")),
    "repeated and empty fields": ("GET", answer(b"x", "X-A: 1", "x-a: 2", "X-A:", "X-B: a, b")),
    "its own Server": ("GET", answer(b"x", "Server: nginx/1.22")),
    "the cache's words": ("GET", answer(b"x", "X-Cache: HIT", "Cache-Status: varnish; hit", "Age: 7", "Via: 1.1 v")),
    "security": ("GET", answer(b"x", "Content-Security-Policy: script-src 'self' 'nonce-1/+='", "X-Frame-Options: deny")),
    "utf-8 in a field": ("GET", answer(b"x", "Content-Disposition: attachment; filename=\xc3\xa9.csv")),
    "cookies": ("POST", json_answer(b'{"message":"Logged in"}', *COOKIES)),
    "cookies of an error": ("GET", json_answer(b'{"message":"Unauthorized"}', *COOKIES, status="401 Unauthorized")),
    "relative redirect": ("GET", answer(b"", "Location: /login?x=%2Fd%2Fabc", *COOKIES[:2], status="302 Found")),
    "absolute redirect": ("GET", answer(b"<a>", "Location: https://idp.example/a?b#c", status="307 Elsewhere")),
    "odd redirect": ("GET", answer(b"", "Location: ../d/a b?x=[1]", status="301 Moved Permanently")),
    "redirect to itself": ("POST", answer(b"", "Location: /x", status="303 See Other")),
    "not modified": ("GET", b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nCache-Control: max-age=60\r\n\r\n'),
    "no content": ("DELETE", b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n"),
    "head": ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 123456\r\nContent-Type: text/html\r\n\r\n"),
    "head without a length": ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"),
    "head of an error": ("HEAD", b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n"),
    "part": ("GET", answer(b"bcd", "Content-Range: bytes 1-3/26", status="206 Partial Content")),
    "no such part": ("GET", answer(b"", "Content-Range: bytes */26", status="416 Range Not Satisfiable")),
    "options": ("OPTIONS", answer(b"", "Allow: GET, POST", "Access-Control-Allow-Origin: *")),
    "chunks": ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"he") + chunk(b"llo") + chunk(b"")),
    "until it closes": ("GET", b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\nhello"),
    **{
        f"status {status[:3]}": ("GET", json_answer(b'{"message":"%d"}' % number, status=status))
        for number, status in enumerate(
            [
                "400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found", "405 Method Not Allowed",
                "409 Conflict", "412 Precondition Failed", "418 I'm a teapot", "422 Unprocessable Entity",
                "429 Too Many Requests", "499 Own", "500 Internal Server Error", "502 Bad Gateway", "504 Gateway Timeout",
                "201 Created", "202 Accepted", "207 Multi-Status", "599 Own",
            ]
        )
    },
}  # fmt: skip


def comparable(reply: Reply) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, end-to-end fields (those of one name in their order; how a name is spelt means nothing), body."""
    fields = [(name.lower(), str(value)) for name, value in reply.headers.items()]
    kept = [(name, value) for name, value in fields if name not in OF_THE_HOP]
    return reply.status, sorted(kept, key=lambda pair: pair[0]), reply.body


async def directly(scripted: Scripted, target: str, method: str) -> Reply:
    reader, writer = await asyncio.open_connection("127.0.0.1", scripted.port)
    writer.write(request(target, method=method))
    head = await reader.readuntil(b"\r\n\r\n")
    if method == "HEAD" or b" 304 " in head or b" 204 " in head:
        body = b""
    else:
        writer.write_eof()
        body = await read_all(reader)
    writer.transport.abort()
    return parse(head + body, method)


@pytest.mark.parametrize("name", ANSWERS)
async def test_it_is_the_same_as_without_us(name: str) -> None:
    method, sent = ANSWERS[name]
    async with Scripted(sent) as grafana, in_front_of(grafana.url) as millpond:
        direct = await directly(grafana, "/x", method)
        reply = await millpond.ask("/x", method=method)
        assert comparable(reply) == comparable(direct)
        assert "Server" not in reply.headers or "Server" in direct.headers
        assert (await millpond.ask("/x", method=method)).status == direct.status


async def asked(
    millpond: Listener, head: bytes, until: bytes
) -> tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await millpond.connect()
    writer.write(head)
    async with asyncio.timeout(HANGS_SECONDS):
        return await reader.readuntil(until), reader, writer


@pytest.mark.parametrize("content_type", ["text/event-stream", "application/json;stream=watch", "application/x-ndjson"])
async def test_events_arrive_while_the_answer_is_open(content_type: str) -> None:
    go_on = asyncio.Event()

    async def events(_: Seen, connection: Connection) -> None:
        await connection.send(
            f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        for number in range(3):
            await connection.send(chunk(b"data: %d\n\n" % number))
            await go_on.wait()
            go_on.clear()
        await connection.send(chunk(b""))

    async with Scripted(events) as grafana, in_front_of(grafana.url, between_bytes_ms=3_600_000) as millpond:
        _, reader, writer = await asked(millpond, b"GET /events HTTP/1.1\r\nHost: g\r\n\r\n", b"data: 0\n\n")
        async with asyncio.timeout(HANGS_SECONDS):
            for event in (b"data: 1\n\n", b"data: 2\n\n", b"0\r\n\r\n"):
                go_on.set()
                await reader.readuntil(event)
        writer.transport.abort()


async def test_the_head_of_an_answer_does_not_wait_for_its_body() -> None:
    async def head_alone(_: Seen, connection: Connection) -> None:
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        await connection.gone()

    async with Scripted(head_alone) as grafana, in_front_of(grafana.url) as millpond:
        head, _, writer = await asked(millpond, b"GET /x HTTP/1.1\r\nHost: g\r\n\r\n", b"\r\n\r\n")
        assert b"Content-Length: 5" in head
        writer.transport.abort()


async def test_an_event_stream_is_never_cut() -> None:
    """Others are, when nothing has come for the time that the operator gives."""
    last = asyncio.Event()

    async def events(seen: Seen, connection: Connection) -> None:
        kind = seen.target[1:].encode()
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/%b\r\nTransfer-Encoding: chunked\r\n\r\n" % kind)
        await connection.send(chunk(b"first"))
        await last.wait()
        await connection.send(chunk(b"last") + chunk(b""))

    async with Scripted(events) as grafana, in_front_of(grafana.url, between_bytes_ms=20) as millpond:
        _, reader, writer = await asked(millpond, b"GET /event-stream HTTP/1.1\r\nHost: g\r\n\r\n", b"first")
        cut = await millpond.raw(request("/plain"))
        assert b"last" not in cut
        last.set()
        async with asyncio.timeout(HANGS_SECONDS):
            await reader.readuntil(b"last")
        writer.transport.abort()


async def test_a_long_poll_is_answered_when_grafana_answers() -> None:
    ready = asyncio.Event()

    async def poll(_: Seen, connection: Connection) -> None:
        await ready.wait()
        await connection.send(json_answer(b"[]"))

    async with Scripted(poll) as grafana, in_front_of(grafana.url, max_concurrent=2) as millpond:
        polls = [asyncio.ensure_future(millpond.ask("/poll")) for _ in range(2)]
        while len(grafana.requests) < 2:
            await asyncio.sleep(0)
        ready.set()
        assert [reply.body for reply in await asyncio.gather(*polls)] == [b"[]", b"[]"]


@pytest.mark.parametrize("framing", [b"Content-Length: 10", b"Transfer-Encoding: chunked"])
async def test_an_answer_that_breaks_off_breaks_off(framing: bytes) -> None:
    async def cut(_: Seen, connection: Connection) -> None:
        part = b"5\r\nhello\r\n" if b"chunked" in framing else b"hello"
        await connection.send(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (framing, part))
        connection.finish()

    async with Scripted(cut) as grafana, in_front_of(grafana.url) as millpond:
        reader, writer = await millpond.connect()
        writer.write(b"GET /x HTTP/1.1\r\nHost: g\r\n\r\n")
        async with asyncio.timeout(HANGS_SECONDS):
            with pytest.raises(ConnectionResetError):
                await reader.read()
        writer.transport.abort()


async def test_a_client_that_hangs_up_ends_the_request_to_grafana() -> None:
    gone = asyncio.Event()

    async def silent(seen: Seen, connection: Connection) -> None:
        if seen.target == "/started":
            await connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"first"))
        await connection.gone()
        gone.set()

    async with Scripted(silent) as grafana, in_front_of(grafana.url) as millpond:
        for number, target in enumerate((b"/started", b"/silent"), 1):
            _, writer = await millpond.connect()
            writer.write(b"GET %b HTTP/1.1\r\nHost: g\r\n\r\n" % target)
            while len(grafana.requests) < number:
                await asyncio.sleep(0)
            writer.transport.abort()
            async with asyncio.timeout(HANGS_SECONDS):
                await gone.wait()
            gone.clear()


async def test_a_draining_process_answers_and_ends_the_connection() -> None:
    async with Scripted(answer(b"fine")) as grafana, in_front_of(grafana.url) as millpond:
        millpond.handler.drain()
        reply = parse(await millpond.raw(b"GET /x HTTP/1.1\r\nHost: g\r\n\r\n"))
        assert (reply.body, reply.headers["Connection"]) == (b"fine", "close")
        assert await millpond.handler.idle(HANGS_SECONDS)
