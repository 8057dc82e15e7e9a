"""A client of the soak: keep-alive connections, one request at a time, as little of HTTP as our answers need."""

import asyncio
from typing import Self
from urllib.parse import quote_plus


class Gone(Exception):
    """The connection ended before the answer did."""


def request(uid: str, *, query: str, method: str = "GET", gzip: bool = False) -> bytes:
    """A range query."""
    form = f"query={quote_plus(query)}&start=1795396425&end=1795400025&step=15"
    path = f"/ds/{uid}/api/v1/query_range"
    headers = "Host: millpond\r\n" + ("Accept-Encoding: gzip\r\n" if gzip else "")
    if method == "GET":
        return f"GET {path}?{form} HTTP/1.1\r\n{headers}\r\n".encode()
    headers += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n"
    return f"POST {path} HTTP/1.1\r\n{headers}\r\n{form}".encode()


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.ended = False

    @classmethod
    async def open(cls, port: int) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=4 * 1024 * 1024))

    def close(self) -> None:
        self.ended = True
        self._writer.close()

    async def ask(self, message: bytes) -> tuple[int, int]:
        """Status, and how long the body is. Raises Gone."""
        status, body = await self._answer(message)
        return status, len(body)

    async def get(self, path: str) -> bytes:
        """The body."""
        return (await self._answer(f"GET {path} HTTP/1.1\r\nHost: millpond\r\n\r\n".encode()))[1]

    async def leave(self, message: bytes) -> None:
        """Ask, wait for nothing or for the beginning of the answer, and go."""
        self._writer.write(message)
        if len(message) % 2:
            await self._reader.read(1000)
        self._writer.transport.abort()
        self.ended = True

    async def _answer(self, message: bytes) -> tuple[int, bytes]:
        try:
            self._writer.write(message)
            head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
            length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
            body = await self._reader.readexactly(int(length))
        except (OSError, asyncio.IncompleteReadError) as error:
            self.close()
            raise Gone(type(error).__name__) from error
        if b"\r\nconnection: close\r\n" in head:
            self.close()
        return int(head[9:12]), body
