"""The data listener: `/ds/<uid>/<anything>`, and the root path where a source owns it."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress

from aiohttp import hdrs, web
from multidict import CIMultiDict

from ..core import paths
from ..engine.exchange import Payload, Reply
from ..engine.pipeline import Pipeline
from ..engine.source import SourceRuntime
from ..engine.sources import Sources
from ..errors import MillpondError, UpstreamError
from ..settings.model import Snapshot
from ..telemetry.logs import redact_path, redact_query
from ..telemetry.metrics import Metrics
from ..upstream.users import Users
from . import errors, framing
from .guard import SERVER, GuardedHandler
from .incoming import ClientRequest, expects_continue
from .websocket import bridge

_log = logging.getLogger(__name__)


class DataHandler:
    """`web.Server`'s handler. `sources` and `settings` are called for each request: both change as one object."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        sources: Callable[[], Sources],
        settings: Callable[[], Snapshot],
        metrics: Metrics,
    ) -> None:
        self._pipeline = pipeline
        self._sources = sources
        self._settings = settings
        self._metrics = metrics
        self._draining = asyncio.Event()
        self._in_flight = Users()

    def drain(self) -> None:
        """From now on every answer ends its connection, so that keep-alive clients go elsewhere by themselves; WebSockets
        are closed.
        """
        self._draining.set()

    async def idle(self, seconds: float) -> bool:
        """Wait until no request is in flight, at most so long; whether there is none."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._in_flight.none()
                return True
        return False

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        with self._in_flight:
            return await self._handle(request, time.monotonic())

    async def _handle(self, request: web.BaseRequest, began: float) -> web.StreamResponse:
        try:
            target = framing.check(request)
        except MillpondError as error:
            # What follows on the connection is perhaps not the request that it looks like.
            return self._refuse(request, error, began, ends=True)
        try:
            source, path = self._sources().route(target.path, self._settings())
            paths.check(path)
        except MillpondError as error:
            return self._refuse(request, error, began, ends=expects_continue(request))
        incoming = ClientRequest(request, path, target.query)
        with source.upstream.in_use:
            try:
                if framing.is_websocket(request):
                    self._metrics.upgraded(uid=source.config.uid)
                    return await bridge(request, source, incoming, self._draining)
                reply = await self._pipeline.answer(source, incoming)
            except MillpondError as error:
                return self._refuse(request, error, began, ends=incoming.holds_back)
            return await self._send(request, source, incoming, reply, began)

    def _refuse(self, request: web.BaseRequest, error: MillpondError, began: float, *, ends: bool) -> web.Response:
        _note(request, began, status=error.status, detail=error.public_message)
        response = _error_response(error)
        self._end(response, ends=ends)
        return response

    async def _send(
        self, request: web.BaseRequest, source: SourceRuntime, incoming: ClientRequest, reply: Reply, began: float
    ) -> web.StreamResponse:
        response, to_stream = _response(reply)
        # Nobody can tell whether a client that was not told to send its body sends it after all: no request follows.
        self._end(response, ends=incoming.holds_back)
        size_bytes = 0
        try:
            if to_stream is None:
                size_bytes = response.content_length or 0
            else:
                size_bytes = await _stream(request, response, to_stream)
            return response
        finally:
            self._count(source, reply, began, size_bytes)
            _note(
                request,
                began,
                datasource=source.config.uid,
                status=response.status,
                cache=str(reply.x_cache),
                detail=reply.cache_status,
                bytes=size_bytes,
            )

    def _end(self, response: web.StreamResponse, *, ends: bool) -> None:
        """Let the connection end with this answer, if it has to."""
        if ends or self._draining.is_set():
            response.force_close()

    def _count(self, source: SourceRuntime, reply: Reply, began: float, size_bytes: int) -> None:
        self._metrics.answered(
            uid=source.config.uid,
            source_type=source.config.type,
            kind=reply.kind,
            x_cache=reply.x_cache,
            reason=reply.reason,
            seconds=time.monotonic() - began,
            size_bytes=size_bytes,
        )


def _response(reply: Reply) -> tuple[web.StreamResponse, Payload | None]:
    """The response, and the payload that is still to be streamed into it, if any."""
    response: web.StreamResponse
    to_stream: Payload | None = None
    match reply.payload:
        case UpstreamError() as error:
            response = _error_response(error)
        case Payload(status=status, headers=headers, body=bytes() as body):
            response = web.Response(status=status, headers=CIMultiDict(headers), body=body)
        case Payload(status=status, headers=headers) as to_stream:
            response = web.StreamResponse(status=status, headers=CIMultiDict(headers))
    response.headers["X-Cache"] = reply.x_cache
    response.headers["Cache-Status"] = reply.cache_status
    response.headers.setdefault(hdrs.SERVER, SERVER)
    return response, to_stream


async def _stream(request: web.BaseRequest, response: web.StreamResponse, payload: Payload) -> int:
    """Write an answer as it arrives. An answer that breaks off breaks the client's connection off: never a clean end."""
    assert not isinstance(payload.body, bytes)
    size_bytes = 0
    try:
        if payload.length_bytes is not None:
            response.content_length = payload.length_bytes
        await response.prepare(request)
        async for chunk in payload.body:
            size_bytes += len(chunk)
            await response.write(chunk)
        await response.write_eof()
    except UpstreamError as error:
        if isinstance(request.protocol, GuardedHandler):
            request.protocol.break_off()
        raise ConnectionResetError(error.public_message) from error
    finally:
        if payload.aclose is not None:
            await payload.aclose()
    return size_bytes


def _note(request: web.BaseRequest, began: float, **fields: object) -> None:
    """One line a request, at debug."""
    if not _log.isEnabledFor(logging.DEBUG):
        return
    path, _, query = request.raw_path.partition("?")
    milliseconds = round((time.monotonic() - began) * 1000, 2)
    about = {"method": request.method, "path": redact_path(path), "query": redact_query(query), "ms": milliseconds}
    _log.debug("request", extra=about | fields)


def _error_response(error: MillpondError) -> web.Response:
    response = errors.answer(error)
    response.headers[hdrs.SERVER] = SERVER
    return response
