"""/api/datasources/proxy: really forwards to the source's URL, with the changes that Grafana makes to both messages."""

import re
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from .cookie_header import kept
from .datasources_api import find
from .errors import failure
from .model import Caller, DataSource
from .permissions import QUERY, holds, require
from .wire import signed_in
from .world import World

_SESSION: web.AppKey[aiohttp.ClientSession] = web.AppKey("data proxy", aiohttp.ClientSession)

_TAIL = re.compile(r"/api/datasources/proxy/(?:uid/)?[^/?]+/?")
_HOP_BY_HOP = ("Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade")
_NOT_FORWARDED = (
    *("Host", "Cookie", "Authorization", "Origin", "Referer", "User-Agent", "Content-Length"),
    *("X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Grafana-Org-Id", "X-Grafana-Device-Id"),
)
_PROMETHEUS_POSTS = ("api/v1/query", "api/v1/query_range", "api/v1/series", "api/v1/labels", "api/v1/query_exemplars")


async def client(app: web.Application) -> AsyncIterator[None]:
    async with aiohttp.ClientSession(auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()) as session:
        app[_SESSION] = session
        yield


def routes(world: World, prefix: str) -> list[web.RouteDef]:
    async def forward(request: web.Request, caller: Caller) -> web.StreamResponse:
        require(world, caller, QUERY)
        source = find(world, caller.org_id, request)
        if world.flags.edition != "legacy" and not holds(world, caller, QUERY, source):
            raise failure(403, "Access denied to datasource")
        match = _TAIL.search(request.raw_path)
        tail = request.raw_path[match.end() :] if match else ""
        _refuse_unknown(request.method, tail.partition("?")[0], source)
        world.proxied[f"{source.org_id}/{source.uid}"] += 1
        return await _forwarded(request, caller, source, tail)

    root = f"{prefix}/api/datasources/proxy"
    return [
        web.route("*", path + rest, signed_in(world, forward))
        for path in (f"{root}/uid/{{uid}}", f"{root}/{{id:[0-9]+}}")
        for rest in ("", "/{path:.*}")
    ]


def _refuse_unknown(method: str, path: str, source: DataSource) -> None:
    if source.type != "prometheus" or method not in ("POST", "PUT", "DELETE"):
        return
    if not (method == "POST" and path.startswith(_PROMETHEUS_POSTS)):
        raise failure(403, f"non allow-listed {method}s not allowed on proxied Prometheus datasource")


async def _forwarded(request: web.Request, caller: Caller, source: DataSource, tail: str) -> web.StreamResponse:
    target = URL(f"{source.url.rstrip('/')}/{tail}", encoded=True)
    try:
        async with request.app[_SESSION].request(
            request.method,
            target,
            headers=_request_headers(request, caller, source),
            data=request.content if request.body_exists else None,
            allow_redirects=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type"),
        ) as answer:
            if answer.status == 401:
                return web.Response(status=400, text="Authentication to data source failed")
            response = web.StreamResponse(status=answer.status, headers=_answer_headers(answer))
            await response.prepare(request)
            async for part in answer.content.iter_any():
                await response.write(part)
            await response.write_eof()
            return response
    except aiohttp.ClientConnectorError:
        return web.Response(status=502)


def _request_headers(request: web.Request, caller: Caller, source: DataSource) -> CIMultiDict[str]:
    headers = CIMultiDict(request.headers)
    for name in (*_HOP_BY_HOP, *_NOT_FORWARDED):
        headers.popall(name, None)
    headers["User-Agent"] = "Grafana/13.0.1"
    headers["X-Grafana-Referer"] = request.headers.get("Referer", "")
    before = request.headers.get("X-Forwarded-For")
    headers["X-Forwarded-For"] = f"{before}, {request.remote}" if before else str(request.remote)
    if cookies := kept(request, source.json_data.get("keepCookies") or []):
        headers["Cookie"] = cookies
    if source.json_data.get("oauthPassThru"):
        headers["Authorization"] = f"Bearer oauth-of-{caller.login}"
    if request.body_exists and (length := request.headers.get("Content-Length")):
        headers["Content-Length"] = length
    return headers


def _answer_headers(answer: aiohttp.ClientResponse) -> CIMultiDict[str]:
    headers = CIMultiDict(answer.headers)
    for name in (*_HOP_BY_HOP, "Set-Cookie"):
        headers.popall(name, None)
    headers["Content-Security-Policy"] = "sandbox"
    return headers
