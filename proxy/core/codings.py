"""Content codings: which a client takes, and undoing one within a bound, which proves that the body is whole.

A cut gzip body decodes without complaint in most libraries; only its trailer tells. So everything is checked here: the
trailer is there, its length and checksum hold, and nothing follows it.
"""

import zlib
from dataclasses import dataclass

from .model import Headers

CHECKED = frozenset(("identity", "gzip", "deflate"))
"""The codings, as `coding_of` names them, that `decode` knows."""

_GZIP_BITS = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Undecodable:
    """The body is cut, is not what its coding says, is in a coding that is not known, or is `too_large` once decoded."""

    too_large: bool = False


def accepts_gzip(accept_encoding: str | None) -> bool:
    """Whether a client that sent this Accept-Encoding takes gzip (RFC 9110 §12.5.3)."""
    if accept_encoding is None:
        return False
    star = False
    for part in accept_encoding.lower().split(","):
        coding, _, parameters = part.strip().partition(";")
        coding = coding.strip()
        if coding in ("gzip", "x-gzip"):
            return _weight(parameters) > 0
        if coding == "*":
            star = _weight(parameters) > 0
    return star


def coding_of(headers: Headers) -> str:
    """The coding that an answer names, in lower case: "identity" for none, several of them with commas between."""
    named = (part.strip().lower() for value in headers.getall("Content-Encoding", ()) for part in value.split(","))
    coding = ", ".join(part for part in named if part)
    return {"": "identity", "x-gzip": "gzip"}.get(coding, coding)


def decode(coding: str, body: bytes, limit_bytes: int) -> bytes | Undecodable:
    """The body without its coding, at most `limit_bytes`."""
    match coding:
        case "identity":
            return Undecodable(too_large=True) if len(body) > limit_bytes else body
        case "gzip":
            return _inflate(body, limit_bytes, bits=_GZIP_BITS, members=True)
        case "deflate":
            # RFC 9110 means zlib's format; some servers send the bare stream.
            is_zlib = len(body) >= 2 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0
            return _inflate(body, limit_bytes, bits=zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS, members=False)
        case _:
            return Undecodable()


def _inflate(body: bytes, limit_bytes: int, *, bits: int, members: bool) -> bytes | Undecodable:
    decoded: list[bytes] = []
    left_bytes = limit_bytes
    while True:
        inflater = zlib.decompressobj(bits)
        try:
            part = inflater.decompress(body, left_bytes + 1)
        except zlib.error:
            return Undecodable()
        if len(part) > left_bytes:
            return Undecodable(too_large=True)
        if not inflater.eof:
            return Undecodable()
        decoded.append(part)
        left_bytes -= len(part)
        body = inflater.unused_data
        if not body:
            return b"".join(decoded)
        if not members:
            return Undecodable()


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if not name:
        return 1.0
    try:
        return float(value) if name.strip() == "q" else 0.0
    except ValueError:
        return 0.0
