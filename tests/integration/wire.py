"""Bytes to a server and back, without a client that would change them."""

import gzip
import socket
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPResponse
from pathlib import Path


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


def send(port: int, request: bytes) -> Reply:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        response = HTTPResponse(connection, method=request.partition(b" ")[0].decode())
        response.begin()
        body = response.read()
        return Reply(response.status, response.headers, body)


def ask(
    port: int,
    target: str,
    *headers: tuple[str, str],
    method: str = "GET",
    body: bytes = b"",
    host: str = "millpond",
) -> Reply:
    """A request with these headers in this order, each as often as it is given; they are latin-1 on the wire."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return send(port, "\r\n".join((*lines, "", "")).encode("latin-1") + body)
