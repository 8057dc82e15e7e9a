from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.key import Scope, chunk_key, source_fingerprint
from proxy.core.model import Key, Kind, Pairs

FINGERPRINT = source_fingerprint("1", "prom", "prometheus", "http://prometheus:9090")


def key(
    *,
    fingerprint: bytes = FINGERPRINT,
    kind: Kind = Kind.QUERY,
    path: str = "/api/v1/query",
    parts: Sequence[bytes] = (b"query", b"up"),
    identity: Pairs = (),
) -> bytes:
    scope = Scope(uid="a", generation="1", fingerprint=fingerprint, canonical_path=path, identity=identity)
    return scope.key(kind, tuple(parts)).digest


@pytest.mark.parametrize(
    "other",
    [
        key(fingerprint=source_fingerprint("1", "prom2", "prometheus", "http://prometheus:9090")),
        key(fingerprint=source_fingerprint("2", "prom", "prometheus", "http://prometheus:9090")),
        key(kind=Kind.RESOURCE),
        key(path="/api/v1/series"),
        key(parts=(b"query", b"up", b"")),
        key(parts=(b"queryup",)),
        key(parts=(b"quer", b"yup")),
        key(identity=(("authorization", "a"),)),
        key(parts=(), identity=(("query", "up"),)),
    ],
)
def test_each_input_tells_answers_apart(other: bytes) -> None:
    assert other != key()


def test_chunks_are_told_apart_by_query_and_number() -> None:
    queries = [Key(uid="a", generation="1", digest=bytes([n]) * 32) for n in range(3)]
    assert len({chunk_key(query, number).digest for query in queries for number in (-1, 0, 1, 2**40)}) == 12


def test_it_is_stable_and_of_32_bytes() -> None:
    assert key() == key()
    assert len(key()) == 32


parts = st.lists(st.binary(max_size=8), max_size=5)
identities = st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=3)


@given(parts, identities, parts, identities)
def test_no_two_inputs_have_one_key(
    parts_a: list[bytes],
    identity_a: list[tuple[str, str]],
    parts_b: list[bytes],
    identity_b: list[tuple[str, str]],
) -> None:
    same = key(parts=parts_a, identity=tuple(identity_a)) == key(parts=parts_b, identity=tuple(identity_b))
    assert same == ((parts_a, identity_a) == (parts_b, identity_b))
