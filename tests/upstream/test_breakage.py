"""What a broken or hostile source can do: its client gets a 502 or a broken answer, never one that looks whole; nothing of
it is kept, and the next request is answered as if nothing had been (S-35, S-37, R-40, R-41).
"""

import asyncio
import gzip
import http.client
import json

import pytest

from proxy.config.schema import BasicAuth, Secret
from tests.servers.listener import (
    HANGS_SECONDS,
    LABELS,
    MATRIX,
    QUERY_RANGE,
    Listener,
    listening,
    source,
)
from tests.servers.process import free_port
from tests.servers.scripted import Answer, Connection, Scripted, Seen, chunk, json_answer
from tests.servers.wire import parse

JSON = "Content-Type: application/json\r\n"
OK = f"HTTP/1.1 200 OK\r\n{JSON}".encode()
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
GOOD = json_answer(MATRIX)
ZIPPED = gzip.compress(MATRIX)


def gzipped(body: bytes) -> bytes:
    return json_answer(body, "Content-Encoding: gzip")


BROKEN_HEADS = {
    "nothing": b"",
    "half a status line": b"HTTP/1.1 20",
    "half a head": OK,
    "not HTTP": b"+PONG\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\n",
    "unasked 101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello",
    "status of two digits": b"HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n",
    "status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "length and coding": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "length that is none": OK + b"Content-Length: +2\r\n\r\n{}",
    "NUL in a field": OK + b"X-A: a\0b\r\nContent-Length: 2\r\n\r\n{}",
    "CR in a field": OK + b"X-A: a\rSet-Cookie: b\r\nContent-Length: 2\r\n\r\n{}",
    "space before the colon": OK + b"X-A : a\r\nContent-Length: 2\r\n\r\n{}",
    "field of 70 KB": OK + b"X-A: " + b"a" * 70_000 + b"\r\nContent-Length: 2\r\n\r\n{}",
    "5000 fields": OK + b"".join(b"X-%d: a\r\n" % n for n in range(5000)) + b"Content-Length: 2\r\n\r\n{}",
}
BROKEN_BODIES = {
    "length not reached": OK + b"Content-Length: 1000\r\n\r\n" + MATRIX,
    "chunks without an end": CHUNKED + chunk(MATRIX),
    "half a chunk": CHUNKED + b"ff\r\n" + MATRIX[:20],
    "chunk size that is none": CHUNKED + chunk(MATRIX) + b"zz\r\n",
    "chunk size of 17 digits": CHUNKED + b"1" + b"0" * 16 + b"\r\n" + MATRIX,
    "chunk without its line end": CHUNKED + b"%x\r\n%b0\r\n\r\n" % (len(MATRIX), MATRIX),
    "last chunk without its end": CHUNKED + chunk(MATRIX) + b"0\r\n",
}
BELIED_CODINGS = {
    "cut gzip": gzipped(ZIPPED[:-1]),
    "gzip without its trailer": gzipped(ZIPPED[:-8]),
    "corrupt gzip": gzipped(ZIPPED[:-8] + bytes(8)),
    "gzip and more": gzipped(ZIPPED + b"x"),
    "not gzip": gzipped(MATRIX),
}
FALSE_BODIES = {
    "unknown coding": json_answer(MATRIX, "Content-Encoding: br"),
    "cut JSON": json_answer(MATRIX[:-1]),
    "HTML": json_answer(b"<html>log in</html>"),
    "close instead of a length": OK + b"Connection: close\r\n\r\n" + MATRIX,
}


def then_good(bad: bytes, *, by_reset: bool = False) -> Answer:
    """The first answer is `bad` and the end of its connection; every other is good."""

    first = True

    async def answer(_: Seen, connection: Connection) -> None:
        nonlocal first
        await connection.send(bad if first else GOOD)
        if first:
            first = False
            connection.reset() if by_reset else connection.finish()

    return answer


async def recovers(millpond: Listener, upstream: Scripted, target: str) -> None:
    """Nothing was kept; what is asked next is fetched, and then it is."""
    asked = len(upstream.requests)
    again, hit = await millpond.ask(target), await millpond.ask(target)
    assert (again.status, again.x_cache, again.body) == (200, "MISS", MATRIX)
    assert (hit.status, hit.x_cache, hit.body) == (200, "HIT", MATRIX)
    assert len(upstream.requests) == asked + 1


@pytest.mark.parametrize("by_reset", [False, True], ids=["FIN", "RST"])
@pytest.mark.parametrize("name", BROKEN_HEADS)
async def test_a_broken_head_is_a_502(name: str, by_reset: bool) -> None:
    answer = then_good(BROKEN_HEADS[name], by_reset=by_reset)
    async with Scripted(answer) as upstream, listening(source(upstream.url)) as millpond:
        reply = await millpond.ask(f"/ds/prom{QUERY_RANGE}")
        assert reply.status == 502
        error = json.loads(reply.body)
        assert error["dataSourceUID"] == "prom"
        assert "prom" in error["message"]
        assert "127.0.0.1" not in str(error)
        assert len(upstream.requests) == 1
        await recovers(millpond, upstream, f"/ds/prom{QUERY_RANGE}")


@pytest.mark.parametrize("by_reset", [False, True], ids=["FIN", "RST"])
@pytest.mark.parametrize("name", BROKEN_BODIES)
async def test_a_broken_body_is_a_502_where_it_was_to_be_kept(name: str, by_reset: bool) -> None:
    answer = then_good(BROKEN_BODIES[name], by_reset=by_reset)
    async with Scripted(answer) as upstream, listening(source(upstream.url)) as millpond:
        followers = [asyncio.create_task(millpond.ask(f"/ds/prom{QUERY_RANGE}")) for _ in range(5)]
        replies = await asyncio.gather(*followers)
        # Whoever came after the first fetch had failed began another.
        assert {(reply.status, reply.body == MATRIX) for reply in replies} <= {(502, False), (200, True)}
        assert 502 in {reply.status for reply in replies}
        await millpond.ask(f"/ds/prom{QUERY_RANGE}")
        hit = await millpond.ask(f"/ds/prom{QUERY_RANGE}")
        assert (hit.x_cache, hit.body) == ("HIT", MATRIX)


@pytest.mark.parametrize("by_reset", [False, True], ids=["FIN", "RST"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("name", BROKEN_BODIES)
async def test_a_broken_body_never_ends_cleanly_where_it_was_streamed(
    name: str, version: str, by_reset: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """An HTTP/1.0 client knows the end of a chunked answer by the connection's: it must not be a FIN. That the source
    failed is told by its own line, not by a traceback for each of its clients."""
    answer = then_good(BROKEN_BODIES[name], by_reset=by_reset)
    async with Scripted(answer) as upstream, listening(source(upstream.url)) as millpond:
        reader, writer = await millpond.connect()
        writer.write(f"GET /ds/prom/x HTTP/{version}\r\nHost: m\r\nConnection: close\r\n\r\n".encode())
        assert not await looks_whole(reader)
        writer.transport.abort()
    assert [record.message for record in caplog.records if record.exc_info] == []


async def test_clients_that_leave_in_the_middle_of_an_answer_leave_no_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    left = asyncio.Event()

    async def endless(_: Seen, connection: Connection) -> None:
        await connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while not connection.ended:
                await connection.send(b"10000\r\n" + bytes(0x10000) + b"\r\n")
        finally:
            left.set()

    async with Scripted(endless) as upstream, listening(source(upstream.url)) as millpond:
        reader, writer = await millpond.connect()
        writer.write(b"GET /ds/prom/x HTTP/1.1\r\nHost: m\r\n\r\n")
        await reader.read(1000)
        writer.transport.abort()
        async with asyncio.timeout(HANGS_SECONDS):
            await left.wait()
    assert [record.message for record in caplog.records if record.exc_info] == []


async def looks_whole(reader: asyncio.StreamReader) -> bool:
    """Whether a client would take it for a good answer."""
    try:
        async with asyncio.timeout(HANGS_SECONDS):
            return parse(await reader.read()).status < 400
    except (ConnectionError, http.client.IncompleteRead):
        return False


@pytest.mark.parametrize("name", BELIED_CODINGS)
async def test_a_body_that_belies_its_coding_is_refused(name: str) -> None:
    async with Scripted(then_good(BELIED_CODINGS[name])) as upstream, listening(source(upstream.url)) as millpond:
        reply = await millpond.ask(f"/ds/prom{QUERY_RANGE}", "Accept-Encoding: gzip")
        assert (reply.status, reply.x_cache) == (502, "MISS")
        assert reply.headers["Cache-Status"] == "millpond; fwd=uri-miss; detail=coding"
        good = await millpond.ask(f"/ds/prom{QUERY_RANGE}")
        assert (good.x_cache, good.body) == ("MISS", MATRIX)
        assert len(upstream.requests) == 2


@pytest.mark.parametrize("name", FALSE_BODIES)
async def test_a_false_body_is_passed_on_as_it_is_and_not_kept(name: str) -> None:
    bad = FALSE_BODIES[name]
    async with Scripted(then_good(bad)) as upstream, listening(source(upstream.url)) as millpond:
        reply = await millpond.ask(f"/ds/prom{QUERY_RANGE}", "Accept-Encoding: gzip")
        assert (reply.status, reply.x_cache) == (200, "MISS")
        assert reply.body == bad.partition(b"\r\n\r\n")[2]
        assert "stored" not in reply.headers["Cache-Status"]
        good = await millpond.ask(f"/ds/prom{QUERY_RANGE}")
        assert (good.x_cache, good.body) == ("MISS", MATRIX)
        assert len(upstream.requests) == 2


@pytest.mark.parametrize("status", [100, 103])
async def test_informational_answers_before_the_real_one_are_left_out(status: int) -> None:
    hints = f"HTTP/1.1 {status} Soon\r\nLink: </a>\r\n\r\n".encode() * 200
    async with Scripted(hints + GOOD) as upstream, listening(source(upstream.url)) as millpond:
        for x_cache in ("MISS", "HIT"):
            reply = await millpond.ask(f"/ds/prom{QUERY_RANGE}")
            assert (reply.status, reply.x_cache, reply.body) == (200, x_cache, MATRIX)
            assert reply.headers["Link"] is None


async def test_a_chunk_extension_of_200_kb_does_not_grow_the_answer() -> None:
    body = CHUNKED + b"%x;a=%b\r\n%b\r\n0\r\n\r\n" % (len(MATRIX), b"b" * 200_000, MATRIX)
    async with Scripted(body) as upstream, listening(source(upstream.url)) as millpond:
        reply = await millpond.ask(f"/ds/prom{QUERY_RANGE}")
        assert reply.status in (200, 502)
        assert reply.status == 502 or reply.body == MATRIX


@pytest.mark.parametrize(
    "location", ["http://169.254.169.254/latest", "file:///etc/passwd", "/", "http://127.0.0.1:{}/"]
)
@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_passed_on_and_not_followed(status: str, location: str) -> None:
    async with Scripted(GOOD) as trap:
        location = location.format(trap.port)
        redirect = json_answer(b"", f"Location: {location}", status=status)
        async with Scripted(redirect) as upstream, listening(source(upstream.url)) as millpond:
            for number in (1, 2):
                reply = await millpond.ask(f"/ds/prom{LABELS}")
                assert (reply.status, reply.headers["Location"]) == (int(status[:3]), location)
                assert reply.x_cache == "MISS"
                assert len(upstream.requests) == number
        assert trap.connections == 0


async def test_a_source_that_is_not_there_is_named_and_the_others_answer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    secret = Secret("canary")
    async with Scripted(GOOD) as upstream:
        gone = source(
            f"http://127.0.0.1:{free_port()}/canary",
            "gone",
            basic_auth=BasicAuth(username="canary", password=secret),
            headers={"X-Key": secret},
        )
        async with listening(gone, source(upstream.url)) as millpond:
            for target in (QUERY_RANGE, "/x"):
                reply = await millpond.ask(f"/ds/gone{target}")
                assert reply.status == 502
                assert json.loads(reply.body) == {
                    "message": "Data source gone failed: it refuses the connection.",
                    "dataSourceUID": "gone",
                }
            assert (await millpond.ask(f"/ds/prom{QUERY_RANGE}")).status == 200
    assert "canary" not in caplog.text


async def test_two_sources_do_not_share_their_waits() -> None:
    """R-43, T8: one source hangs with more than a hundred clients; another answers, and so do the hits of the first."""
    hang = False

    async def answer(_: Seen, connection: Connection) -> None:
        if hang:
            await connection.gone()
        else:
            await connection.send(GOOD)

    async with (
        Scripted(answer) as hanging,
        Scripted(GOOD) as other,
        listening(source(hanging.url, "one", max_concurrent=200), source(other.url, "two")) as millpond,
    ):
        assert (await millpond.ask(f"/ds/one{QUERY_RANGE}")).x_cache == "MISS"
        hang = True
        clients = [await millpond.connect() for _ in range(150)]
        for number, (_, writer) in enumerate(clients):
            writer.write(f"GET /ds/one{QUERY_RANGE}&limit={number} HTTP/1.1\r\nHost: m\r\n\r\n".encode())
        while len(hanging.requests) < 151:
            await asyncio.sleep(0)
        for number in range(20):
            reply = await millpond.ask(f"/ds/two{QUERY_RANGE}&limit={number}")
            assert (reply.status, reply.x_cache) == (200, "MISS")
            assert (await millpond.ask(f"/ds/one{QUERY_RANGE}")).x_cache == "HIT"
        for _, writer in clients:
            writer.transport.abort()
        hang = False
        # What the clients left behind is fetched or ended: no slot is lost.
        assert (await millpond.ask(f"/ds/one{LABELS}")).status == 200


async def test_an_answer_ends_for_all_who_wait_when_its_source_dies() -> None:
    """R-25."""
    waiting = asyncio.Event()

    async def answer(_: Seen, connection: Connection) -> None:
        await waiting.wait()
        connection.reset()

    async with Scripted(answer) as upstream, listening(source(upstream.url)) as millpond:
        asked = [asyncio.create_task(millpond.ask(f"/ds/prom{QUERY_RANGE}")) for _ in range(50)]
        while not upstream.requests or len(millpond.server.connections) < 50:
            await asyncio.sleep(0)
        waiting.set()
        replies = await asyncio.gather(*asked)
        assert {reply.status for reply in replies} == {502}
        assert len({reply.body for reply in replies}) == 1
