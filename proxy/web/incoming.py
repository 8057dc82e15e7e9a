"""A client's request as the engine reads it, over aiohttp's."""

from collections.abc import AsyncIterator

from aiohttp import web
from multidict import CIMultiDictProxy

from ..errors import BadRequest
from .guard import GuardedHandler


class ClientRequest:
    """Reads the body at most once. What `read` took before it gave up comes first in `stream`. While it `holds_back`,
    the client has not been told to send the body. `headers` are its own unless others are given.
    """

    __slots__ = ("_body", "_request", "headers", "holds_back", "method", "path", "query")

    def __init__(
        self,
        request: web.BaseRequest,
        path: str,
        query: str,
        headers: CIMultiDictProxy[str] | None = None,
    ) -> None:
        self._request = request
        self._body: bytes | bytearray = b""
        self.holds_back = expects_continue(request)
        self.method = request.method
        self.path = path
        self.query = query
        self.headers: CIMultiDictProxy[str] = request.headers if headers is None else headers

    @property
    def target(self) -> str:
        """Path and query, raw."""
        return f"{self.path}?{self.query}" if self.query else self.path

    async def read(self, limit_bytes: int) -> bytes | None:
        if not self._request.can_read_body:
            return b""
        if (self._request.content_length or 0) > limit_bytes:
            return None
        content = self._request.content
        if content.is_eof() and content.exception() is None:  # all of it is here already, as nearly always
            self.holds_back = False
            self._body = content.read_nowait()
            return self._body if len(self._body) <= limit_bytes else None
        self._continue()
        body = bytearray()
        while chunk := await self._chunk():
            body += chunk
            if len(body) > limit_bytes:
                self._body = body
                return None
        self._body = bytes(body)
        return self._body

    def stream(self) -> bytes | AsyncIterator[bytes]:
        content = self._request.content
        if not self._request.can_read_body or content.at_eof():
            return bytes(self._body)
        if content.is_eof() and content.exception() is None and not self._body:  # small, and here already
            self.holds_back = False
            return content.read_nowait()
        return self._rest()

    async def _rest(self) -> AsyncIterator[bytes]:
        self._continue()
        if self._body:
            yield bytes(self._body)
        while chunk := await self._chunk():
            yield chunk

    async def _chunk(self) -> bytes:
        connection = self._request.protocol
        assert isinstance(connection, GuardedHandler)
        try:
            with connection.waiting_for_body():
                return await self._request.content.readany()
        except web.RequestPayloadError as error:
            raise BadRequest("The request's body is not chunked as RFC 9112 has it, or broke off.") from error

    def _continue(self) -> None:
        """A client that expects it is told to go on only when its body is wanted (RFC 9110 §10.1.1)."""
        if self.holds_back and self._request.transport:
            self._request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.holds_back = False


def expects_continue(request: web.BaseRequest) -> bool:
    expects = request.headers.get("Expect", "").lower() == "100-continue"
    return expects and request.can_read_body and tuple(request.version) >= (1, 1)
