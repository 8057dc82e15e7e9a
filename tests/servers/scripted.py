"""A source that does what it is told, byte for byte: honest, slow, broken or hostile. It reads requests strictly, so what
it saw is what any server would have seen.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self, cast

from multidict import CIMultiDict


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request as it arrived. `connection` is the how-manieth connection brought it, from 1."""

    method: str
    target: str
    version: str
    headers: CIMultiDict[str]
    body: bytes
    connection: int


@dataclass(slots=True)
class Connection:
    """The source's end of one."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def finish(self) -> None:
        """FIN: a clean end."""
        self.writer.close()

    def reset(self) -> None:
        """RST, as of a process that crashed."""
        reset(self.writer.transport)

    @property
    def ended(self) -> bool:
        return self.writer.is_closing() or self.reader.at_eof()

    async def gone(self) -> None:
        """Wait until the other side has left."""
        with suppress(ConnectionError):
            while await self.reader.read(65536):
                pass


Answer = Callable[[Seen, Connection], Awaitable[None]]


@dataclass(slots=True)
class Scripted:
    """`answer` is raw bytes for every request, or is called with each. `malformed` holds what it could not read."""

    answer: bytes | Answer
    reads_bodies: bool = True
    tls: ssl.SSLContext | None = None
    port: int = 0
    requests: list[Seen] = field(default_factory=list)
    malformed: list[bytes] = field(default_factory=list)
    connections: int = 0
    unfinished: int = 0
    """Requests whose body broke off: never carried out."""
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def targets(self) -> list[str]:
        return [seen.target for seen in self.requests]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", self.port, backlog=1024, ssl=self.tls, limit=1 << 20
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        connection = Connection(reader, writer, self.connections)
        try:
            while not connection.ended:
                seen = await self._read(connection)
                if seen is None:
                    break
                self.requests.append(seen)
                if isinstance(self.answer, bytes):
                    await connection.send(self.answer)
                    if b"connection: close" in self.answer.partition(b"\r\n\r\n")[0].lower():
                        break
                else:
                    await self.answer(seen, connection)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the other side left, or the test is over
        finally:
            writer.transport.abort() if writer.is_closing() else writer.close()

    async def _read(self, connection: Connection) -> Seen | None:
        try:
            head = await connection.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                self.malformed.append(error.partial)
            return None
        line, *fields = head[:-4].decode("latin-1").split("\r\n")
        headers: CIMultiDict[str] = CIMultiDict()
        for one in fields:
            name, colon, value = one.partition(":")
            if not colon or name != name.strip() or not name:
                self.malformed.append(head)
                return None
            headers.add(name, value.strip())
        method, target, version = line.split(" ")
        try:
            body = await self._body(connection.reader, headers) if self.reads_bodies else b""
        except (asyncio.IncompleteReadError, ValueError):
            self.unfinished += 1
            return None
        return Seen(
            method=method, target=target, version=version, headers=headers, body=body, connection=connection.number
        )

    async def _body(self, reader: asyncio.StreamReader, headers: CIMultiDict[str]) -> bytes:
        if headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(await reader.readline(), 16):
                body += await reader.readexactly(size)
                assert await reader.readline() == b"\r\n"
            assert await reader.readline() == b"\r\n"
            return body
        return await reader.readexactly(int(headers.get("Content-Length", "0")))


def answer(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    """A whole answer with its Content-Length."""
    fields = "".join(f"{header}\r\n" for header in (*headers, f"Content-Length: {len(body)}"))
    return f"HTTP/1.1 {status}\r\n{fields}\r\n".encode("latin-1") + body


def json_answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    return answer(body, "Content-Type: application/json", *headers, status=status)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def reset(transport: asyncio.BaseTransport) -> None:
    """Close with RST instead of FIN."""
    sock: socket.socket = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    cast(asyncio.WriteTransport, transport).abort()  # uvloop's is no subclass of asyncio's
