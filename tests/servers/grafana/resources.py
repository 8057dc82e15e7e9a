"""What plugins answer besides queries. An answer says who asked what, and which call it was.

Paths for the tests: `status/<n>`, `text` (a text/plain), `cookie` (a plugin that sets one), `chunks` (in three parts).
In the query string: `gate` waits for it, `kilobytes` pads.
"""

import asyncio
from typing import Any

from aiohttp import web

from .cookie_header import kept
from .datasources_api import find
from .errors import Failure, failure
from .model import Caller, DataSource
from .permissions import QUERY, holds, require
from .query_api import namespace_org, status_object
from .wire import caller_of, go_json, signed_in
from .world import World


def routes(world: World, prefix: str) -> list[web.RouteDef]:
    async def call(request: web.Request, caller: Caller) -> web.StreamResponse:
        require(world, caller, QUERY)
        source = find(world, caller.org_id, request)
        if world.flags.edition != "legacy" and not holds(world, caller, QUERY, source):
            raise failure(403, "Access denied to datasource")
        return await _called(world, request, caller, source)

    async def call_service(request: web.Request) -> web.StreamResponse:
        try:
            caller = caller_of(world, request)
            source = world.source(caller.org_id, uid=request.match_info["uid"])
            if namespace_org(request.match_info["namespace"]) != caller.org_id or not holds(
                world, caller, QUERY, source
            ):
                raise failure(403, "datasources is forbidden")
            if source is None or source.type != request.match_info["type"]:
                raise failure(404, f"datasource {request.match_info['uid']!r} not found")
        except Failure as error:
            return status_object(error)
        return await _called(world, request, caller, source)

    root = f"{prefix}/api/datasources"
    service = f"{prefix}/apis/{{type}}.datasource.grafana.app/v0alpha1/namespaces/{{namespace}}/datasources/{{uid}}"
    paths = [
        (f"{root}/uid/{{uid}}/resources", signed_in(world, call)),
        (f"{root}/{{id:[0-9]+}}/resources", signed_in(world, call)),
        (f"{service}/resources", call_service),
    ]
    return [web.route("*", path + rest, handler) for path, handler in paths for rest in ("", "/{path:.*}")]


async def _called(world: World, request: web.Request, caller: Caller, source: DataSource) -> web.StreamResponse:
    path = request.match_info.get("path", "")
    key = f"{source.org_id}/{source.uid}/{path}"
    world.resources[key] += 1
    told = {
        "call": world.resources[key],
        "org": caller.org_id,
        "user": caller.login or caller.kind,
        "uid": source.uid,
        "version": source.version,
        "method": request.method,
        "path": path,
        "query": request.rel_url.raw_query_string,
        "body": (await request.read()).decode(),
        "accept": request.headers.get("Accept", ""),
        "cookies": kept(request, source.json_data.get("keepCookies") or []),
        "pad": "x" * (1024 * int(request.query.get("kilobytes", "0"))),
    }
    async with world.behind(request.query.get("gate", "")):
        return await _answer(request, path, told)


async def _answer(request: web.Request, path: str, told: dict[str, Any]) -> web.StreamResponse:
    first, _, rest = path.partition("/")
    body = go_json(told).encode()
    sandboxed = {"Content-Security-Policy": "sandbox", "Content-Type": "application/json"}
    match first:
        case "status":
            return web.Response(status=int(rest), body=body, headers=sandboxed)
        case "text":
            return web.Response(body=body, headers=sandboxed | {"Content-Type": "text/plain; charset=utf-8"})
        case "cookie":
            plugins = {"X-Plugin": "1", "Cache-Control": "max-age=60", "Set-Cookie": "plugin=1"}
            passed_on = {name: value for name, value in plugins.items() if name != "Set-Cookie"}
            return web.Response(body=body, headers=sandboxed | passed_on)
        case "chunks":
            response = web.StreamResponse(headers=sandboxed)
            await response.prepare(request)
            third = len(body) // 3
            for part in (body[:third], body[third : 2 * third], body[2 * third :]):
                await response.write(part)
                await asyncio.sleep(0)
            await response.write_eof()
            return response
    return web.Response(body=body, headers=sandboxed)
