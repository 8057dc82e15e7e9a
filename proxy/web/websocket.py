"""WebSockets pass through: Grafana Live, Loki's live tail and whatever else is spoken over them, byte for byte.

No other upgrade is offered to whoever is behind: a protocol that we do not know could carry requests past us (h2c).
"""

import asyncio

from aiohttp import web
from multidict import CIMultiDict

from ..upstream.switched import End, Switched
from .guard import GuardedHandler
from .sending import Relayed

_GOING_AWAY = b"\x03\xe9"
_CLOSE_TO_CLIENT = b"\x88\x02" + _GOING_AWAY
_CLOSE_TO_SOURCE = b"\x88\x82\x00\x00\x00\x00" + _GOING_AWAY  # masked, as a client's frames must be, with zeros
"""RFC 6455 §5.5.1: 1001, what a server says that goes down."""


class Frames:
    """Follows a stream of WebSocket frames (RFC 6455 §5.2) just so far as to know where a frame of ours may go between."""

    __slots__ = ("_head", "_left_bytes")

    def __init__(self) -> None:
        self._head = b""
        self._left_bytes = 0

    @property
    def between(self) -> bool:
        return not self._head and not self._left_bytes

    def feed(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            if self._left_bytes:
                taken = min(self._left_bytes, len(data) - at)
                self._left_bytes -= taken
            else:
                taken = 1
                self._head += data[at : at + 1]
                self._end_head()
            at += taken

    def _end_head(self) -> None:
        if len(self._head) < 2:
            return
        length = self._head[1] & 0x7F
        extended_bytes = {126: 2, 127: 8}.get(length, 0)
        mask_bytes = 4 if self._head[1] & 0x80 else 0
        if len(self._head) < 2 + extended_bytes + mask_bytes:
            return
        if extended_bytes:
            length = int.from_bytes(self._head[2 : 2 + extended_bytes], "big")
        self._head = b""
        self._left_bytes = length


class _SwitchedResponse(Relayed):
    """The 101 to the client; what follows is no body."""

    _length_check = False


async def join(request: web.BaseRequest, source: Switched, draining: asyncio.Event) -> web.StreamResponse:
    """Relay the source's 101, then what either side says, until one of them ends, or this process is `draining`."""
    connection = request.protocol
    assert isinstance(connection, GuardedHandler)
    try:
        response = _SwitchedResponse(status=101, headers=CIMultiDict(source.headers))
        response.headers["Connection"] = "Upgrade"
        response.headers["Upgrade"] = "websocket"
        response.force_close()
        await response.prepare(request)
        client = End(connection, connection.link)
        connection.set_parser(client)  # type: ignore[arg-type]  # feeds it as it feeds its own WebSocketReader
        await _relay(client, source.end, draining)
        return response
    finally:
        source.close()


async def _relay(client: End, source: End, draining: asyncio.Event) -> None:
    """A client that says no more may still listen; a source that says no more has ended it."""
    to_client, to_source = Frames(), Frames()
    upward = asyncio.ensure_future(_pump(client, source, to_source))
    downward = asyncio.ensure_future(_pump(source, client, to_client))
    drained = asyncio.ensure_future(draining.wait())
    try:
        await asyncio.wait((downward, drained), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (upward, downward, drained):
            task.cancel()
        await asyncio.gather(upward, downward, drained, return_exceptions=True)
    if draining.is_set():
        if to_client.between:
            client.say_last(_CLOSE_TO_CLIENT)
        if to_source.between:
            source.say_last(_CLOSE_TO_SOURCE)


async def _pump(reader: End, writer: End, frames: Frames) -> None:
    try:
        while data := await reader.read():
            frames.feed(data)
            await writer.write(data)
    except ConnectionError:
        return  # whoever has gone is noticed by the other direction too
    writer.write_eof()
