"""A client that asks for ranges over one connection and costs little: it takes an answer's bytes and looks at its end."""

import gzip
import socket
import time
from dataclasses import dataclass
from urllib.parse import urlencode

_BUFFER_BYTES = 1 << 20
_LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeQuery:
    query: str
    start_s: int
    end_s: int
    step_s: int

    @property
    def form(self) -> str:
        return urlencode({"query": self.query, "start": self.start_s, "end": self.end_s, "step": self.step_s})


class Client:
    """Asks by POST, and for gzip, as Grafana does, unless it is told another `coding`."""

    def __init__(self, port: int, prefix: str = "", *, coding: str = "gzip") -> None:
        self._path = f"{prefix}/api/v1/query_range"
        self._coding = coding
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self._buffer = bytearray(_BUFFER_BYTES)
        self.last_bytes = 0
        """Of the last answer's body as it came, chunks' frames included."""

    def ask(self, query: RangeQuery) -> float:
        """Seconds until the last byte; what it said is dropped."""
        began = time.perf_counter()
        self.send(query)
        self.receive()
        return time.perf_counter() - began

    def receive(self) -> None:
        """The answer to what was sent, which is dropped."""
        head, rest = self._head()
        length = _content_length(head)
        received, end = len(rest), bytes(rest[-len(_LAST_CHUNK) :])
        while received < length if length is not None else end != _LAST_CHUNK:
            count = self._socket.recv_into(self._buffer)
            if count == 0:
                raise ConnectionError("the answer broke off")
            received += count
            end = (end + self._buffer[max(0, count - len(_LAST_CHUNK)) : count])[-len(_LAST_CHUNK) :]
        self.last_bytes = received

    def body(self, query: RangeQuery) -> bytes:
        """Without its codings."""
        self.send(query)
        head, received = self._head()
        length = _content_length(head)
        while len(received) < length if length is not None else not received.endswith(_LAST_CHUNK):
            received += self._socket.recv(_BUFFER_BYTES)
        self.last_bytes = len(received)
        body = _joined(received) if b"\r\ntransfer-encoding: chunked" in head else bytes(received)
        return gzip.decompress(body) if b"\r\ncontent-encoding: gzip" in head else body

    def send(self, query: RangeQuery) -> None:
        """For `receive`."""
        form = query.form.encode()
        self._socket.sendall(
            b"POST %b HTTP/1.1\r\nHost: m\r\nAccept-Encoding: %b\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%b"
            % (self._path.encode(), self._coding.encode(), len(form), form)
        )

    def _head(self) -> tuple[bytes, bytearray]:
        """A good answer's head in lower case, and what came with it of its body."""
        received = bytearray()
        while b"\r\n\r\n" not in received:
            data = self._socket.recv(_BUFFER_BYTES)
            if not data:
                raise ConnectionError("no answer")
            received += data
        head, _, rest = received.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"{bytes(head)!r} {bytes(rest)!r}")
        return bytes(head).lower(), rest


def _content_length(head: bytes) -> int | None:
    found = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
    return int(found) if found else None


def _joined(chunks: bytearray) -> bytes:
    body, at = bytearray(), 0
    while True:
        end = chunks.index(b"\r\n", at)
        size = int(chunks[at:end], 16)
        if size == 0:
            return bytes(body)
        body += chunks[end + 2 : end + 2 + size]
        at = end + 4 + size
