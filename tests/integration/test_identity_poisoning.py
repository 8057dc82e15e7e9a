"""What one caller's request can do to the next one's answer: nothing (safety.md S-13 to S-20)."""

import itertools
from collections.abc import Iterator

import pytest

from tests.servers.millpond import Millpond
from tests.servers.source import RunningSource, RunSource
from tests.servers.wire import ask, send
from tests.sources import plain
from tests.sources.plain import SCRIPT, Scripted

from .configured import caching

JSON = {"Content-Type": "application/json"}
FORM = ("Content-Type", "application/x-www-form-urlencoded")

numbers = itertools.count()


@pytest.fixture(scope="module")
def source(run_source: RunSource) -> RunningSource:
    return run_source(plain.make())


@pytest.fixture(scope="module")
def millpond(source: RunningSource) -> Iterator[Millpond]:
    config = caching(
        {"uid": "any", "type": "opaque", "url": f"{source.url}/base"},
        {"uid": "prom", "type": "prometheus", "url": source.url},
    )
    with Millpond(config=config) as server:
        yield server


@pytest.fixture
def path() -> str:
    """One that nobody has asked for."""
    return f"/ds/any/x{next(numbers)}"


@pytest.mark.parametrize("connection", [(), (("Connection", "{name}"),), (("Connection", "close, {name}, x"),)])
@pytest.mark.parametrize(
    "name",
    "X-Forwarded-Host X-Forwarded-Proto X-Forwarded-Prefix X-Forwarded-Server X-Original-URL X-Rewrite-URL "
    "X-HTTP-Method-Override X-HTTP-Method Forwarded Origin Referer X-Host Accept Accept-Language Accept-Charset "
    "Content-Type Authorization Cookie X-Scope-OrgID X-Grafana-User X-Real-Ip Pragma Max-Forwards X-Wap-Profile "
    "User-Agent Host-Override".split(),
)
def test_what_the_source_sees_is_keyed(
    millpond: Millpond, source: RunningSource, path: str, name: str, connection: tuple[tuple[str, str], ...]
) -> None:
    """The source sees the header and answers its sender alone, or does not see it and answers everyone."""
    tricks = [(key, value.format(name=name)) for key, value in connection]
    evil = ask(millpond.port, path, (name, "evil"), *tricks)
    seen = "evil" in source.last.headers.getall(name, [])
    clean = ask(millpond.port, path)
    if "HTTP-Method" in name:
        assert (evil.x_cache, clean.x_cache) == ("BYPASS", "MISS")  # a source may do what the header says
        return
    assert evil.x_cache == "MISS"
    if name == "User-Agent" and not connection:
        assert (seen, clean.x_cache) == (True, "HIT")  # who asks with what tool changes no answer: decision 19
    else:
        assert clean.x_cache == ("MISS" if seen else "HIT")


@pytest.mark.parametrize("name", ["Authorization", "Cookie", "Accept"])
def test_connection_takes_nothing_away_that_says_who_asks(
    millpond: Millpond, source: RunningSource, path: str, name: str
) -> None:
    for header in ((name, "alice=1"), (name, "bob=1")):
        reply = ask(millpond.port, path, header, ("Connection", name))
        assert reply.x_cache == "MISS"
        assert source.last.headers[name] == header[1]


def test_connection_does_not_unframe_a_body(millpond: Millpond, source: RunningSource) -> None:
    """CVE-2022-45059. The call passes: no echo is an answer of Prometheus'."""
    body = b"query=up&start=1&end=2"
    tricks = [("Connection", "Content-Length, Content-Type, Host"), FORM]
    ask(millpond.port, "/ds/prom/api/v1/query_range", *tricks, method="POST", body=body)
    assert (source.last.body, source.last.headers["Content-Type"]) == (body, FORM[1])


@pytest.mark.parametrize(
    "lines",
    [
        b"GET {path} HTTP/1.1\r\nHost: evil.example",
        b"GET {path} HTTP/1.1\r\nHost: evil.example:80",
        b"GET http://evil.example{path} HTTP/1.1\r\nHost: evil.example",
        b"GET http://evil.example{path} HTTP/1.1\r\nHost: good.example",
        b"GET {path} HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example",
        b"GET {path} HTTP/1.0",
    ],
)
def test_the_client_chooses_no_host(millpond: Millpond, source: RunningSource, path: str, lines: bytes) -> None:
    request = lines.replace(b"{path}", path.encode()) + b"\r\nConnection: close\r\n\r\n"
    reply = send(millpond.port, request)
    assert (reply.status, reply.x_cache) == (200, "MISS")
    assert source.last.headers.getall("Host") == [f"127.0.0.1:{source.port}"]
    assert source.last.target == path.replace("/ds/any", "/base")
    assert ask(millpond.port, path).x_cache == "HIT"


@pytest.mark.parametrize(
    "tail", ["//evil.example/x", "/@evil.example/x", "/u:p@evil.example", "/http://evil.example/", "/;x"]
)
def test_no_path_leads_elsewhere(millpond: Millpond, source: RunningSource, tail: str) -> None:
    tail += f"?{next(numbers)}"
    assert ask(millpond.port, f"/ds/any{tail}").status == 200
    assert (source.last.target, source.last.headers["Host"]) == (f"/base{tail}", f"127.0.0.1:{source.port}")
    assert ask(millpond.port, f"/ds/any{tail}").x_cache == "HIT"


@pytest.mark.parametrize(
    "head",
    [
        b"GET {path} HTTP/1.1\r\nHost: a\r\nHost: b",
        b"GET {path} HTTP/1.1\r\nHost: a\r\nHost: a",
        b"GET {path} HTTP/1.1",
        b"GET {path} HTTP/1.1\r\nHost: x@evil.example",
        b"GET {path} HTTP/1.1\r\nHost: a b",
        b"GET {path} HTTP/1.1\r\nHost: a/b",
        b"GET file://{path} HTTP/1.1\r\nHost: a",
        b"GET {path} HTTP/1.1\r\nHost: a\r\nX-Bad: \x01",
        b"GET {path} HTTP/1.1\r\nHost: a\r\nX-Bad: a\x00b",
        b"GET {path} HTTP/1.1\r\nHost: a\r\nX-Huge: " + b"x" * 20_000,
        b"GET {path} HTTP/1.1\r\nHost: a\r\n folded: x",
        b"GET {path}/../../../admin HTTP/1.1\r\nHost: a",
        b"GET {path}/..%2f..%2f..%2fadmin HTTP/1.1\r\nHost: a",
        b"GET {path}/%252e%252e/admin HTTP/1.1\r\nHost: a",
    ],
)
def test_what_is_refused_reaches_nobody(millpond: Millpond, source: RunningSource, path: str, head: bytes) -> None:
    asked = source.count
    refused = send(millpond.port, head.replace(b"{path}", path.encode()) + b"\r\nConnection: close\r\n\r\n")
    assert 400 <= refused.status < 500
    assert source.count == asked
    assert ask(millpond.port, path).x_cache == "MISS"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 408, 413, 429, 431, 499, 500, 501, 502, 503, 504])
def test_an_error_is_the_next_ones_never(millpond: Millpond, source: RunningSource, path: str, status: int) -> None:
    source.app[SCRIPT].say(Scripted(status=status, headers=JSON, chunks=(b'{"message":"no"}',)))
    refused, clean, again = (ask(millpond.port, path) for _ in range(3))
    assert (refused.status, refused.x_cache, refused.body) == (status, "MISS", b'{"message":"no"}')
    assert (clean.status, clean.x_cache) == (200, "MISS")
    assert (again.x_cache, again.body) == ("HIT", clean.body)


@pytest.mark.parametrize(
    ("header", "status", "chunks"),
    [
        (("Range", "bytes=0-0"), 206, (b"{",)),
        (("Range", "bytes=0-0,1-1,2-2"), 206, (b"--x",)),
        (("Range", "bytes=0-0"), 200, (b"{",)),
        (("If-None-Match", '"x"'), 304, ()),
        (("If-Modified-Since", "Sat, 29 Oct 1994 19:43:31 GMT"), 304, ()),
        (("If-Match", '"x"'), 412, (b"no",)),
        (("X-Cache-Skip", "true"), 200, (b"fresh",)),
    ],
)
def test_a_part_is_never_taken_for_the_whole(
    millpond: Millpond,
    source: RunningSource,
    path: str,
    header: tuple[str, str],
    status: int,
    chunks: tuple[bytes, ...],
) -> None:
    part = Scripted(
        status=status, headers={"ETag": '"x"', **({} if chunks else {"Content-Length": "0"})}, chunks=chunks
    )
    source.app[SCRIPT].say(part)
    first = ask(millpond.port, path, header)
    assert (first.status, first.x_cache, first.body) == (status, "BYPASS", b"".join(chunks))
    assert source.last.headers[header[0]] == header[1]
    whole = ask(millpond.port, path)
    assert (whole.status, whole.x_cache) == (200, "MISS")
    assert ask(millpond.port, path).body == whole.body
    source.app[SCRIPT].say(part)
    assert ask(millpond.port, path, header).x_cache == "BYPASS"
    assert (ask(millpond.port, path).status, ask(millpond.port, path).body) == (200, whole.body)


def test_a_head_is_no_answer_to_a_get(millpond: Millpond, source: RunningSource, path: str) -> None:
    head = ask(millpond.port, path, method="HEAD")
    assert (head.status, head.x_cache, head.body) == (200, "BYPASS", b"")
    assert int(head.headers["Content-Length"]) > 0
    assert source.last.method == "HEAD"
    whole = ask(millpond.port, path)
    assert (whole.x_cache, len(whole.body) > 0) == ("MISS", True)
    assert ask(millpond.port, path, method="HEAD").body == b""
    assert (ask(millpond.port, path).x_cache, ask(millpond.port, path).body) == ("HIT", whole.body)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "POST"])
def test_no_other_method_reads_or_writes(millpond: Millpond, source: RunningSource, path: str, method: str) -> None:
    replies = [ask(millpond.port, path, method=each) for each in (method, "GET", method, "GET")]
    assert [reply.x_cache for reply in replies] == ["BYPASS", "MISS", "BYPASS", "HIT"]
    assert replies[3].body == replies[1].body
    assert [each.method for each in source.recorder.requests[-3:]] == [method, "GET", method]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /ds/any/x?q=\xe9 HTTP/1.1\r\nHost: a",
        b"GET /ds/any/\xe9 HTTP/1.1\r\nHost: a",
        "GET /ds/any/é?q=☃ HTTP/1.1\r\nHost: a".encode(),
        b"GET /ds/any/x HTTP/1.1\r\nHost: a\r\nX-Scope-OrgID: caf\xe9",
        b"GET /ds/any/x HTTP/1.1\r\nHost: a\r\nCookie: a=\xff",
        b"GET /ds/any/x HTTP/1.1\r\nHost: a\r\nUser-Agent: \xff",
        b"GET /ds/any/x HTTP/1.1\r\nHost: a\r\nX-Cache-Skip: true\r\nX-Scope-OrgID: caf\xe9",
        "GET /ds/any/x HTTP/1.1\r\nHost: a\r\nX-Scope-OrgID: café ☃".encode(),
    ],
)
def test_bytes_that_are_no_ascii(millpond: Millpond, source: RunningSource, request_bytes: bytes) -> None:
    """Passed on as they came, or refused as the client's fault; never a fault of ours, never another's answer."""
    asked = source.count
    reply = send(millpond.port, request_bytes + b"\r\nConnection: close\r\n\r\n")
    if reply.status == 200:
        assert source.count - asked == 1
    else:
        assert (reply.status, source.count - asked) == (400, 0)
