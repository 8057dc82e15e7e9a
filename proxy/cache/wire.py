"""An entry as bytes, for a store outside this process. What does not read back exactly is no entry.

    magic "MP" · version · coding · digest (32) · ttl_ms · keep_ms · fetch_ms · length of headers · crc32 · headers · body

Not pickle: whoever can write to the Redis would run code here. The whole digest of the key is inside and compared, so an
entry that was copied over another is none; the checksum is over everything but itself, the key's source and generation
first, so one that was copied out of an earlier generation is none either.
"""

import json
import re
import struct
import zlib

from ..core.model import Entry, Key, Pairs

_HEAD = struct.Struct(">2sBB32sQQQI")
_CRC = struct.Struct(">I")
_MAGIC = b"MP"
_VERSION = 1
_CODINGS = ("identity", "gzip", "deflate", "x-gzip")
_BODY_AT = _HEAD.size + _CRC.size
HEAD_BYTES = _BODY_AT
"""As many of a value's first bytes tell it from every other: the checksum is among them."""
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NAME = re.compile(
    r"(?!(?:content-length|content-encoding|transfer-encoding|connection|upgrade|trailer|set-cookie|x-cache|cache-status)$)"
    r"[!#$%&'*+.^_`|~0-9a-z-]+",
    re.IGNORECASE | re.ASCII,
)
"""A field's name (RFC 9110 §5.1) that may be kept: none that frames an answer, names its coding or gives a cookie."""


def encode(key: Key, entry: Entry) -> bytes:
    headers = json.dumps(entry.headers).encode()  # not orjson: a byte that is no UTF-8 is a surrogate in a str
    coding = _CODINGS.index(entry.encoding)
    head = _HEAD.pack(_MAGIC, _VERSION, coding, key.digest, entry.ttl_ms, entry.keep_ms, entry.fetch_ms, len(headers))
    crc = zlib.crc32(entry.body, zlib.crc32(headers, zlib.crc32(head, _seed(key))))
    return b"".join((head, _CRC.pack(crc), headers, entry.body))


def decode(key: Key, value: bytes) -> Entry | None:
    """The entry, or None for anything that `encode` did not make for this key."""
    if len(value) < _BODY_AT:
        return None
    magic, version, coding, digest, ttl_ms, keep_ms, fetch_ms, headers_length = _HEAD.unpack_from(value)
    if magic != _MAGIC or version != _VERSION or digest != key.digest or coding >= len(_CODINGS):
        return None
    (crc,) = _CRC.unpack_from(value, _HEAD.size)
    if zlib.crc32(memoryview(value)[_BODY_AT:], zlib.crc32(memoryview(value)[: _HEAD.size], _seed(key))) != crc:
        return None
    body_at = _BODY_AT + headers_length
    headers = _headers(value[_BODY_AT:body_at])
    if headers is None:
        return None
    return Entry(
        headers=headers,
        encoding=_CODINGS[coding],
        body=value[body_at:],
        ttl_ms=ttl_ms,
        keep_ms=keep_ms,
        fetch_ms=fetch_ms,
    )


def _seed(key: Key) -> int:
    return zlib.crc32(f"{key.uid}:{key.generation}".encode())


def _headers(text: bytes) -> Pairs | None:
    """A list of pairs of strings, none of which writes a header of its own or bounds the body: whoever can write to Redis
    could put one client's answer before another's eyes.
    """
    try:
        pairs = json.loads(text)
    except (ValueError, RecursionError):
        return None
    match pairs:
        case list() if all(_is_header(pair) for pair in pairs):
            return tuple((name, value) for name, value in pairs)
        case _:
            return None


def _is_header(pair: object) -> bool:
    match pair:
        case [str(name), str(value)]:
            return _NAME.fullmatch(name) is not None and not _CONTROL.search(value)
        case _:
            return False
