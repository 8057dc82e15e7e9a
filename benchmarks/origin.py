"""The data source of the benchmarks: answers any request with one canned Prometheus answer, as fast as asyncio can.

    python -m benchmarks.origin PORT

The path's first segment, `/1k/…` or `/60k/…`, chooses the size; without one it is 1 KB. For the soak there are also
`/zip/…`, 60 KB in gzip, `/large/…`, 2 MB, and `/fail/…`, a 500.
"""

import asyncio
import gzip
import json
import sys

SIZES_BYTES = {b"/1k/": 1_024, b"/60k/": 60 * 1_024}
LARGE_BYTES = 2 * 1_024 * 1_024
_POINT = '[1795396425,"0.0123456789"]'


def matrix(size_bytes: int) -> bytes:
    """A range query's answer of about `size_bytes`."""
    head = '{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"instance":"a"},"values":['
    tail = "]}]}}"
    points = max(1, (size_bytes - len(head) - len(tail)) // (len(_POINT) + 1))
    body = head + ",".join([_POINT] * points) + tail
    assert json.loads(body)["status"] == "success"
    return body.encode()


def response(body: bytes, status: bytes = b"200 OK", headers: bytes = b"") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n%b" % (
        status,
        headers,
        len(body),
        body,
    )


_RESPONSES = {prefix: response(matrix(size)) for prefix, size in SIZES_BYTES.items()} | {
    b"/zip/": response(gzip.compress(matrix(SIZES_BYTES[b"/60k/"])), headers=b"Content-Encoding: gzip\r\n"),
    b"/large/": response(matrix(LARGE_BYTES)),
    b"/fail/": response(b'{"status":"error"}', status=b"500 Internal Server Error"),
}


class Origin(asyncio.Protocol):
    """Whole requests with a Content-Length or none; enough for the clients of the benchmarks."""

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while True:
            head, separator, rest = self._received.partition(b"\r\n\r\n")
            if not separator:
                return
            length = _content_length(head)
            if len(rest) < length:
                return
            self._received = rest[length:]
            self._transport.write(self.answer(head.split(b" ", 2)[1]))

    def answer(self, target: bytes) -> bytes:
        prefix = next((prefix for prefix in _RESPONSES if target.startswith(prefix)), b"/1k/")
        return _RESPONSES[prefix]


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def serve(protocol: type[Origin], port: int) -> None:
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Origin, int(sys.argv[1])))
