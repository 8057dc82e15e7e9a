import pickle
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cache import wire
from proxy.core.model import Entry, Key

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

texts = st.text(st.characters(exclude_categories=["Cc"]))  # lone surrogates too: bytes of a header that are no UTF-8
names = st.from_regex(r"X-[A-Za-z0-9_.~-]{1,20}", fullmatch=True)
sizes = st.integers(0, 2**64 - 1)
entries = st.builds(
    Entry,
    headers=st.lists(st.tuples(names, texts), max_size=4).map(tuple),
    encoding=st.sampled_from(["identity", "gzip", "deflate", "x-gzip"]),
    body=st.binary(max_size=300),
    ttl_ms=sizes,
    keep_ms=sizes,
    fetch_ms=sizes,
)
keys = st.builds(Key, uid=st.just("u"), generation=st.just("g"), digest=st.binary(min_size=32, max_size=32))


@given(keys, entries)
def test_what_was_encoded_reads_back(key: Key, entry: Entry) -> None:
    assert wire.decode(key, wire.encode(key, entry)) == entry


@given(keys, keys, entries)
def test_it_reads_back_for_its_own_key_alone(key: Key, other: Key, entry: Entry) -> None:
    value = wire.encode(key, entry)
    assert (wire.decode(other, value) is None) == (key.digest != other.digest)


def test_one_bit_of_the_digest_makes_another_key() -> None:
    for bit in range(256):
        digest = (int.from_bytes(KEY.digest, "big") ^ (1 << bit)).to_bytes(32, "big")
        assert wire.decode(replace(KEY, digest=digest), VALUE) is None


@pytest.mark.parametrize("other", [{"generation": "h"}, {"uid": "prom2"}, {"uid": "promg", "generation": ""}])
def test_an_entry_under_the_name_of_another_generation_or_source_is_none(other: dict[str, str]) -> None:
    assert wire.decode(replace(KEY, **other), VALUE) is None  # type: ignore[arg-type]  # texts by name


def test_no_truncation_reads_back() -> None:
    assert [length for length in range(len(VALUE)) if wire.decode(KEY, VALUE[:length]) is not None] == []


@given(st.binary(min_size=1, max_size=50))
def test_nothing_may_follow(more: bytes) -> None:
    assert wire.decode(KEY, VALUE + more) is None


def test_no_flipped_bit_reads_back() -> None:
    read = []
    for bit in range(len(VALUE) * 8):
        value = bytearray(VALUE)
        value[bit // 8] ^= 1 << bit % 8
        if wire.decode(KEY, bytes(value)) is not None:
            read.append(bit)
    assert read == []


GARBAGE = {
    "empty": b"",
    "text": b"hello",
    "json": b'{"headers": [], "body": ""}' * 10,
    "pickle": pickle.dumps(("headers", {"a": "b"}, b"body" * 100)),
    "zeros": bytes(500),
    "magic": b"MP\x01" + bytes(500),
}


@pytest.mark.parametrize("value", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_no_entry(value: bytes) -> None:
    assert wire.decode(KEY, value) is None


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(value: bytes) -> None:
    assert wire.decode(KEY, value) is None


def forged(headers: bytes, *, headers_length: int | None = None, version: int | None = None) -> bytes:
    """By someone who knows the format and fits the checksum: it tells damage from health, not friend from foe."""
    at = wire._HEAD.size
    fields = list(wire._HEAD.unpack(VALUE[:at]))
    fields[-1] = len(headers) if headers_length is None else headers_length
    if version is not None:
        fields[2 - 1] = version
    head = wire._HEAD.pack(*fields)
    rest = headers + b"body"
    return head + zlib.crc32(head + rest, wire._seed(KEY)).to_bytes(4, "big") + rest


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
    "next version": forged(b"[]", version=2),
}


def test_the_forger_can_forge() -> None:
    assert wire.decode(KEY, forged(b'[["a", "b"]]')) == replace(ENTRY, headers=(("a", "b"),), body=b"body")


@pytest.mark.parametrize("value", FORGED.values(), ids=FORGED.keys())
def test_what_encode_would_not_have_made_is_no_entry(value: bytes) -> None:
    assert wire.decode(KEY, value) is None


def test_an_encoding_that_is_none_of_ours_is_refused() -> None:
    with pytest.raises(ValueError):
        wire.encode(KEY, replace(ENTRY, encoding="br"))
