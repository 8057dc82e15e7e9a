"""A server whose connections cannot be held for nothing: aiohttp's own waits for ever for the head of a request, and for
a client that does not read its answer (T14 in the tests of traps).

One sweep a second looks over all connections; a connection costs three attributes and no timer of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import http_parser, web
from aiohttp.web_protocol import RequestHandler

from ..errors import MillpondError

HEAD_SECONDS = 10.0
"""From the first byte of a request (or the connection, for its first) to the end of its head."""
IDLE_SECONDS = 75.0
STALL_SECONDS = 60.0
"""A client that takes none of its answer for so long is gone."""
MAX_LINE_BYTES = 64 * 1024
"""Of a request line or header field: a range query with its PromQL in the URL needs more than aiohttp's 8 KiB."""
MAX_FIELDS = 256
_SWEEP_SECONDS = 1.0

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def require_c_parser() -> None:
    """Raise MillpondError when aiohttp runs on its pure Python parser, which takes ambiguous requests (CVE-2026-111750)."""
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        raise MillpondError(
            "aiohttp's C parser is missing: unset AIOHTTP_NO_EXTENSIONS and install aiohttp from a wheel with extensions"
        )


class GuardedHandler(RequestHandler):
    """A connection that knows since when it has been waiting for a head, or for its client to read."""

    __slots__ = ("reading_since", "stalled_bytes", "stalled_since")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.reading_since: float | None = self._loop.time()
        self.stalled_since: float | None = None
        self.stalled_bytes = 0

    def data_received(self, data: bytes) -> None:
        requests = self._request_count
        super().data_received(data)
        if self._request_count != requests:
            self.reading_since = None
        elif data and self.reading_since is None and self._waiter is not None:
            self.reading_since = self._loop.time()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.stalled_since = self._loop.time()
        self.stalled_bytes = 0

    def resume_writing(self) -> None:
        super().resume_writing()
        self.stalled_since = None

    def sweep(self, now: float, head_seconds: float, stall_seconds: float) -> None:
        """End the connection if it has waited too long."""
        transport = self.transport
        if not isinstance(transport, asyncio.Transport) or transport.is_closing():
            return
        if self.reading_since is not None and now - self.reading_since > head_seconds:
            self.force_close()
        elif self.stalled_since is not None:
            left_bytes = transport.get_write_buffer_size()
            if left_bytes != self.stalled_bytes:  # it reads, however slowly
                self.stalled_since, self.stalled_bytes = now, left_bytes
            elif now - self.stalled_since > stall_seconds:
                transport.abort()


class GuardedServer(web.Server):
    """`web.Server` with guarded connections. Bodies reach the handler as they were sent, their coding not undone."""

    def __init__(
        self,
        handler: Handler,
        *,
        head_seconds: float = HEAD_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        super().__init__(handler, handler_cancellation=True)
        self._head_seconds = head_seconds
        self._stall_seconds = stall_seconds
        self._options = {
            "keepalive_timeout": idle_seconds,
            "access_log": None,
            "auto_decompress": False,
            "max_line_size": MAX_LINE_BYTES,
            "max_field_size": MAX_LINE_BYTES,
            "max_headers": MAX_FIELDS,
        }
        self._sweeping: asyncio.TimerHandle | None = None

    def __call__(self) -> GuardedHandler:
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(_SWEEP_SECONDS, self._sweep)
        return GuardedHandler(self, loop=self._loop, **self._options)  # type: ignore[arg-type]  # one dict, many types

    def _sweep(self) -> None:
        connections = self.connections
        now = self._loop.time()
        for connection in connections:
            if isinstance(connection, GuardedHandler):
                connection.sweep(now, self._head_seconds, self._stall_seconds)
        self._sweeping = self._loop.call_later(_SWEEP_SECONDS, self._sweep) if connections else None
