"""Content codings between a source and its clients (safety.md R-45, T7): what a source chose, served to clients that take
it and to clients that do not, first and second; and bodies that are not what their coding says.
"""

import gzip
import itertools
import json
import zlib
from collections.abc import Iterator

import pytest

from tests.servers.millpond import Millpond
from tests.servers.raw import RawSource, RunRawSource
from tests.servers.source import RunningSource, RunSource
from tests.servers.valkey import Valkey
from tests.servers.wire import Reply, ask
from tests.sources import prometheus

from .configured import caching

BODY = b"[1,2]"
CODED = {
    "identity": BODY,
    "gzip": gzip.compress(BODY),
    "x-gzip": gzip.compress(BODY),
    "GZIP": gzip.compress(BODY[:2]) + gzip.compress(BODY[2:]),
    "deflate": zlib.compress(BODY),
    "br": b"\x0b\x02\x80" + BODY + b"\x03",
    "zstd": b"\x28\xb5\x2f\xfd\x20\x05\x29\x00\x00" + BODY,
}
KNOWN = [coding for coding in CODED if coding not in ("br", "zstd")]
CLIENTS = ["", "identity", "gzip", "gzip, deflate, br, zstd", "br", "gzip;q=0, *", "*"]

numbers = itertools.count()


@pytest.fixture(scope="module")
def raw(run_raw_source: RunRawSource) -> RawSource:
    return run_raw_source()


@pytest.fixture(scope="module")
def counting(run_source: RunSource) -> RunningSource:
    return run_source(prometheus.make())


@pytest.fixture(scope="module", params=["memory", "redis"])
def millpond(request: pytest.FixtureRequest, raw: RawSource, counting: RunningSource) -> Iterator[Millpond]:
    redis: Valkey | None = request.getfixturevalue("valkey") if request.param == "redis" else None
    config = caching(
        {"uid": "raw", "type": "opaque", "url": raw.url},
        {"uid": "prom", "url": counting.url},
        redis=redis.url if redis else "",
        prefix="codings",
    )
    with Millpond(config=config) as server:
        yield server


def says(body: bytes, *headers: bytes) -> bytes:
    lines = (b"HTTP/1.1 200 OK", b"Content-Type: application/json", b"Content-Length: %d" % len(body), *headers)
    return b"\r\n".join((*lines, b"", body))


def coding(name: str) -> bytes:
    return b"Content-Encoding: " + name.encode()


def accepting(millpond: Millpond, path: str, accept_encoding: str) -> Reply:
    return ask(millpond.port, path, *([("Accept-Encoding", accept_encoding)] if accept_encoding else []))


def assert_served(reply: Reply, accept_encoding: str) -> None:
    """A body that this client can read, and headers that tell of it."""
    assert reply.status == 200
    assert reply.decoded == BODY
    assert reply.headers.get_all("Content-Length") == [str(len(reply.body))]
    assert reply.headers.get_all("Vary") == ["Accept-Encoding"]
    if reply.headers["Content-Encoding"] is not None:
        assert reply.headers.get_all("Content-Encoding") == ["gzip"]
        assert "gzip" in accept_encoding or accept_encoding == "*"


@pytest.mark.parametrize("name", KNOWN)
def test_whatever_the_source_chose_each_client_can_read_it(millpond: Millpond, raw: RawSource, name: str) -> None:
    raw.answer = says(CODED[name], coding(name), b'ETag: "of-this-coding"', b"Accept-Ranges: bytes")
    for first, second in itertools.product(CLIENTS, repeat=2):
        path, asked = f"/ds/raw/{next(numbers)}", len(raw.requests)
        replies = [accepting(millpond, path, client) for client in (first, second, first)]
        assert [reply.x_cache for reply in replies] == ["MISS", "HIT", "HIT"]
        for reply, client in zip(replies, (first, second, first), strict=True):
            assert_served(reply, client)
            assert reply.headers["ETag"] is reply.headers["Accept-Ranges"] is None
        assert len(raw.requests) - asked == 1


def test_no_coding_named_is_none(millpond: Millpond, raw: RawSource) -> None:
    for header in (b"X-Nothing: 1", b"Content-Encoding:", b"Content-Encoding: Identity"):
        path, raw.answer = f"/ds/raw/{next(numbers)}", says(BODY, header)
        replies = [accepting(millpond, path, client) for client in ("gzip", "", "gzip")]
        assert [reply.x_cache for reply in replies] == ["MISS", "HIT", "HIT"]
        for reply in replies:
            assert (reply.body, reply.headers.get_all("Content-Encoding")) == (BODY, None)


def test_the_source_is_asked_for_gzip_by_those_who_take_it(millpond: Millpond, raw: RawSource) -> None:
    raw.answer = says(BODY)
    for client, asked_for in (("gzip, br", b"gzip"), ("br", b"identity"), ("", b"identity"), ("gzip;q=0", b"identity")):
        accepting(millpond, f"/ds/raw/{next(numbers)}", client)
        assert b"\r\nAccept-Encoding: " + asked_for + b"\r\n" in raw.requests[-1]
        assert raw.requests[-1].lower().count(b"accept-encoding:") == 1


@pytest.mark.parametrize("name", ["br", "zstd"])
def test_a_coding_that_cannot_be_checked_passes_as_it_came(millpond: Millpond, raw: RawSource, name: str) -> None:
    """Nobody asked for it. It is nobody else's, so that no client gets a coding that it did not see chosen for it."""
    raw.answer = says(CODED[name], coding(name), b"Vary: Accept-Encoding")
    path, asked = f"/ds/raw/{next(numbers)}", len(raw.requests)
    for reply in [accepting(millpond, path, "gzip, deflate, br, zstd") for _ in range(2)]:
        assert (reply.status, reply.x_cache) == (200, "MISS")
        assert (reply.body, reply.headers["Content-Encoding"]) == (CODED[name], name)
        assert reply.headers["Content-Length"] == str(len(reply.body))
        assert reply.headers.get_all("Vary") == ["Accept-Encoding"]
    assert len(raw.requests) - asked == 2


GZIP = gzip.compress(b"x" * 5000 + BODY)
LIES = {
    "cut": (b"gzip", GZIP[:-9]),
    "cut in its trailer": (b"gzip", GZIP[:-3]),
    "cut to its header": (b"gzip", GZIP[:10]),
    "wrong checksum": (b"gzip", GZIP[:-8] + bytes(4) + GZIP[-4:]),
    "wrong length": (b"gzip", GZIP[:-4] + bytes(4)),
    "more behind it": (b"gzip", GZIP + b"[]"),
    "no gzip at all": (b"gzip", BODY),
    "no deflate at all": (b"deflate", BODY),
    "cut deflate": (b"deflate", zlib.compress(b"x" * 5000)[:-4]),
    "twice": (b"gzip, gzip", gzip.compress(GZIP)),
    "two headers": (b"gzip\r\nContent-Encoding: br", GZIP),
    "an unknown one": (b"snappy", BODY),
}


@pytest.mark.parametrize("client", ["gzip", ""])
@pytest.mark.parametrize("lie", LIES)
def test_a_body_that_is_not_what_its_coding_says_is_not_kept(
    millpond: Millpond, raw: RawSource, lie: str, client: str
) -> None:
    """Nor does it become a clean end. What cannot be checked goes under its coding, for the client to find out."""
    name, body = LIES[lie]
    path, raw.answer = f"/ds/raw/{next(numbers)}", says(body, b"Content-Encoding: " + name)
    first = accepting(millpond, path, client)
    if name in (b"gzip", b"deflate"):
        assert first.status == 502
        assert json.loads(first.body)["dataSourceUID"] == "raw"
    else:
        assert (first.status, first.body) == (200, body)
        assert first.headers["Content-Encoding"] == name.decode().replace("\r\nContent-Encoding:", ",")
    raw.answer = says(CODED["gzip"], coding("gzip"))
    good, again = accepting(millpond, path, client), accepting(millpond, path, client)
    assert [good.x_cache, again.x_cache] == ["MISS", "HIT"]
    assert_served(good, client)
    assert_served(again, client)


@pytest.mark.parametrize("name", CODED)
def test_a_head_tells_of_the_coding_and_stores_nothing(millpond: Millpond, raw: RawSource, name: str) -> None:
    path, asked = f"/ds/raw/{next(numbers)}", len(raw.requests)
    raw.answer = says(CODED[name], coding(name)).removesuffix(CODED[name])
    for _ in range(2):
        head = ask(millpond.port, path, ("Accept-Encoding", "gzip"), method="HEAD")
        assert (head.status, head.x_cache, head.body) == (200, "BYPASS", b"")
        assert head.headers["Content-Encoding"] == name
        assert head.headers["Content-Length"] == str(len(CODED[name]))
    assert len(raw.requests) - asked == 2
    raw.answer = says(BODY)
    assert accepting(millpond, path, "gzip").x_cache == "MISS"


def test_what_is_passed_through_keeps_its_coding(millpond: Millpond, raw: RawSource) -> None:
    for name, body in CODED.items():
        raw.answer = says(body, coding(name), b'ETag: "x"')
        reply = ask(millpond.port, "/ds/raw/x", ("Accept-Encoding", "br, zstd"), ("X-Cache-Skip", "true"))
        assert (reply.x_cache, reply.body) == ("BYPASS", body)
        assert (reply.headers["Content-Encoding"], reply.headers["ETag"]) == (name, '"x"')
        assert b"\r\nAccept-Encoding: br, zstd\r\n" in raw.requests[-1]


def test_a_real_compressing_server(millpond: Millpond, counting: RunningSource) -> None:
    target = f"/ds/prom/api/v1/labels?x={next(numbers)}"
    zipped, plain, zipped_again = (accepting(millpond, target, client) for client in ("gzip", "", "gzip"))
    assert [reply.x_cache for reply in (zipped, plain, zipped_again)] == ["MISS", "HIT", "HIT"]
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert plain.headers["Content-Encoding"] is None
    assert zipped.body == zipped_again.body
    assert gzip.decompress(zipped.body) == plain.body
