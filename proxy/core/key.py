"""The key of an answer: a sha256 over everything that identifies it, each part with its length before it.

Lengths make the parts unambiguous: no two different lists of parts have the same bytes, so a value cannot be moved
from one parameter into the next. sha256 because a collision would show one tenant another's answer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from .model import Key, Pairs

FORMAT = b"millpond 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Everything of a key but the question: whose answer it is, and of which source, path and generation. `fingerprint`
    stands for the source (`source_fingerprint`).
    """

    uid: str
    generation: str
    fingerprint: bytes
    canonical_path: str
    identity: Pairs

    def key(self, kind: str, question: tuple[bytes, ...]) -> Key:
        parts = [
            FORMAT,
            self.fingerprint,
            kind.encode(),
            _bytes(self.canonical_path),
            b"%d" % len(question),
            *question,
        ]
        for name, value in self.identity:
            parts.append(_bytes(name))
            parts.append(_bytes(value))
        return Key(uid=self.uid, generation=self.generation, digest=_digest(parts))


def chunk_key(query: Key, number: int) -> Key:
    """Of one chunk of the range queries that have the key `query`. Both parts have their length."""
    digest = sha256(query.digest + number.to_bytes(8, "big", signed=True)).digest()
    return Key(uid=query.uid, generation=query.generation, digest=digest)


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
