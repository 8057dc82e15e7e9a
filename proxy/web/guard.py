"""A server whose connections cannot be held for nothing: aiohttp's own waits for ever for the head of a request, for its
body, and for a client that does not read its answer (T14 in the tests of traps).

One sweep a second looks over all connections; a connection costs a few attributes and no timer of its own.
"""

import asyncio
import logging
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import hdrs, http_parser, web
from aiohttp.web_protocol import RequestHandler

from ..errors import MillpondError
from .errors import envelope

MAX_LINE_BYTES = 64 * 1024
"""Of a request line or header field: a range query with its PromQL in the URL needs more than aiohttp's 8 KiB."""
MAX_FIELDS = 256
MAX_HEAD_BYTES = 256 * 1024
"""Of the whole head: lines and fields at their limits would make 16 MiB of each connection."""

SERVER = "millpond"

_log = logging.getLogger(__name__)
_TOO_LARGE_BODY = b'{"message":"The head of the request is over %d KiB"}' % (MAX_HEAD_BYTES // 1024)
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_TOO_LARGE_BODY), _TOO_LARGE_BODY)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a client may keep a connection waiting."""

    head_seconds: float = 10.0
    """From the first byte of a request (or the connection, for its first) to the end of its head."""
    idle_seconds: float = 75.0
    body_seconds: float = 10.0
    """Over each such time that a body is waited for, at least `body_bytes_per_second` must come."""
    body_bytes_per_second: int = 500
    stall_seconds: float = 60.0
    """A client that takes none of its answer for so long is gone."""
    sweep_seconds: float = 1.0


def require_c_parser() -> None:
    """Raise MillpondError when aiohttp runs on its pure Python parser, which takes ambiguous requests (CVE-2026-111750)."""
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        raise MillpondError(
            "aiohttp's C parser is missing: unset AIOHTTP_NO_EXTENSIONS and install aiohttp from a wheel with extensions"
        )


class GuardedHandler(RequestHandler):
    """A connection that knows since when it has been waiting for a head, for a body, or for its client to read."""

    __slots__ = (
        "body_bytes",
        "body_since",
        "head_bytes",
        "link",
        "reading_since",
        "received_bytes",
        "unsent_bytes",
        "unsent_since",
        "wants_body",
    )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # aiohttp forgets its own when it closes, with bytes still unsent. uvloop's are no instances of asyncio's.
        self.link = cast(asyncio.Transport, transport)
        self.reading_since: float | None = self._loop.time()
        self.head_bytes = 0
        self.received_bytes = 0
        self.wants_body = False
        self.body_since: float | None = None
        self.body_bytes = 0
        self.unsent_bytes = 0
        self.unsent_since = 0.0

    def data_received(self, data: bytes) -> None:
        requests = self._request_count
        reads_head = self._reads_head()  # before: the end of a body is none
        super().data_received(data)
        self.received_bytes += len(data)
        if self._request_count != requests:
            self.reading_since = None
            self.head_bytes = 0
        elif data and reads_head:
            self.head_bytes += len(data)
            if self.reading_since is None:
                self.reading_since = self._loop.time()
            if self.head_bytes > MAX_HEAD_BYTES and not self.link.is_closing():
                self.link.write(_TOO_LARGE)
                self.force_close()

    def eof_received(self) -> bool:  # type: ignore[override]  # aiohttp's ends every connection that says no more
        """A client may say no more over a WebSocket and still listen. Whether the connection stays open."""
        if self._payload_parser is None:
            return False
        self._payload_parser.feed_eof()
        return True

    def _reads_head(self) -> bool:
        """Whether what comes is of no body: nobody is served, or whoever is has sent all of it."""
        if self._upgraded:
            return False
        if self._current_request is not None:
            return self._current_request.content.is_eof()
        return self._waiter is not None and not self._waiter.done()

    @contextmanager
    def waiting_for_body(self) -> Iterator[None]:
        self.wants_body = True
        try:
            yield
        finally:
            self.wants_body = False

    def break_off(self) -> None:
        """End the connection by RST. A FIN ends an answer without a length cleanly, as if it were whole."""
        sock = self.link.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.link.abort()

    def sweep(self, now: float, patience: Patience) -> None:
        """End the connection if it has waited too long."""
        if (
            self._head_is_late(now, patience)
            or self._body_is_late(now, patience)
            or self._reader_is_gone(now, patience)
        ):
            self.link.abort()

    def _head_is_late(self, now: float, patience: Patience) -> bool:
        return self.reading_since is not None and now - self.reading_since > patience.head_seconds

    def _body_is_late(self, now: float, patience: Patience) -> bool:
        """Judged over windows, so that a client that was fast once may not stop; a slow source stops no window."""
        if not self.wants_body:
            self.body_since = None
            return False
        if self.body_since is not None:
            seconds = now - self.body_since
            if seconds <= patience.body_seconds:
                return False
            if self.received_bytes - self.body_bytes < patience.body_bytes_per_second * seconds:
                return True
        self.body_since, self.body_bytes = now, self.received_bytes
        return False

    def _reader_is_gone(self, now: float, patience: Patience) -> bool:
        unsent_bytes = self.link.get_write_buffer_size()
        if not unsent_bytes or unsent_bytes != self.unsent_bytes:  # it reads, however slowly
            self.unsent_bytes, self.unsent_since = unsent_bytes, now
            return False
        return now - self.unsent_since > patience.stall_seconds

    def log_exception(self, *args: Any, **options: Any) -> None:
        """An answer may come before its request's body, which proves to be broken only then: no fault of ours."""
        if isinstance(options.get("exc_info"), web.RequestPayloadError):
            _log.debug("a body that nobody wanted is broken")
        else:
            super().log_exception(*args, **options)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """aiohttp's would log each broken request with a traceback and the line at fault, which may hold a secret."""
        if isinstance(exc, ConnectionError) and self.link.is_closing():
            raise exc  # the client has left, or its answer was broken off: nothing of ours failed, and nobody is there
        if status >= 500:
            self.log_exception("request failed", exc_info=exc)
            words = "Unexpected error. Refer to the server logs for more details."
        else:
            _log.debug("refused a request that is not HTTP", extra={"status": status})
            words = "The request is not HTTP as RFC 9112 has it, or its line or a header is too long."
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun: only breaking it off is left")
        response = envelope(status, words)
        response.headers[hdrs.SERVER] = SERVER
        response.force_close()
        return response


class GuardedServer(web.Server):
    """`web.Server` with guarded connections. Unless it `passes_on`, bodies reach the handler with their coding undone, and
    a client that leaves does not cancel what it has begun.
    """

    def __init__(
        self,
        handler: Callable[..., Awaitable[web.StreamResponse]],
        patience: Patience | None = None,
        *,
        request_factory: Callable[..., web.BaseRequest] | None = None,
        passes_on: bool = True,
    ) -> None:
        super().__init__(handler, request_factory=request_factory, handler_cancellation=passes_on)
        self._patience = patience or Patience()
        self._options = {
            "keepalive_timeout": self._patience.idle_seconds,
            "access_log": None,
            "auto_decompress": not passes_on,
            "max_line_size": MAX_LINE_BYTES,
            "max_field_size": MAX_LINE_BYTES,
            "max_headers": MAX_FIELDS,
        }
        self._sweeping: asyncio.TimerHandle | None = None

    def __call__(self) -> GuardedHandler:
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(self._patience.sweep_seconds, self._sweep)
        return GuardedHandler(self, loop=self._loop, **self._options)  # type: ignore[arg-type]  # one dict, many types

    def _sweep(self) -> None:
        connections = self.connections
        now = self._loop.time()
        for connection in connections:
            if isinstance(connection, GuardedHandler):
                connection.sweep(now, self._patience)
        again = self._patience.sweep_seconds
        self._sweeping = self._loop.call_later(again, self._sweep) if connections else None


class GuardedAppRunner(web.AppRunner):
    """An application behind guarded connections."""

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        return GuardedServer(server.request_handler, request_factory=server.request_factory, passes_on=False)
