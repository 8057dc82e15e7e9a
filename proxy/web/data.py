"""The data listener: `/ds/<uid>/<anything>`; every other path is Grafana's where one is given, or that of the source which
owns the root.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from aiohttp import web

from ..core import paths
from ..core.headers import pass_headers
from ..core.model import Reason, XCache
from ..engine import answers, cache_status
from ..engine.exchange import Reply
from ..engine.pipeline import Pipeline
from ..engine.source import SourceRuntime
from ..engine.sources import BASE, Sources
from ..errors import MillpondError
from ..settings.model import Snapshot
from ..telemetry.metrics import Metrics
from ..upstream.client import Outgoing
from ..upstream.switched import Switched
from ..upstream.users import Users
from . import framing, websocket
from .front import FrontHandler
from .incoming import ClientRequest, expects_continue
from .sending import Client


class DataHandler:
    """`web.Server`'s handler. `sources` and `settings` are called for each request: both change as one object."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        sources: Callable[[], Sources],
        settings: Callable[[], Snapshot],
        metrics: Metrics,
        front: FrontHandler | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._sources = sources
        self._settings = settings
        self._metrics = metrics
        self._front = front
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
            return await self._handle(Client(request=request, began=time.monotonic(), draining=self._draining))

    async def _handle(self, client: Client) -> web.StreamResponse:
        request = client.request
        try:
            target = framing.check(request)
        except MillpondError as error:
            # What follows on the connection is perhaps not the request that it looks like.
            return client.refuse(error, ends=True)
        front = self._front
        try:
            if front is not None and not target.path.startswith(BASE):
                paths.check(target.path)
                return await front.answer(client, target)
            source, path = self._sources().route(target.path, self._settings())
            paths.check(path)
        except MillpondError as error:
            return client.refuse(error, ends=expects_continue(request))
        incoming = ClientRequest(request, path, target.query)
        with source.upstream.in_use:
            try:
                if framing.is_websocket(request):
                    return await self._join(client, source, incoming)
                reply = await self._pipeline.answer(source, incoming)
            except MillpondError as error:
                return client.refuse(error, ends=incoming.holds_back)
            # Nobody can tell whether a client that was not told to send its body sends it after all: no request follows.
            return await client.reply(reply, ends=incoming.holds_back, metrics=self._metrics)

    async def _join(self, client: Client, source: SourceRuntime, incoming: ClientRequest) -> web.StreamResponse:
        headers = pass_headers(incoming.headers, source.rules)
        outgoing = Outgoing(method="GET", target=incoming.target, headers=headers, read_only=False)
        answer = await source.upstream.websocket(outgoing)
        if isinstance(answer, Switched):
            self._metrics.upgraded(uid=source.config.uid)
            return await websocket.join(client.request, answer, self._draining)
        refusal = Reply(
            payload=answers.from_stream(answer, [], answer.chunks()),
            x_cache=XCache.BYPASS,
            cache_status=cache_status.bypassed(Reason.UPGRADE),
            route="websocket",
            reason=Reason.UPGRADE,
            uid=source.config.uid,
            source_type=source.config.type,
        )
        return await client.reply(refusal, ends=incoming.holds_back, metrics=self._metrics)
