"""Which answers may be somebody else's, and what of them (safety.md S-01, S-31 to S-34, S-38; decisions 20 and 21)."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.servers.millpond import Millpond
from tests.servers.process import wait_until
from tests.servers.raw import RawSource, RunRawSource
from tests.servers.source import RunningSource, RunSource
from tests.servers.wire import Reply, ask
from tests.sources import plain
from tests.sources.plain import SCRIPT, Scripted

from .configured import caching

JSON = {"Content-Type": "application/json"}

numbers = itertools.count()


@pytest.fixture(scope="module")
def source(run_source: RunSource) -> RunningSource:
    return run_source(plain.make())


@pytest.fixture(scope="module")
def raw(run_raw_source: RunRawSource) -> RawSource:
    return run_raw_source()


@pytest.fixture(scope="module")
def millpond(source: RunningSource, raw: RawSource) -> Iterator[Millpond]:
    config = caching(
        {"uid": "any", "type": "opaque", "url": source.url},
        {"uid": "raw", "type": "opaque", "url": raw.url},
        {"uid": "ua", "type": "opaque", "url": source.url, "identity": {"keep": ["User-Agent"]}},
    )
    with Millpond(config=config) as server:
        yield server


@pytest.fixture
def path() -> str:
    """One that nobody has asked for."""
    return f"/ds/any/x{next(numbers)}"


KEPT = [
    {"Cache-Control": "public, max-age=60"},
    {"Cache-Control": "max-age=0"},
    {"Vary": "Accept-Encoding"},
    {"Vary": "Authorization, X-Scope-OrgID"},
    {"Vary": "Origin, accept-encoding"},
    {"Vary": "X-Never-Heard-Of"},
    {"ETag": '"x"', "Last-Modified": "Sat, 29 Oct 1994 19:43:31 GMT"},
    {"X-Cache": "HIT", "Age": "100", "Cache-Status": "varnish; hit"},
]
NOT_KEPT = [
    {"Set-Cookie": "session=alice"},
    {"Set-Cookie": "session=alice", "Cache-Control": "public, max-age=600"},
    {"Cache-Control": "no-store"},
    {"Cache-Control": "max-age=60, No-Store"},
    {"Cache-Control": "private"},
    {"Cache-Control": 'private="set-cookie", max-age=60'},
    {"Vary": "*"},
    {"Vary": "Accept-Encoding, *"},
    {"Vary": "User-Agent"},
    {"Vary": "Accept-Language"},
    {"Vary": "X-Forwarded-Host"},
    {"Vary": "Referer"},
    {"Vary": "Sec-Fetch-Mode"},
    {"Vary": "traceparent, Accept"},
    {"Vary": "X-Panel-Id"},
    {"Content-Range": "bytes 0-1/2"},
    {"Content-Type": "text/event-stream"},
    {"Content-Type": "Text/Event-Stream; charset=utf-8"},
]


@pytest.mark.parametrize("headers", KEPT, ids=str)
def test_kept(millpond: Millpond, source: RunningSource, path: str, headers: dict[str, str]) -> None:
    source.app[SCRIPT].say(Scripted(headers={**JSON, **headers}, chunks=(b'{"first":1}',)))
    first, second = ask(millpond.port, path), ask(millpond.port, path)
    assert (first.x_cache, second.x_cache) == ("MISS", "HIT")
    assert (first.body, second.body) == (b'{"first":1}',) * 2
    assert second.headers.get_all("X-Cache") == ["HIT"]
    assert [first.headers["Age"], second.headers["Age"]] == [None, "0"]
    assert "accept-encoding" in second.headers["Vary"].lower()
    assert second.headers["ETag"] is None


@pytest.mark.parametrize("headers", NOT_KEPT, ids=str)
def test_not_kept(millpond: Millpond, source: RunningSource, path: str, headers: dict[str, str]) -> None:
    source.app[SCRIPT].say(Scripted(headers={**JSON, **headers}, chunks=(b'{"for":"alice"}',)))
    first, second, third = (ask(millpond.port, path) for _ in range(3))
    assert first.body == b'{"for":"alice"}'
    assert all(first.headers[name] == value for name, value in headers.items() if name != "Content-Type")
    assert [first.x_cache, second.x_cache] == ["MISS", "MISS"]
    assert b"alice" not in second.body + third.body
    assert second.headers["Set-Cookie"] is third.headers["Set-Cookie"] is None


def at_once(
    millpond: Millpond, source: RunningSource, path: str, *callers: tuple[tuple[str, str], ...], waiting: int
) -> list[Reply]:
    """Their answers, the source's held back until as many fetches are joined as there are to be."""
    joined = 'millpond_coalesced_total{datasource_uid="any"}'
    before = millpond.metrics().get(joined, 0)
    gate = source.closed_gate()
    with ThreadPoolExecutor(len(callers)) as pool:
        asked = [pool.submit(ask, millpond.port, path, *headers) for headers in callers]
        wait_until(lambda: millpond.metrics().get(joined, 0) - before == waiting)
        gate()
        return [each.result() for each in asked]


def test_a_fetch_in_flight_is_joined_by_its_own_caller_alone(
    millpond: Millpond, source: RunningSource, path: str
) -> None:
    asked, callers = source.count, ((), (("Authorization", "alice"),), (("Authorization", "bob"),))
    replies = at_once(millpond, source, path, *callers, *callers, waiting=3)
    assert source.count - asked == 3
    assert [reply.body for reply in replies[:3]] == [reply.body for reply in replies[3:]]
    assert len({reply.body for reply in replies}) == 3


def test_who_waited_for_an_error_gets_no_cookie_of_it(millpond: Millpond, source: RunningSource, path: str) -> None:
    source.app[SCRIPT].say(Scripted(status=403, headers={**JSON, "Set-Cookie": "s=alice"}, chunks=(b"no",)))
    replies = at_once(millpond, source, path, (), (), (), waiting=2)
    assert [(reply.status, reply.body) for reply in replies] == [(403, b"no")] * 3
    assert sorted(str(reply.headers["Set-Cookie"]) for reply in replies) == ["None", "None", "s=alice"]


@pytest.mark.parametrize("header", [{}, {"Cache-Control": "private"}, {"Vary": "*"}])
def test_what_may_not_be_shared_is_not_shared_in_flight(
    millpond: Millpond, source: RunningSource, path: str, header: dict[str, str]
) -> None:
    answers = [Scripted(headers={**JSON, **header, "Set-Cookie": f"s={n}"}, chunks=(b"%d" % n,)) for n in range(3)]
    source.app[SCRIPT].say(*answers)
    replies = at_once(millpond, source, path, (), (), (), waiting=2)
    assert sorted((reply.body, reply.headers["Set-Cookie"]) for reply in replies) == [
        (b"0", "s=0"),
        (b"1", "s=1"),
        (b"2", "s=2"),
    ]


def test_a_kept_header_may_be_varied_by(millpond: Millpond, source: RunningSource) -> None:
    path = f"/ds/ua/{next(numbers)}"
    source.app[SCRIPT].say(Scripted(headers={**JSON, "Vary": "User-Agent"}))
    replies = [ask(millpond.port, path, ("User-Agent", agent)) for agent in ("a", "a", "b")]
    assert [reply.x_cache for reply in replies] == ["MISS", "HIT", "MISS"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["http://169.254.169.254/latest/", "file:///etc/passwd", "{path}"])
def test_a_redirect_is_neither_followed_nor_kept(
    millpond: Millpond, source: RunningSource, path: str, status: int, location: str
) -> None:
    asked, location = source.count, location.format(path=path)
    redirect = Scripted(status=status, headers={"Location": location}, chunks=(b"there",))
    source.app[SCRIPT].say(redirect, redirect)
    for _ in range(2):
        reply = ask(millpond.port, path)
        assert (reply.status, reply.headers["Location"], reply.x_cache) == (status, location, "MISS")
    assert source.count - asked == 2


def raw_replies(millpond: Millpond, raw: RawSource, answer: bytes) -> tuple[Reply, Reply, int]:
    """Two answers to one call whose source says this, and how often it was asked."""
    raw.answer, asked, path = answer, len(raw.requests), f"/ds/raw/{next(numbers)}"
    first, second = ask(millpond.port, path), ask(millpond.port, path)
    return first, second, len(raw.requests) - asked


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"


def test_hop_by_hop_headers_are_nobody_elses(millpond: Millpond, raw: RawSource) -> None:
    hops = b"Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: x\r\nTrailer: X-T\r\n"
    first, second, asked = raw_replies(millpond, raw, HEAD + hops + b"X-End: 1\r\n\r\n{}")
    assert (first.body, second.body, second.x_cache, asked) == (b"{}", b"{}", "HIT", 1)
    assert first.headers["X-End"] == "1"
    for reply in (first, second):
        assert not {"x-hop", "keep-alive", "proxy-authenticate", "trailer"} & {name.lower() for name in reply.headers}


@pytest.mark.parametrize(
    "line",
    [
        b"X-Bad: a\x00Set-Cookie: s=1",
        b"X-Bad: a\rSet-Cookie: s=1",
        b"X-Bad: a\r\n Set-Cookie: s=1",
        b"X-Bad: a\x0b\x0cb",
        b"X-Bad\x00: a",
        b"X Bad: a",
        b": a",
        b"X-Bad: caf\xe9",
        b"X-Bad: \xff\xfe",
        "X-Bad: é ☃".encode(),
        b"Content-Type: text/\xe9",
        b"X-Bad: \x7f",
    ],
)
def test_a_header_is_never_more_than_one(millpond: Millpond, raw: RawSource, line: bytes) -> None:
    """It is passed on byte for byte, left out, or the answer is refused; never a header that the source did not send."""
    first, second, _ = raw_replies(millpond, raw, HEAD + line + b"\r\n\r\n{}")
    for reply in (first, second):
        assert reply.status in (200, 502)
        assert reply.headers["Set-Cookie"] is None
        if reply.status == 200:
            assert reply.body == b"{}"
        if reply.headers["X-Bad"] is not None:
            sent = line.partition(b": ")[2].replace(b"\r\n", b"")
            assert reply.headers["X-Bad"].encode("latin-1") == sent


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"\r\n{",
        HEAD.replace(b": 2", b": 4") + b"\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 3\r\n\r\n{}",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"garbage\r\n\r\n",
        b"",
    ],
)
def test_a_broken_answer_is_not_kept(millpond: Millpond, raw: RawSource, answer: bytes) -> None:
    path = f"/ds/raw/{next(numbers)}"
    raw.answer = answer
    broken = ask(millpond.port, path)
    assert broken.status == 502 or (broken.status, broken.body) == (200, b"")
    raw.answer = HEAD + b"\r\n{}"
    assert [ask(millpond.port, path).x_cache for _ in range(2)] == ["MISS", "HIT"]
