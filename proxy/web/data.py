"""The data listener: `/ds/<uid>/<anything>`, and the root path where a source owns it."""

import json
import logging
import time
from collections.abc import AsyncIterator, Callable

from aiohttp import hdrs, web
from multidict import CIMultiDict

from ..core import paths
from ..engine.exchange import Payload, Reply
from ..engine.pipeline import Pipeline
from ..engine.source import SourceRuntime
from ..engine.sources import Sources
from ..errors import MillpondError, UpstreamError
from ..telemetry.logs import redact_query
from ..telemetry.metrics import Metrics
from . import framing
from .incoming import ClientRequest
from .websocket import bridge

_log = logging.getLogger("millpond.data")
SERVER = "millpond"


class DataHandler:
    """`web.Server`'s handler. `sources` is called for each request: a reload swaps what it returns."""

    def __init__(self, *, pipeline: Pipeline, sources: Callable[[], Sources], metrics: Metrics) -> None:
        self._pipeline = pipeline
        self._sources = sources
        self._metrics = metrics

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        began = time.monotonic()
        try:
            target = framing.check(request)
            source, path = self._sources().route(target.path)
            paths.check(path)
        except MillpondError as error:
            return error_response(error)
        incoming = ClientRequest(request, path, target.query)
        try:
            if framing.is_websocket(request):
                return await bridge(request, source, incoming)
            reply = await self._pipeline.answer(source, incoming)
        except MillpondError as error:
            return error_response(error)
        return await self._send(request, source, reply, began)

    async def _send(
        self, request: web.BaseRequest, source: SourceRuntime, reply: Reply, began: float
    ) -> web.StreamResponse:
        payload = reply.payload
        headers = CIMultiDict(payload.headers)
        headers["X-Cache"] = reply.x_cache
        headers["Cache-Status"] = reply.cache_status
        headers.setdefault(hdrs.SERVER, SERVER)
        size_bytes = 0
        try:
            if isinstance(payload.body, bytes):
                size_bytes = len(payload.body)
                return web.Response(status=payload.status, headers=headers, body=payload.body)
            response = web.StreamResponse(status=payload.status, headers=headers)
            size_bytes = await _stream(request, response, payload, payload.body)
            return response
        finally:
            seconds = time.monotonic() - began
            if _log.isEnabledFor(logging.DEBUG):
                _log.debug("request", extra=_described(request, source, reply, seconds, size_bytes))
            self._metrics.answered(
                uid=source.config.uid,
                source_type=source.config.type,
                kind=reply.kind,
                x_cache=reply.x_cache,
                reason=reply.reason,
                seconds=seconds,
                size_bytes=size_bytes,
            )


async def _stream(
    request: web.BaseRequest, response: web.StreamResponse, payload: Payload, body: AsyncIterator[bytes]
) -> int:
    """Write an answer as it arrives. An answer that breaks off breaks the client's connection off: never a clean end."""
    size_bytes = 0
    try:
        if payload.length_bytes is not None:
            response.content_length = payload.length_bytes
        await response.prepare(request)
        async for chunk in body:
            size_bytes += len(chunk)
            await response.write(chunk)
        await response.write_eof()
    except UpstreamError as error:
        raise ConnectionResetError(error.public_message) from error
    finally:
        if payload.aclose is not None:
            await payload.aclose()
    return size_bytes


def _described(
    request: web.BaseRequest, source: SourceRuntime, reply: Reply, seconds: float, size_bytes: int
) -> dict[str, object]:
    path, _, query = request.raw_path.partition("?")
    return {
        "method": request.method,
        "path": path,
        "query": redact_query(query),
        "datasource": source.config.uid,
        "status": reply.payload.status,
        "cache": str(reply.x_cache),
        "detail": reply.cache_status,
        "bytes": size_bytes,
        "ms": round(seconds * 1000, 2),
    }


def error_response(error: MillpondError) -> web.Response:
    """Grafana's envelope: `message`, and what the case adds."""
    body = json.dumps({"message": error.public_message, **error.extra}).encode()
    return web.Response(status=error.status, body=body, content_type="application/json", headers={hdrs.SERVER: SERVER})
