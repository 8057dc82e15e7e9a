"""The key of an answer: a sha256 over everything that identifies it, each part with its length before it.

Lengths make the parts unambiguous: no two different lists of parts have the same bytes, so a value cannot be moved
from one parameter into the next. sha256 because a collision would show one tenant another's answer.
"""

from collections.abc import Iterable
from hashlib import sha256

from .model import Pairs

FORMAT = b"millpond 1"


def digest(
    *, fingerprint: bytes, kind: str, canonical_path: str, call_parts: tuple[bytes, ...], identity: Pairs
) -> bytes:
    """32 bytes. `fingerprint` stands for the source (`source_fingerprint`)."""
    parts = [
        FORMAT,
        fingerprint,
        kind.encode(),
        _bytes(canonical_path),
        b"%d" % len(call_parts),
        *call_parts,
    ]
    for name, value in identity:
        parts.append(_bytes(name))
        parts.append(_bytes(value))
    return _digest(parts)


def chunk_digest(range_digest: bytes, number: int) -> bytes:
    """Of one chunk of the range queries that `digest` made one of."""
    return _digest((FORMAT, range_digest, b"%d" % number))


def source_fingerprint(*parts: str) -> bytes:
    """What a source is: its org, uid, type, address and the credentials that we add. Another address, other answers."""
    return _digest([_bytes(part) for part in parts])


def _digest(parts: Iterable[bytes]) -> bytes:
    framed = bytearray()
    for part in parts:
        framed += len(part).to_bytes(8, "big")
        framed += part
    return sha256(framed).digest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
