"""An entry as bytes, for a store outside this process. What does not read back exactly is no entry.

    magic "MP" · version · coding · digest (32) · ttl_ms · keep_ms · fetch_ms · length of the body · length of headers ·
    crc32 · headers · body

A body that its source did not compress is packed (zstd, level 1), unless that makes it no smaller. Its length is that of
what it unpacks to.

Not pickle: whoever can write to the Redis would run code here. The whole digest of the key is inside and compared, so an
entry that was copied over another is none; the checksum is over everything but itself, the key's source and generation
first, so one that was copied out of an earlier generation is none either.
"""

import json
import re
import struct
import sys
import zlib

from ..core.model import Entry, Key, Pairs

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_HEAD = struct.Struct(">2sBB32sQQQQI")
_CRC = struct.Struct(">I")
_MAGIC = b"MP"
_VERSION = 2
_CODING_AT = 3
_CODINGS = ("identity", "gzip", "deflate", "x-gzip")
_PACKED = len(_CODINGS)
"""In the place of a coding: identity, and packed."""
HEAD_BYTES = _HEAD.size + _CRC.size
"""As many of a value's first bytes tell it from every other: the checksum is among them."""
_PACKED_FROM_BYTES = 1024
_LEVEL = 1
_WINDOW: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}
"""16 times what level 1 uses: what is forged may want more memory, and gets none."""
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NAME = re.compile(
    r"(?!(?:content-length|content-encoding|transfer-encoding|connection|upgrade|trailer|set-cookie|x-cache|cache-status)$)"
    r"[!#$%&'*+.^_`|~0-9a-z-]+",
    re.IGNORECASE | re.ASCII,
)
"""A field's name (RFC 9110 §5.1) that may be kept: none that frames an answer, names its coding or gives a cookie."""


def encode(key: Key, entry: Entry) -> bytes:
    headers = json.dumps(entry.headers).encode()  # not orjson: a byte that is no UTF-8 is a surrogate in a str
    coding, body = _CODINGS.index(entry.encoding), entry.body
    if entry.encoding == "identity" and len(body) >= _PACKED_FROM_BYTES:
        packed = zstd.compress(body, _LEVEL)
        if len(packed) < len(body):
            coding, body = _PACKED, packed
    times = (entry.ttl_ms, entry.keep_ms, entry.fetch_ms)
    head = _HEAD.pack(_MAGIC, _VERSION, coding, key.digest, *times, len(entry.body), len(headers))
    crc = zlib.crc32(body, zlib.crc32(headers, zlib.crc32(head, _seed(key))))
    return b"".join((head, _CRC.pack(crc), headers, body))


def decode(key: Key, value: bytes, limit_bytes: int) -> Entry | None:
    """The entry, its body at most `limit_bytes` long, or None for anything that `encode` did not make for this key."""
    if len(value) < HEAD_BYTES:
        return None
    magic, version, coding, digest, ttl_ms, keep_ms, fetch_ms, length, headers_length = _HEAD.unpack_from(value)
    if magic != _MAGIC or version != _VERSION or digest != key.digest or coding > _PACKED or length > limit_bytes:
        return None
    (crc,) = _CRC.unpack_from(value, _HEAD.size)
    if zlib.crc32(memoryview(value)[HEAD_BYTES:], zlib.crc32(memoryview(value)[: _HEAD.size], _seed(key))) != crc:
        return None
    body_at = HEAD_BYTES + headers_length
    headers = _headers(value[HEAD_BYTES:body_at])
    if headers is None:
        return None
    body = _unpack(memoryview(value)[body_at:], length) if coding == _PACKED else value[body_at:]
    if body is None or len(body) != length:
        return None
    encoding = "identity" if coding == _PACKED else _CODINGS[coding]
    return Entry(headers=headers, encoding=encoding, body=body, ttl_ms=ttl_ms, keep_ms=keep_ms, fetch_ms=fetch_ms)


def unpacked_bytes(value: bytes) -> int:
    """How much `decode` may have to unpack: 0 for what is not packed."""
    if len(value) < HEAD_BYTES or value[_CODING_AT] != _PACKED:
        return 0
    length: int = _HEAD.unpack_from(value)[-2]
    return length


def _unpack(packed: memoryview, length: int) -> bytes | None:
    """What one whole frame holds, and never much more than `length` bytes of it."""
    unpacker = zstd.ZstdDecompressor(options=_WINDOW)
    try:
        body = unpacker.decompress(packed, length + 1)
    except zstd.ZstdError:
        return None
    return body if unpacker.eof and not unpacker.unused_data else None


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
