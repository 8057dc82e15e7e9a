"""Bytes to a server and back, without a client that would change them."""

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


def recorded(path: Path, host: str) -> bytes:
    """A recorded request, to another host; its connection is closed after it."""
    head, _, body = path.read_bytes().partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith((b"host:", b"connection:"))]
    lines[1:1] = [b"Host: " + host.encode(), b"Connection: close"]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def send(port: int, request: bytes) -> Reply:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        response = HTTPResponse(connection)
        response.begin()
        body = response.read()
        return Reply(response.status, response.headers, body)
