"""A data source whose every answer says when it was asked, for whom and for what; it can be slow, break off, fail, go.

It runs in the loop of its clients, so its times are theirs, and nothing about an answer has to be guessed.
"""

import asyncio
import gzip
import hashlib
import json
from enum import StrEnum
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.servers.process import free_port

LARGE_BYTES = 1_200_000
"""More than the `max_value_mb` of the storm's Millponds: streamed through, never kept."""


class Mood(StrEnum):
    WELL = "well"
    SLOW = "slow"
    BREAKS_OFF = "breaks-off"
    FAILS = "fails"
    GONE = "gone"


UNWELL = frozenset((Mood.BREAKS_OFF, Mood.FAILS, Mood.GONE))
SLOW_SECONDS = 0.4


def body_of(fields: dict[str, Any]) -> bytes:
    """The answer that says `fields`, and nothing else can: it ends in a text made of them."""
    told = json.dumps(fields, sort_keys=True)
    size = LARGE_BYTES if "kind=large" in str(fields["target"]) else 1_000
    pad = hashlib.sha256(told.encode()).hexdigest()
    return f"{told}\n{pad * (size // len(pad))}\n".encode()


def fields_of(body: bytes) -> dict[str, Any]:
    """Raises ValueError for what is no whole answer of the river's."""
    told, _, _ = body.partition(b"\n")
    fields: dict[str, Any] = json.loads(told)
    if body_of(fields) != body:
        raise ValueError("not a whole answer")
    return fields


class River:
    def __init__(self) -> None:
        self.port = free_port()
        self.mood = Mood.WELL
        self.asked = 0
        self._serial = count()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def become(self, mood: Mood) -> None:
        self.mood = mood
        if mood is Mood.GONE:
            await self.close()
        elif self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in tuple(self._connections):
            connection.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._answer(head.decode(), writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(writer)
            writer.transport.abort()

    async def _answer(self, head: str, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        self.asked += 1
        line, *lines = head.rstrip().split("\r\n")
        target = line.split(" ")[1]
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in lines)}
        mood, kind = self.mood, parse_qs(urlsplit(target).query)["kind"][0]
        if mood is Mood.SLOW:
            await asyncio.sleep(SLOW_SECONDS)
        if mood is Mood.FAILS:
            writer.write(b"HTTP/1.1 500 Failed\r\nContent-Length: 6\r\n\r\nfailed")
            await writer.drain()
            return
        serial = next(self._serial)
        tenant = headers.get("authorization", "")
        body = body_of(
            {"asked_at": asked_at, "sent_at": loop.time(), "tenant": tenant, "target": target, "serial": serial}
        )
        fields = ["HTTP/1.1 200 OK", "Content-Type: application/json"]
        if kind == "cookie":
            fields.append(f"Set-Cookie: for={serial}")
        if kind == "zipped" and "gzip" in headers.get("accept-encoding", ""):
            body = gzip.compress(body)
            fields.append("Content-Encoding: gzip")
        if kind == "chunked":
            half = len(body) // 2
            parts = [b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:])]
            fields.append("Transfer-Encoding: chunked")
            body = b"".join((*parts, b"0\r\n\r\n"))
        else:
            fields.append(f"Content-Length: {len(body)}")
        if mood is Mood.BREAKS_OFF:
            body = body[: len(body) // 2]
        writer.write("\r\n".join((*fields, "", "")).encode() + body)
        await writer.drain()
        if mood is Mood.BREAKS_OFF:
            raise ConnectionAbortedError
