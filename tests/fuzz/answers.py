"""What comes back on a connection, read strictly: whole answers one after the other, and nothing else."""

import re

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2}) [\t\x20-\x7e\x80-\xff]*")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t\x20-\x7e\x80-\xff]*")
_HEX = re.compile(rb"[0-9A-Fa-f]+")


class NotWellFormed(Exception):
    pass


def statuses(data: bytes, *, heads: bool) -> list[int]:
    """The final answers'. `heads`: some may be to HEAD, and have no body. Raises NotWellFormed."""
    found: list[int] = []
    while data:
        head, separator, data = data.partition(b"\r\n\r\n")
        if not separator:
            raise NotWellFormed(f"half a head: {head[:200]!r}")
        line, *fields = head.split(b"\r\n")
        matched = _STATUS.fullmatch(line)
        if matched is None or not all(map(_FIELD.fullmatch, fields)):
            raise NotWellFormed(f"a bad head: {head[:400]!r}")
        status = int(matched[1])
        if status < 200:
            continue
        found.append(status)
        named = [(name.lower(), value.strip()) for name, _, value in (field.partition(b":") for field in fields)]
        if sum(name in (b"content-length", b"transfer-encoding") for name, _ in named) > 1:
            raise NotWellFormed(f"framed twice: {head[:400]!r}")
        if status in (204, 304) or (heads and (not data or data.startswith(b"HTTP/1."))):
            continue
        headers = dict(named)
        if b"content-length" in headers:
            length = int(headers[b"content-length"])
            if len(data) < length:
                raise NotWellFormed(f"{len(data)} bytes of {length}: {head[:400]!r}")
            data = data[length:]
        elif b"transfer-encoding" in headers:
            data = _after_chunks(data)
        else:
            return found  # to the end of the connection
    return found


def _after_chunks(data: bytes) -> bytes:
    while True:
        size, separator, data = data.partition(b"\r\n")
        if not separator or not _HEX.fullmatch(size):
            raise NotWellFormed(f"a bad chunk size: {size[:40]!r}")
        length = int(size, 16)
        if data[length : length + 2] != b"\r\n":
            raise NotWellFormed("a chunk without its end")
        data = data[length + 2 :]
        if not length:
            return data
