"""The client's end of one request: how its answer is sent, noted, and ends the connection or leaves it open."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import hdrs, web
from multidict import CIMultiDict

from ..engine.exchange import Payload, Reply
from ..errors import MillpondError, UpstreamError
from ..telemetry.logs import redact_path, redact_query
from ..telemetry.metrics import Metrics
from . import errors
from .guard import SERVER, GuardedHandler

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """`began` is monotonic, in seconds. While this process is `draining`, every answer ends its connection."""

    request: web.BaseRequest
    began: float
    draining: asyncio.Event

    @property
    def seconds(self) -> float:
        """Since the request came."""
        return time.monotonic() - self.began

    def refuse(self, error: MillpondError, *, ends: bool) -> web.Response:
        """The error as an answer; `ends`: what follows on the connection is perhaps not what it looks like."""
        return self.own(_error_response(error), ends=ends, detail=error.public_message)

    def own(self, response: web.Response, *, ends: bool, **noted: object) -> web.Response:
        """An answer of Millpond's own."""
        self._note(status=response.status, **noted)
        self._end(response, ends=ends)
        return response

    async def reply(self, reply: Reply, *, ends: bool, metrics: Metrics) -> web.StreamResponse:
        """Send what the cache or the source answered, and say which. It is counted, also one that breaks off."""

        def count(size_bytes: int) -> None:
            metrics.answered(
                uid=reply.uid,
                source_type=reply.source_type,
                kind=reply.kind,
                x_cache=reply.x_cache,
                reason=reply.reason,
                seconds=self.seconds,
                size_bytes=size_bytes,
                query_type=reply.query_type,
            )

        response, to_stream = _response(reply)
        noted: dict[str, object] = {"cache": str(reply.x_cache), "detail": reply.cache_status, "datasource": reply.uid}
        return await self._send(response, to_stream, ends=ends, sent=count, noted=noted)

    async def relay(self, payload: Payload, *, ends: bool, **noted: object) -> web.StreamResponse:
        """Send an answer with no word of ours in it."""
        response = Relayed(status=payload.status, headers=CIMultiDict(payload.headers))
        return await self._send(response, payload, ends=ends, sent=lambda size_bytes: None, noted=noted)

    async def _send(
        self,
        response: web.StreamResponse,
        to_stream: Payload | None,
        *,
        ends: bool,
        sent: Callable[[int], None],
        noted: dict[str, object],
    ) -> web.StreamResponse:
        self._end(response, ends=ends)
        size_bytes = 0
        try:
            if to_stream is None:
                size_bytes = response.content_length or 0
            else:
                size_bytes = await _stream(self.request, response, to_stream)
            return response
        finally:
            sent(size_bytes)
            self._note(status=response.status, bytes=size_bytes, **noted)

    def _end(self, response: web.StreamResponse, *, ends: bool) -> None:
        """Let the connection end with this answer, if it has to."""
        if ends or self.draining.is_set():
            response.force_close()

    def _note(self, **fields: object) -> None:
        """One line a request, at debug."""
        if not _log.isEnabledFor(logging.DEBUG):
            return
        path, _, query = self.request.raw_path.partition("?")
        milliseconds = round(self.seconds * 1000, 2)
        about = {
            "method": self.request.method,
            "path": redact_path(path),
            "query": redact_query(query),
            "ms": milliseconds,
        }
        _log.debug("request", extra=about | fields)


class Relayed(web.StreamResponse):
    """Has the headers that it was given, and none that aiohttp finds missing, but for the Date."""

    async def _prepare_headers(self) -> None:
        missing = [name for name in (hdrs.CONTENT_TYPE, hdrs.SERVER) if name not in self.headers]
        await super()._prepare_headers()
        for name in missing:
            self.headers.popall(name, None)


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
    response.headers.extend(reply.cookies)
    return response, to_stream


async def _stream(request: web.BaseRequest, response: web.StreamResponse, payload: Payload) -> int:
    """Write an answer as it arrives. An answer that breaks off breaks the client's connection off: never a clean end."""
    assert not isinstance(payload.body, bytes)
    response._send_headers_immediately = not payload.has_begun
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


def _error_response(error: MillpondError) -> web.Response:
    response = errors.answer(error)
    response.headers[hdrs.SERVER] = SERVER
    return response
