"""In front of Grafana: what the cache does not answer passes through, with nothing of ours in it."""

from dataclasses import replace
from typing import Protocol

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

from ..core import paths
from ..core.forwarded import NOBODY, AuthProxy, to_grafana
from ..dialects.grafana.routes import CachingApi, Meaning, meaning
from ..engine.exchange import Incoming, Payload, Reply
from ..errors import MillpondError, NotFound, UpstreamError
from ..telemetry.metrics import Metrics
from ..upstream.client import Outgoing, Upstream
from ..upstream.response import Response
from ..upstream.switched import Switched
from . import framing, websocket
from .framing import Target
from .front_access import FrontApi
from .front_errors import of_grafana
from .front_pages import Pages
from .front_path import SubPath
from .incoming import ClientRequest, expects_continue
from .sending import Client

_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
"""May be asked again where a connection proved dead (RFC 9110 §9.2.1); no other method is ever sent twice."""


_NEVER_SENT = frozenset(("dns", "connect", "tls", "timeout-connect", "timeout-queue"))
"""Failures after which Grafana cannot have done what it was asked."""


class FrontEngine(Protocol):
    """What is cached of Grafana. The headers of `incoming` are those that Grafana would see."""

    async def answer(self, incoming: Incoming, found: Meaning) -> Reply | None:
        """None: not the cache's to answer; it passes. Raises MillpondError."""

    async def passed(self, incoming: Incoming, found: Meaning, status: int) -> None:
        """Grafana has answered what passed, and the client does not know it yet; or (0) its answer did not come, and it may
        have done what it was asked.
        """


class FrontHandler:
    """Answers every path that is Grafana's. `upstream` is Grafana's; whoever makes it lets it wait: for long polls its
    time to the first byte is minutes, for watches the one between bytes an hour.
    """

    def __init__(
        self,
        *,
        upstream: Upstream,
        sub_path: SubPath,
        auth_proxy: AuthProxy = NOBODY,
        metrics: Metrics,
        engine: FrontEngine | None = None,
        pages: Pages | None = None,
        api: FrontApi | None = None,
    ) -> None:
        self.upstream = upstream
        self._metrics = metrics
        self._pages = pages
        self._api = api
        self._sub_path = sub_path
        self._auth_proxy = auth_proxy
        self._engine = engine

    async def answer(self, client: Client, target: Target) -> web.StreamResponse:
        """`target` is checked."""
        request = client.request
        below = self._sub_path.below(target.path)
        if below is None:
            error = NotFound(f"Grafana is at {self._sub_path.path}/")
            return client.refuse(error, ends=expects_continue(request))
        headers = to_grafana(
            request.headers, peer=request.remote or "", scheme=request.scheme, auth_proxy=self._auth_proxy
        )
        incoming = ClientRequest(request, below or "/", target.query, CIMultiDictProxy(CIMultiDict(headers)))
        # Its own sub-path without a slash is another page to Grafana than the one with it.
        outgoing = Outgoing(
            method=request.method,
            target=incoming.target if below else incoming.target[1:],
            headers=headers,
            read_only=request.method in _SAFE,
        )
        with self.upstream.in_use:
            try:
                return await self._answer(client, incoming, outgoing)
            except UpstreamError as error:
                return client.refuse(of_grafana(error), ends=incoming.holds_back)
            except MillpondError as error:
                return client.refuse(error, ends=incoming.holds_back)

    async def _answer(self, client: Client, incoming: ClientRequest, outgoing: Outgoing) -> web.StreamResponse:
        found = meaning(incoming.method, paths.canonical(incoming.path))
        if framing.is_websocket(client.request):
            answer = await self.upstream.websocket(outgoing)
            if isinstance(answer, Switched):
                return await websocket.join(client.request, answer, client.draining)
            if self._engine is not None:
                await self._engine.passed(incoming, found, answer.status)
            return await client.relay(_payload(answer), ends=False)
        if self._api is not None and isinstance(found, CachingApi):
            return client.own(await self._api.answer(client.request, incoming, found), ends=incoming.holds_back)
        reply = await self._engine.answer(incoming, found) if self._engine is not None else None
        if reply is not None:
            return await client.reply(_said_of_grafana(reply), ends=incoming.holds_back, metrics=self._metrics)
        if self._pages is not None and self._pages.may_be_filled(found):
            return await self._page(client, incoming, outgoing, found, self._pages)
        response = await self._fetch(incoming, replace(outgoing, body=incoming.stream()), found)
        if self._engine is not None:
            try:
                await self._engine.passed(incoming, found, response.status)
            except BaseException:
                await response.aclose()
                raise
        return await client.relay(_payload(response), ends=incoming.holds_back)

    async def _fetch(self, incoming: ClientRequest, outgoing: Outgoing, found: Meaning) -> Response:
        try:
            response = await self.upstream.fetch(outgoing)
        except UpstreamError as error:
            if self._engine is not None and error.kind not in _NEVER_SENT:
                await self._engine.passed(incoming, found, 0)
            raise
        self._metrics.passed(status=response.status)
        return response

    async def _page(
        self, client: Client, incoming: ClientRequest, outgoing: Outgoing, found: Meaning, pages: Pages
    ) -> web.StreamResponse:
        asked = replace(outgoing, headers=pages.asked_plainly(outgoing.headers))
        response = await self._fetch(incoming, asked, found)
        try:
            if self._engine is not None:
                await self._engine.passed(incoming, found, response.status)
            payload, cookies = await pages.fill(incoming, response, _payload(response))
        except BaseException:
            await response.aclose()
            raise
        payload = replace(payload, headers=(*payload.headers, *cookies))
        return await client.relay(payload, ends=incoming.holds_back)


def _payload(response: Response) -> Payload:
    return Payload(
        status=response.status,
        headers=tuple(pair for pair in response.headers.items() if pair[0].lower() != "content-length"),
        body=response.chunks(),
        length_bytes=response.content_length,
        aclose=response.aclose,
        has_begun=response.has_begun,
    )


def _said_of_grafana(reply: Reply) -> Reply:
    return replace(reply, payload=of_grafana(reply.payload)) if isinstance(reply.payload, UpstreamError) else reply
