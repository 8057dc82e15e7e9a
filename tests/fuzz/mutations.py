"""Requests that were well-formed once: bytes changed, cut, doubled and moved; sent in pieces, or several at once."""

import random
from collections.abc import Callable, Sequence

_TOKENS = (
    *(b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\0", b" ", b"\t", b":", b";", b",", b"%", b"%00", b"%0d%0a", b"%2e%2e%2f"),
    *(b"..", b"/../", b"/./", b"//", b"\\", b"?", b"#", b"&", b"=", b"@", b"[", b"]", b"{", b'"', b"'", b"+", b"%25"),
    *(b"\xff", b"\xc3\xa9", b"\xed\xa0\x80", b"-1", b"0", b"9" * 20, b"9" * 5000, b"1e400", b"NaN", b"A" * 9000),
    *(b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n"),
    *(
        b"Connection: Authorization, Host\r\n",
        b"Upgrade: websocket\r\n",
        b"Connection: Upgrade\r\n",
        b"Range: bytes=0-\r\n",
    ),
    *(b"Expect: 100-continue\r\n", b"Host: evil\r\n", b"Content-Encoding: gzip\r\n", b"Content-Type: \r\n"),
    *(b"Accept-Encoding: gzip;q=x, *;q=nan\r\n", b"Cookie: grafana_session=a; b\r\n", b"Cache-Control: max-age=x\r\n"),
    *(b"Accept: application/json;q=1.1.1\r\n", b"Origin: null\r\n", b"If-None-Match: *\r\n", b"X-Cache-Skip: true\r\n"),
    *(b"HTTP/1.0", b"HTTP/2.0", b"HEAD ", b"OPTIONS ", b"TRACE ", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"http://evil/"),
)

Mutation = Callable[[random.Random, bytearray], None]


def _flip(chance: random.Random, data: bytearray) -> None:
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _set(chance: random.Random, data: bytearray) -> None:
    data[chance.randrange(len(data))] = chance.choice(b"\0\t\r\n !\"#%&'+,-./:;=?@\\\x7f\x80\xff09aZ")


def _cut(chance: random.Random, data: bytearray) -> None:
    start = chance.randrange(len(data))
    del data[start : start + chance.choice((1, 2, 10, 100))]


def _end(chance: random.Random, data: bytearray) -> None:
    del data[chance.randrange(len(data)) :]


def _double(chance: random.Random, data: bytearray) -> None:
    start = chance.randrange(len(data))
    part = data[start : start + chance.choice((1, 5, 50))]
    data[start:start] = part * chance.choice((1, 1, 2, 40))


def _double_line(chance: random.Random, data: bytearray) -> None:
    lines = bytes(data).split(b"\r\n")
    lines.insert(chance.randrange(len(lines)), chance.choice(lines))
    data[:] = b"\r\n".join(lines)


def _insert(chance: random.Random, data: bytearray) -> None:
    at = chance.randrange(len(data))
    data[at:at] = chance.choice(_TOKENS)


def _insert_line(chance: random.Random, data: bytearray) -> None:
    at = data.find(b"\r\n") + 2
    data[at:at] = chance.choice([token for token in _TOKENS if token.endswith(b"\r\n")])


_MUTATIONS: Sequence[Mutation] = (_flip, _set, _cut, _end, _double, _double_line, _insert, _insert, _insert_line)


def mutated(chance: random.Random, request: bytes) -> bytes:
    data = bytearray(request)
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3, 6))):
        if data:
            chance.choice(_MUTATIONS)(chance, data)
    return bytes(data)


def in_pieces(chance: random.Random, data: bytes) -> list[bytes]:
    """Whole, cut somewhere, or byte by byte to begin with."""
    match chance.randrange(4):
        case 0 | 1:
            return [data]
        case 2:
            at = chance.randrange(len(data) + 1)
            return [data[:at], data[at:]]
        case _:
            first = min(len(data), 40)
            return [data[at : at + 1] for at in range(first)] + [data[first:]]
