"""WebSockets pass through: Loki's live tail and whatever else a source speaks over them."""

import asyncio
from contextlib import suppress

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from ..core.headers import pass_headers
from ..core.model import Pairs
from ..engine.source import SourceRuntime
from ..upstream.client import Outgoing
from .incoming import ClientRequest

_HANDSHAKE = frozenset(
    ("sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions", "sec-websocket-protocol")
)
_MAX_MESSAGE_BYTES = 16 * 1024 * 1024
_NEVER_SENT = frozenset((1005, 1006, 1015))
"""Codes that say how a connection ended without one (RFC 6455 §7.4.1)."""

Side = aiohttp.ClientWebSocketResponse | web.WebSocketResponse


async def bridge(
    request: web.BaseRequest, source: SourceRuntime, incoming: ClientRequest, draining: asyncio.Event
) -> web.StreamResponse:
    """Join the client to the source until one of them closes, or this process is `draining`. Raises UpstreamError; a
    refused handshake is relayed.
    """
    offered = tuple(
        token.strip() for value in request.headers.getall("Sec-WebSocket-Protocol", ()) for token in value.split(",")
    )
    target = f"{incoming.path}?{incoming.query}" if incoming.query else incoming.path
    outgoing = Outgoing(method="GET", target=target, headers=_headers(request, source), read_only=False)
    try:
        upstream = await source.upstream.websocket(outgoing, offered, _MAX_MESSAGE_BYTES)
    except aiohttp.WSServerHandshakeError as error:
        headers = CIMultiDict({"X-Cache": "BYPASS"})
        return web.Response(status=error.status if error.status >= 400 else 502, headers=headers)
    async with upstream:
        chosen = (upstream.protocol,) if upstream.protocol else ()
        client = web.WebSocketResponse(
            protocols=chosen, autoping=False, max_msg_size=_MAX_MESSAGE_BYTES, timeout=10.0, compress=False
        )
        await client.prepare(request)
        await _join(client, upstream, draining)
        return client


async def _join(
    client: web.WebSocketResponse, upstream: aiohttp.ClientWebSocketResponse, draining: asyncio.Event
) -> None:
    """When either side ends, so does the other, with the same code."""
    ends = {
        asyncio.ensure_future(_pump(client, upstream)),
        asyncio.ensure_future(_pump(upstream, client)),
        asyncio.ensure_future(draining.wait()),
    }
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
    code = client.close_code or upstream.close_code or aiohttp.WSCloseCode.GOING_AWAY
    if code in _NEVER_SENT:
        code = aiohttp.WSCloseCode.GOING_AWAY
    for side in (client, upstream):
        with suppress(ConnectionError, RuntimeError):
            await side.close(code=code)


async def _pump(reader: Side, writer: Side) -> None:
    async for message in reader:
        match message.type:
            case aiohttp.WSMsgType.TEXT:
                await writer.send_str(message.data)
            case aiohttp.WSMsgType.BINARY:
                await writer.send_bytes(message.data)
            case aiohttp.WSMsgType.PING:
                await writer.ping(message.data)
            case aiohttp.WSMsgType.PONG:
                await writer.pong(message.data)
            case _:
                return


def _headers(request: web.BaseRequest, source: SourceRuntime) -> Pairs:
    kept = pass_headers(request.headers, source.rules)
    return tuple(pair for pair in kept if pair[0].lower() not in _HANDSHAKE)
