"""Bytes to a server and back, without a client that would change them."""

import gzip
import socket
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPResponse
from io import BytesIO
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Message
    body: bytes

    @property
    def x_cache(self) -> str:
        return str(self.headers["X-Cache"])

    @property
    def decoded(self) -> bytes:
        """The body without its coding, which has to be one that its headers name."""
        match self.headers.get("Content-Encoding", "identity"):
            case "gzip":
                return gzip.decompress(self.body)
            case "identity":
                return self.body
            case other:
                raise ValueError(f"nobody asked for {other}")


def recorded(path: Path, host: str) -> bytes:
    """A recorded request, to another host; its connection is closed after it."""
    head, _, body = path.read_bytes().partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith((b"host:", b"connection:"))]
    lines[1:1] = [b"Host: " + host.encode(), b"Connection: close"]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class _Socket:
    """As much of one as an HTTPResponse needs."""

    def __init__(self, data: bytes) -> None:
        self._file = BytesIO(data)

    def makefile(self, *_: Any, **__: Any) -> BytesIO:
        return self._file


def parse(data: bytes, method: str = "GET") -> Reply:
    """The first answer in `data`; raises IncompleteRead where its body is cut."""
    return _read(HTTPResponse(_Socket(data), method=method))  # type: ignore[arg-type]  # of a socket it calls makefile alone


def send(port: int, request: bytes) -> Reply:
    """On a connection of its own; the answer's end is where its head says."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        return _read(HTTPResponse(connection, method=request.partition(b" ")[0].decode()))


def _read(response: HTTPResponse) -> Reply:
    response.begin()
    return Reply(response.status, response.headers, response.read())


def request(
    target: str, *headers: str, method: str = "GET", body: bytes | None = None, host: str = "millpond"
) -> bytes:
    """With these header lines, in latin-1, in this order and each as often as it is given; the last of its connection."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, "", "")).encode("latin-1") + (body or b"")


def ask(
    port: int,
    target: str,
    *headers: tuple[str, str],
    method: str = "GET",
    body: bytes = b"",
    host: str = "millpond",
) -> Reply:
    lines = (f"{name}: {value}" for name, value in headers)
    whole = body if body or method == "POST" else None
    return send(port, request(target, *lines, method=method, body=whole, host=host))
