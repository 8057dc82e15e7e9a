"""The admin listener: the Caching API, its document, health and metrics."""

from collections.abc import Iterable

from aiohttp import web

from .errors import json_errors
from .openapi import document


def application(routes: Iterable[web.RouteDef]) -> web.Application:
    app = web.Application(middlewares=[json_errors])
    app.add_routes(routes)
    openapi = document()

    async def serve_openapi(request: web.Request) -> web.Response:
        return web.json_response(openapi)

    app.router.add_get("/openapi.json", serve_openapi)
    return app
