"""The program: its routes, and what happens around each of them."""

import argparse
from collections.abc import Sequence
from urllib.parse import quote

from aiohttp import web
from yarl import URL

from . import (
    control,
    data_proxy,
    datasources_api,
    live,
    oddities,
    pages,
    public_dashboards,
    query_api,
    resources,
    sessions,
    users_api,
)
from .cookie_header import cookie
from .defaults import default_world
from .errors import Failure
from .identity import authenticate
from .model import Flags
from .wire import Handler, answer, finish, redirect, refusal
from .world import World

_MODULES = (users_api, query_api, resources, data_proxy, datasources_api, public_dashboards, pages, live, oddities)
_MAX_BODY_BYTES = 2**31


def application(world: World) -> web.Application:
    prefix = world.flags.own_path

    @web.middleware
    async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/-/test/"):
            return await handler(request)
        world.requests.append(
            {
                "method": request.method,
                "target": request.raw_path,
                "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.raw_headers],
            }
        )
        if not request.path.startswith(prefix):
            return redirect(f"{world.root_url}/{request.raw_path.removeprefix('/')}", 301)
        if refused := _cross_site(request):
            return refused
        if switched := _switched_org(world, request):
            return switched
        if status := world.canned.get(f"{request.method} {request.path}"):
            return answer({}, status)
        try:
            return await handler(request)
        except Failure as error:
            return _refused(world, request, error)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
            return _not_found(world, request)

    app = web.Application(middlewares=[around], client_max_size=_MAX_BODY_BYTES)
    app.add_routes(control.routes(world))
    for module in _MODULES:
        app.add_routes(module.routes(world, prefix))

    async def before_head(request: web.Request, response: web.StreamResponse) -> None:
        await finish(world, request, response)

    app.on_response_prepare.append(before_head)
    app.cleanup_ctx.append(data_proxy.client)
    return app


def _is_api(request: web.Request, prefix: str) -> bool:
    return request.path.removeprefix(prefix).startswith("/api")


def _refused(world: World, request: web.Request, error: Failure) -> web.StreamResponse:
    """Who opens a page is sent to where it can be had."""
    prefix = world.flags.sub_path
    if error.status != 401 or _is_api(request, prefix) or request.method != "GET":
        return refusal(error.body, error.status, error.cookies)
    back = quote(prefix + request.raw_path.removeprefix(prefix), safe="")
    cookie = f"redirect_to={back}; Path={prefix or '/'}; HttpOnly; SameSite=Lax"
    if error.body.get("messageId") == "session.token.rotate":
        target = quote(request.raw_path.removeprefix(prefix), safe="")
        return redirect(f"{prefix}/user/auth-tokens/rotate?redirectTo={target}", cookies=(cookie,))
    return redirect(f"{prefix}/login", cookies=(cookie,))


def _not_found(world: World, request: web.Request) -> web.Response:
    if _is_api(request, world.flags.sub_path):
        return refusal({"message": "Not found"}, 404)
    return web.Response(status=404, text="<!doctype html>\n<title>Page not found</title>\n", content_type="text/html")


def _cross_site(request: web.Request) -> web.Response | None:
    """The host of `Origin` is that of `Host`, ports aside, where a login cookie comes with what may change something."""
    origin = request.headers.get("Origin")
    if request.method in ("HEAD", "OPTIONS", "TRACE") or not origin or not cookie(request, sessions.COOKIE):
        return None
    if URL(origin).host == URL(f"http://{request.host}").host:
        return None
    return web.Response(status=403, text="origin not allowed\n", headers={"X-Content-Type-Options": "nosniff"})


def _switched_org(world: World, request: web.Request) -> web.Response | None:
    """`?orgId=` of another org makes that one the user's, and asks again."""
    wanted = request.query.get("orgId", "")
    if not wanted.isdigit() or int(wanted) == 0:
        return None
    try:
        caller = authenticate(world, request)
    except Failure:
        return None
    if caller.kind == "anonymous" or caller.org_id == int(wanted):
        return None
    user = world.users.get(caller.id)
    if user is None or int(wanted) not in user.roles:
        return _not_found(world, request)
    user.org_id = int(wanted)
    return redirect(request.raw_path)


def main(arguments: Sequence[str] | None = None) -> None:
    flags = Flags()
    parser = argparse.ArgumentParser(prog="python -m tests.servers.grafana")
    parser.add_argument("port", type=int)
    parser.add_argument("--edition", choices=("oss", "enterprise", "legacy"), default=flags.edition)
    parser.add_argument("--rotation", choices=("old", "new"), default=flags.rotation)
    parser.add_argument("--anonymous-org", type=int, default=flags.anonymous_org)
    parser.add_argument("--anonymous-role", default=flags.anonymous_role)
    parser.add_argument("--auth-proxy-header", default=flags.auth_proxy_header)
    parser.add_argument("--multi-status", action="store_true")
    parser.add_argument("--sub-path", default=flags.sub_path)
    parser.add_argument("--taken-away", action="store_true")
    parser.add_argument("--root-url", default=flags.root_url)
    given = vars(parser.parse_args(arguments))
    port = given.pop("port")
    world = default_world(Flags(**given), port)
    web.run_app(application(world), host="127.0.0.1", port=port, print=None, access_log=None)
