import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from proxy.core.codings import CHECKED, Undecodable, accepts_gzip, coding_of, decode

LIMIT_BYTES = 1 << 20
BODY = b'{"status":"success"}' * 50


def raw_deflate(body: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(body) + deflater.flush()


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [
        (None, False),
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("gzip, deflate, br, zstd", True),
        ("deflate, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("*", True),
        ("*;q=0", False),
        ("identity", False),
        ("br", False),
        ("gzip;q=x", False),
        ("gzipped", False),
        ("x-gzip", True),
    ],
)
def test_accepts_gzip(accept_encoding: str | None, accepted: bool) -> None:
    assert accepts_gzip(accept_encoding) is accepted


@pytest.mark.parametrize(
    ("coding", "encoded"),
    [
        ("identity", BODY),
        ("gzip", gzip.compress(BODY)),
        ("gzip", gzip.compress(BODY[:100]) + gzip.compress(BODY[100:])),
        ("deflate", zlib.compress(BODY)),
        ("deflate", raw_deflate(BODY)),
    ],
)
def test_decode(coding: str, encoded: bytes) -> None:
    assert decode(coding, encoded, LIMIT_BYTES) == BODY
    assert decode(coding, encoded, len(BODY)) == BODY
    assert decode(coding, encoded, len(BODY) - 1) == Undecodable(too_large=True)


@pytest.mark.parametrize(
    ("coding", "encoded"),
    [
        ("gzip", BODY),
        ("gzip", b""),
        ("gzip", gzip.compress(BODY) + b"trailing"),
        ("gzip", gzip.compress(BODY)[:-8] + bytes(8)),
        ("deflate", zlib.compress(BODY) + b"x"),
        ("deflate", gzip.compress(BODY)),
        ("br", BODY),
        ("zstd", BODY),
        ("", BODY),
        ("gzip, gzip", gzip.compress(gzip.compress(BODY))),
    ],
)
def test_what_is_not_what_it_says_is_refused(coding: str, encoded: bytes) -> None:
    assert decode(coding, encoded, LIMIT_BYTES) == Undecodable()


@pytest.mark.parametrize(
    ("values", "coding"),
    [
        ([], "identity"),
        ([""], "identity"),
        (["Identity"], "identity"),
        ([" GZIP "], "gzip"),
        (["x-gzip"], "gzip"),
        (["br"], "br"),
        (["gzip,br"], "gzip, br"),
        (["gzip", "gzip"], "gzip, gzip"),
    ],
)
def test_the_coding_that_an_answer_names(values: list[str], coding: str) -> None:
    assert coding_of(CIMultiDict([("Content-Encoding", value) for value in values])) == coding


@pytest.mark.parametrize("coding", CHECKED)
def test_what_is_checked_is_decoded(coding: str) -> None:
    encoded = {"identity": BODY, "gzip": gzip.compress(BODY), "deflate": zlib.compress(BODY)}
    assert decode(coding, encoded[coding], LIMIT_BYTES) == BODY


@pytest.mark.parametrize("cut", range(1, 61))
def test_a_cut_gzip_body_is_refused_wherever_it_is_cut(cut: int) -> None:
    encoded = gzip.compress(BODY)
    assert decode("gzip", encoded[:-cut], LIMIT_BYTES) == Undecodable()


def test_a_bomb_is_refused_within_its_bound() -> None:
    bomb = gzip.compress(bytes(64 << 20))
    assert decode("gzip", bomb, LIMIT_BYTES) == Undecodable(too_large=True)


@given(st.binary(max_size=300), st.integers(min_value=0, max_value=300))
def test_decoding_gives_the_body_or_refuses_it(body: bytes, limit_bytes: int) -> None:
    expected = body if len(body) <= limit_bytes else Undecodable(too_large=True)
    for coding, encoded in (("identity", body), ("gzip", gzip.compress(body)), ("deflate", zlib.compress(body))):
        assert decode(coding, encoded, limit_bytes) == expected


@given(st.binary(max_size=300))
def test_any_bytes_are_decoded_or_refused(noise: bytes) -> None:
    for coding in ("gzip", "deflate"):
        decode(coding, noise, 1000)
