import pickle
import random
import sys
import tracemalloc
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cache import wire
from proxy.core.model import Entry, Key

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

KEY = Key(uid="prom", generation="g", digest=bytes(range(32)))
ENTRY = Entry(
    headers=(("Content-Type", "application/json"), ("X-Name", "Zürich")),
    encoding="gzip",
    body=b"\x1f\x8b not really, and nobody looks",
    ttl_ms=60_000,
    keep_ms=3_600_000,
    fetch_ms=12,
)
VALUE = wire.encode(KEY, ENTRY)
LIMIT = 1024 * 1024
NOISE = random.Random(1).randbytes(5_000)
TEXT = b'[1700000015,"0.26666666666666666"],' * 100
PACKED = replace(ENTRY, encoding="identity", body=TEXT)
PACKED_VALUE = wire.encode(KEY, PACKED)


def decode(key: Key, value: bytes) -> Entry | None:
    return wire.decode(key, value, LIMIT)


texts = st.text(st.characters(exclude_categories=["Cc"]))  # lone surrogates too: bytes of a header that are no UTF-8
names = st.from_regex(r"X-[A-Za-z0-9_.~-]{1,20}", fullmatch=True)
sizes = st.integers(0, 2**64 - 1)
entries = st.builds(
    Entry,
    headers=st.lists(st.tuples(names, texts), max_size=4).map(tuple),
    encoding=st.sampled_from(["identity", "gzip", "deflate", "x-gzip"]),
    body=st.one_of(
        st.binary(max_size=300),
        st.tuples(st.binary(min_size=1, max_size=30), st.integers(1, 200)).map(lambda of: of[0] * of[1]),
        st.integers(0, 2_000).map(lambda size: NOISE[:size]),
    ),
    ttl_ms=sizes,
    keep_ms=sizes,
    fetch_ms=sizes,
)
keys = st.builds(Key, uid=st.just("u"), generation=st.just("g"), digest=st.binary(min_size=32, max_size=32))


@given(keys, entries)
def test_what_was_encoded_reads_back(key: Key, entry: Entry) -> None:
    assert decode(key, wire.encode(key, entry)) == entry


@given(keys, keys, entries)
def test_it_reads_back_for_its_own_key_alone(key: Key, other: Key, entry: Entry) -> None:
    value = wire.encode(key, entry)
    assert (decode(other, value) is None) == (key.digest != other.digest)


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1025, 100_000, LIMIT])
def test_a_body_of_any_size_reads_back(size: int) -> None:
    for encoding in ("identity", "gzip"):
        entry = replace(ENTRY, encoding=encoding, body=(TEXT * (size // len(TEXT) + 1))[:size])
        assert decode(KEY, wire.encode(KEY, entry)) == entry


@pytest.mark.parametrize(
    ("entry", "is_packed"),
    [
        (PACKED, True),
        (replace(PACKED, body=TEXT[:1024]), True),
        (replace(PACKED, body=TEXT[:1023]), False),
        (replace(PACKED, body=NOISE), False),
        (replace(PACKED, body=TEXT, encoding="gzip"), False),
    ],
    ids=["text", "1 KiB", "less", "noise", "gzip"],
)
def test_what_it_makes_smaller_is_packed(entry: Entry, is_packed: bool) -> None:
    value = wire.encode(KEY, entry)
    assert (len(value) < len(entry.body)) == is_packed
    assert wire.unpacked_bytes(value) == (len(entry.body) if is_packed else 0)
    assert decode(KEY, value) == entry


def test_a_series_of_samples_takes_a_third_of_its_room() -> None:
    chance = random.Random(2)
    body = b"".join(
        b'[%d,"%r"],' % (1_700_000_000 + 15 * number, chance.randrange(3_000) / 60) for number in range(25_600)
    )
    assert len(wire.encode(KEY, replace(PACKED, body=body))) < len(body) / 3


def test_one_bit_of_the_digest_makes_another_key() -> None:
    for bit in range(256):
        digest = (int.from_bytes(KEY.digest, "big") ^ (1 << bit)).to_bytes(32, "big")
        assert decode(replace(KEY, digest=digest), VALUE) is None


@pytest.mark.parametrize(
    "other",
    [replace(KEY, generation="h"), replace(KEY, uid="prom2"), replace(KEY, uid="promg", generation="")],
    ids=["generation", "source", "both"],
)
def test_an_entry_under_the_name_of_another_generation_or_source_is_none(other: Key) -> None:
    assert decode(other, VALUE) is None


VALUES = pytest.mark.parametrize("value", [VALUE, PACKED_VALUE], ids=["plain", "packed"])


@VALUES
def test_no_truncation_reads_back(value: bytes) -> None:
    assert [length for length in range(len(value)) if decode(KEY, value[:length]) is not None] == []


@VALUES
@given(more=st.binary(min_size=1, max_size=50))
def test_nothing_may_follow(value: bytes, more: bytes) -> None:
    assert decode(KEY, value + more) is None


@VALUES
def test_no_flipped_bit_reads_back(value: bytes) -> None:
    read = []
    for bit in range(len(value) * 8):
        flipped = bytearray(value)
        flipped[bit // 8] ^= 1 << bit % 8
        if decode(KEY, bytes(flipped)) is not None:
            read.append(bit)
    assert read == []


@VALUES
def test_the_head_tells_one_value_from_another(value: bytes) -> None:
    entry = decode(KEY, value)
    assert entry is not None
    others = [
        replace(entry, body=entry.body[:-1] + b"?"),
        replace(entry, headers=(*entry.headers, ("a", "b"))),
        replace(entry, ttl_ms=entry.ttl_ms + 1),
    ]
    heads = {wire.encode(KEY, other)[: wire.HEAD_BYTES] for other in (entry, *others)}
    assert len(heads) == 4
    assert len(value) > wire.HEAD_BYTES


GARBAGE = {
    "empty": b"",
    "text": b"hello",
    "json": b'{"headers": [], "body": ""}' * 10,
    "pickle": pickle.dumps(("headers", {"a": "b"}, b"body" * 100)),
    "zeros": bytes(500),
    "magic": b"MP\x02" + bytes(500),
}


@pytest.mark.parametrize("value", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_no_entry(value: bytes) -> None:
    assert decode(KEY, value) is None


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(value: bytes) -> None:
    assert decode(KEY, value) is None


def forged(
    headers: bytes = b"[]",
    body: bytes = b"body",
    *,
    coding: int = 1,
    length: int | None = None,
    headers_length: int | None = None,
    version: int = 2,
) -> bytes:
    """By someone who knows the format and fits the checksum: it tells damage from health, not friend from foe."""
    times = (ENTRY.ttl_ms, ENTRY.keep_ms, ENTRY.fetch_ms)
    lengths = (
        len(body) if length is None else length,
        len(headers) if headers_length is None else headers_length,
    )
    head = wire._HEAD.pack(b"MP", version, coding, KEY.digest, *times, *lengths)
    rest = headers + body
    return head + zlib.crc32(head + rest, wire._seed(KEY)).to_bytes(4, "big") + rest


def packed(body: bytes) -> bytes:
    return zstd.compress(body, 1)


BOMB = packed(bytes(200 * LIMIT))
FRAME = packed(TEXT)
STREAM = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
WIDE = STREAM.compress(TEXT) + STREAM.flush()

FORGED = {
    "no json": forged(b"no json"),
    "not utf-8": forged(b'[["a", "\xff"]]'),
    "number": forged(b"3"),
    "three": forged(b'[["a", "b", "c"]]'),
    "deep": forged(b"[" * 200_000),
    "length beyond the end": forged(b'[["a","b"]]', headers_length=2**32 - 1),
    "numbers for names": forged(b"[[1, 2]]"),
    "object": forged(b'{"ab": 1}'),
    "line break": forged(rb'[["a", "b\r\nSet-Cookie: c=d"]]'),
    "no name": forged(b'[["", "b"]]'),
    "space in a name": forged(b'[["X A", "b"]]'),
    "colon in a name": forged(b'[["Set-Cookie: a=b", "c"]]'),
    "length of a body": forged(b'[["Content-Length", "5000"]]'),
    "chunks": forged(b'[["transfer-encoding", "chunked"]]'),
    "end of the connection": forged(b'[["Connection", "close"]]'),
    "cookie": forged(b'[["Set-Cookie", "a=b"]]'),
    "next version": forged(version=3),
    "the version before": forged(version=1),
    "no coding": forged(coding=5),
    "longer than it says": forged(length=3),
    "shorter than it says": forged(length=5),
    "longer than a value may be": forged(body=bytes(LIMIT + 1)),
    "not packed": forged(coding=4),
    "nothing packed": forged(body=b"", coding=4),
    "unpacks to more": forged(body=FRAME, coding=4, length=len(TEXT) - 1),
    "unpacks to less": forged(body=FRAME, coding=4, length=len(TEXT) + 1),
    "cut": forged(body=FRAME[:-1], coding=4, length=len(TEXT)),
    "two frames": forged(body=FRAME * 2, coding=4, length=2 * len(TEXT)),
    "more behind a frame": forged(body=FRAME + b"x", coding=4, length=len(TEXT)),
    "a wide window": forged(body=WIDE, coding=4, length=len(TEXT)),
    "an honest bomb": forged(body=BOMB, coding=4, length=200 * LIMIT),
    "a bomb that lies": forged(body=BOMB, coding=4, length=LIMIT),
}


def test_the_forger_can_forge() -> None:
    assert decode(KEY, forged(b'[["a", "b"]]')) == replace(ENTRY, headers=(("a", "b"),), body=b"body")
    assert decode(KEY, forged(body=FRAME, coding=4, length=len(TEXT))) == replace(PACKED, headers=())
    assert forged(length=4, headers_length=2) == forged()


@pytest.mark.parametrize("value", FORGED.values(), ids=FORGED.keys())
def test_what_encode_would_not_have_made_is_no_entry(value: bytes) -> None:
    assert decode(KEY, value) is None


@pytest.mark.parametrize("name", ["an honest bomb", "a bomb that lies"])
def test_a_bomb_takes_no_more_memory_than_a_value_may(name: str) -> None:
    tracemalloc.start()
    try:
        assert decode(KEY, FORGED[name]) is None
        most_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most_bytes < 4 * LIMIT


@given(st.binary(max_size=200))
def test_no_bytes_make_unpacking_raise(body: bytes) -> None:
    for frame in (body, FRAME[:4] + body, FRAME[:20] + body):
        assert decode(KEY, forged(body=frame, coding=4, length=len(TEXT))) is None


def test_an_encoding_that_is_none_of_ours_is_refused() -> None:
    with pytest.raises(ValueError):
        wire.encode(KEY, replace(ENTRY, encoding="br"))
