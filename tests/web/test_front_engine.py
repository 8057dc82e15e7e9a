"""The seam to what is cached of Grafana: it is asked first, answers or lets pass, and hears what passed."""

from dataclasses import dataclass, field

import pytest

from proxy.core.model import Headers, XCache
from proxy.dialects.grafana.routes import Meaning, Other, Queries
from proxy.engine.exchange import Incoming, Payload, Reply
from proxy.errors import Forbidden, MillpondError, UpstreamError, UpstreamTimeout
from tests.servers.listener import in_front_of
from tests.servers.scripted import Connection, Scripted, Seen, answer

HIT = Reply(
    payload=Payload(status=200, headers=(("Content-Type", "application/json"),), body=b"kept", length_bytes=4),
    x_cache=XCache.HIT,
    cache_status="millpond; hit; ttl=7",
    route="query",
    cookies=(("Set-Cookie", "grafana_session=new; HttpOnly"), ("Set-Cookie", "a=b")),
)


@dataclass
class Engine:
    answers: Reply | MillpondError | None = None
    reads_bytes: int | None = None
    asked: list[tuple[str, str, str, Meaning]] = field(default_factory=list)
    bodies: list[bytes | None] = field(default_factory=list)
    headers: list[Headers] = field(default_factory=list)
    heard: list[tuple[str, int, Meaning]] = field(default_factory=list)
    fails: bool = False

    async def answer(self, incoming: Incoming, found: Meaning) -> Reply | None:
        self.asked.append((incoming.method, incoming.path, incoming.query, found))
        self.headers.append(incoming.headers)
        if self.reads_bytes is not None:
            self.bodies.append(await incoming.read(self.reads_bytes))
        if isinstance(self.answers, MillpondError):
            raise self.answers
        return self.answers

    async def passed(self, incoming: Incoming, found: Meaning, status: int) -> None:
        self.heard.append((incoming.path, status, found))
        if self.fails:
            raise Forbidden("no")


async def test_what_it_answers_goes_out_with_its_words_and_cookies() -> None:
    engine = Engine(HIT)
    async with Scripted(answer(b"fine")) as grafana, in_front_of(grafana.url, path="/g", engine=engine) as millpond:
        reply = await millpond.ask("/g/api/ds/query?a=b", method="POST", body=b"{}")
    assert (reply.status, reply.body, reply.x_cache) == (200, b"kept", "HIT")
    assert reply.headers["Cache-Status"] == "millpond; hit; ttl=7"
    assert reply.headers.get_all("Set-Cookie") == ["grafana_session=new; HttpOnly", "a=b"]
    assert engine.asked == [("POST", "/api/ds/query", "a=b", Queries(form="api"))]
    assert (grafana.requests, engine.heard) == ([], [])


@pytest.mark.parametrize("size_bytes", [0, 10, 100, 1_000_000])
@pytest.mark.parametrize("limit_bytes", [None, 50])
async def test_what_it_lets_pass_passes_whole_whether_it_has_read_or_not(
    size_bytes: int, limit_bytes: int | None
) -> None:
    engine = Engine(reads_bytes=limit_bytes)
    body = bytes(number % 251 for number in range(size_bytes))
    async with Scripted(answer(b"fine")) as grafana, in_front_of(grafana.url, engine=engine) as millpond:
        reply = await millpond.ask("/x", method="POST", body=body)
    assert (reply.body, "X-Cache" in reply.headers) == (b"fine", False)
    assert grafana.requests[0].body == body
    assert engine.heard == [("/x", 200, Other())]
    if limit_bytes is not None:
        assert engine.bodies == [body if size_bytes <= limit_bytes else None]


async def test_it_sees_no_header_that_grafana_would_not() -> None:
    engine = Engine()
    async with Scripted(answer(b"fine")) as grafana, in_front_of(grafana.url, engine=engine) as millpond:
        await millpond.ask("/x", "X-WEBAUTH-USER: admin", "Cookie: a=b", "Connection: Cookie, X-Hop", "X-Hop: 1")
    [headers], [seen] = engine.headers, grafana.requests
    assert sorted(headers.items()) == sorted(seen.headers.items())
    assert "X-WEBAUTH-USER" not in headers


async def test_it_hears_of_an_answer_before_the_client_does() -> None:
    engine = Engine(fails=True)
    async with (
        Scripted(answer(b"fine")) as grafana,
        in_front_of(grafana.url, engine=engine, max_concurrent=1) as millpond,
    ):
        for _ in range(2):  # and its failure holds no slot
            assert (await millpond.ask("/x", method="DELETE")).status == 403
    assert engine.heard == [("/x", 200, Other())] * 2


async def test_it_hears_of_what_may_have_been_done_without_an_answer() -> None:
    async def hang_up(_: Seen, connection: Connection) -> None:
        connection.reset()

    engine = Engine()
    async with Scripted(hang_up) as grafana, in_front_of(grafana.url, engine=engine) as millpond:
        assert (await millpond.ask("/x", method="DELETE")).status == 502
    async with in_front_of(grafana.url, engine=engine) as millpond:  # where nobody listens any longer
        assert (await millpond.ask("/y", method="DELETE")).status == 502
    assert engine.heard == [("/x", 0, Other())]


CONNECT = UpstreamError("Data source grafana failed", kind="connect")
SLOW = UpstreamTimeout("Data source grafana failed", kind="timeout-first-byte")


def missed(error: UpstreamError) -> Reply:
    return Reply(payload=error, x_cache=XCache.MISS, cache_status="millpond; fwd=uri-miss", route="query")


@pytest.mark.parametrize(
    ("failure", "status", "message"),
    [
        (Forbidden("not yours"), 403, b"not yours"),
        (CONNECT, 502, b"Grafana cannot be reached"),
        (missed(CONNECT), 502, b"Grafana cannot be reached"),
        (SLOW, 504, b"Grafana did not begin"),
        (missed(SLOW), 504, b"Grafana did not begin"),
    ],
)
async def test_its_failures_are_answered_in_json(failure: Reply | MillpondError, status: int, message: bytes) -> None:
    async with Scripted(answer(b"fine")) as grafana, in_front_of(grafana.url, engine=Engine(failure)) as millpond:
        reply = await millpond.ask("/x")
    assert (reply.status, reply.headers.get_content_type()) == (status, "application/json")
    assert message in reply.body


async def test_websockets_and_data_sources_are_not_its_and_a_refused_handshake_is_heard_of() -> None:
    async def refuse(_: Seen, connection: Connection) -> None:
        await connection.send(answer(b"no", status="403 Forbidden"))

    engine = Engine(HIT)
    async with Scripted(refuse) as grafana, in_front_of(grafana.url, engine=engine) as millpond:
        upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: a")
        assert (await millpond.ask("/api/live/ws", *upgrade)).status == 403
        assert (await millpond.ask("/ds/nobody/x")).status == 404
    assert (engine.asked, engine.heard) == ([], [("/api/live/ws", 403, Other())])
