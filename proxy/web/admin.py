"""The admin listener: the Caching API, its document, health and metrics."""

from collections.abc import Iterable

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from ..errors import MillpondError
from . import framing
from .errors import answer, json_errors
from .guard import SERVER
from .openapi import document


@web.middleware
async def as_on_the_data_listener(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The same requests are no requests here, and the answers say no more about what runs."""
    response: web.StreamResponse
    try:
        framing.check_any_method(request)
    except MillpondError as error:
        response = answer(error)
        response.force_close()
    else:
        response = await handler(request)
    response.headers[hdrs.SERVER] = SERVER
    return response


def application(routes: Iterable[web.RouteDef]) -> web.Application:
    app = web.Application(middlewares=[as_on_the_data_listener, json_errors])
    app.add_routes(routes)
    openapi = document()

    async def serve_openapi(request: web.Request) -> web.Response:
        return web.json_response(openapi)

    app.router.add_get("/openapi.json", serve_openapi)
    return app
