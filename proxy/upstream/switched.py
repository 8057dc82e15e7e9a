"""A connection that has left HTTP by 101 Switching Protocols: bytes as they come, both ways.

Frames are not taken apart: what the two sides agreed on (subprotocol, compression, sizes, close codes) is theirs.
"""

import asyncio
from base64 import b64encode
from hashlib import sha1

import aiohttp
from aiohttp.base_protocol import BaseProtocol
from multidict import CIMultiDictProxy

_BUFFER_BYTES = 64 * 1024
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class End:
    """One end of such a connection, under aiohttp's protocol of either side, whose parser of payloads it is."""

    def __init__(self, protocol: BaseProtocol, transport: asyncio.Transport) -> None:
        self._protocol = protocol
        self._transport = transport
        self._reader = aiohttp.StreamReader(protocol, _BUFFER_BYTES, loop=asyncio.get_running_loop())

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """aiohttp's: whether it ended here, and what is left over."""
        self._reader.feed_data(data)
        return False, b""

    def feed_eof(self) -> None:
        if not self._reader.is_eof():
            self._reader.feed_eof()

    async def read(self) -> bytes:
        """What has come; b"" once the other side says no more."""
        return await self._reader.readany()

    async def write(self, data: bytes) -> None:
        """Waits while the other side is slow to read. Raises ConnectionError when it has gone."""
        if self._transport.is_closing():
            raise ConnectionResetError("the other side has gone")
        self._transport.write(data)
        try:
            await self._protocol._drain_helper()
        except aiohttp.ClientConnectionError as error:
            raise ConnectionResetError("the other side has gone") from error

    def say_last(self, data: bytes) -> None:
        """Write without a wait: the connection is closed after it."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def write_eof(self) -> None:
        """No more will be written; what comes is still read."""
        if not self._transport.is_closing() and self._transport.can_write_eof():
            self._transport.write_eof()


class Switched:
    """The source's side, its 101 read. Close it in any case."""

    def __init__(self, response: aiohttp.ClientResponse, headers: CIMultiDictProxy[str]) -> None:
        assert response.connection is not None
        protocol = response.connection.protocol
        assert protocol is not None
        assert protocol.transport is not None
        self._response = response
        self.headers = headers
        self.end = End(protocol, protocol.transport)
        protocol.set_parser(self.end, self.end)

    def close(self) -> None:
        """What was written is still sent."""
        self._response.close()


def is_websocket(response: aiohttp.ClientResponse, key: str) -> bool:
    """Whether a 101 accepts the WebSocket that was asked for with this Sec-WebSocket-Key (RFC 6455 §4.1)."""
    accept = b64encode(sha1(f"{key}{_GUID}".encode(), usedforsecurity=False).digest()).decode()
    return (
        response.connection is not None  # aiohttp has let go of one that does not say Connection: Upgrade
        and response.headers.get("Upgrade", "").lower() == "websocket"
        and response.headers.get("Sec-WebSocket-Accept") == accept
    )
