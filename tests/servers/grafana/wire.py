"""Answers as Go writes them, and handlers that know who asks."""

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web

from . import sessions
from .identity import authenticate
from .model import Caller
from .world import World

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
CallerHandler = Callable[[web.Request, Caller], Awaitable[web.StreamResponse]]

_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_ESCAPES = str.maketrans(_ESCAPED)

ROTATE_KEY: web.RequestKey[Any] = web.RequestKey("session to rotate", object)
"""The session that `signed_in` found, for the old way of rotation."""


def go_json(value: Any) -> str:
    """No spaces, and what would end a script escaped."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).translate(_ESCAPES)


def answer(value: Any, status: int = 200, *, cookies: Iterable[str] = (), newline: bool = False) -> web.Response:
    response = web.Response(status=status, body=(go_json(value) + "\n" * newline).encode())
    response.headers["Content-Type"] = "application/json"
    for cookie in cookies:
        response.headers.add("Set-Cookie", cookie)
    return response


def refusal(body: dict[str, Any], status: int, cookies: Iterable[str] = ()) -> web.Response:
    """As the middleware writes errors: another writer, another Content-Type, a newline."""
    response = answer(body, status, cookies=cookies, newline=True)
    response.headers["Content-Type"] = "application/json; charset=UTF-8"
    return response


def redirect(location: str, status: int = 302, cookies: Iterable[str] = ()) -> web.Response:
    """As Go's: a GET gets a line of HTML."""
    names = {301: "Moved Permanently", 302: "Found", 303: "See Other", 307: "Temporary Redirect"}
    text = f'<a href="{location}">{names[status]}</a>.\n\n'
    response = web.Response(status=status, text=text, content_type="text/html", headers={"Location": location})
    for cookie in cookies:
        response.headers.add("Set-Cookie", cookie)
    return response


def signed_in(world: World, handler: CallerHandler) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await handler(request, caller_of(world, request))

    return handle


def caller_of(world: World, request: web.Request) -> Caller:
    """Of a route for the signed-in: raises the failure that refuses the others."""
    caller = authenticate(world, request)
    if caller.session and world.flags.rotation == "old":
        request[ROTATE_KEY] = caller.session
    return caller


async def finish(world: World, request: web.Request, response: web.StreamResponse) -> None:
    """What every answer gets just before its head is written."""
    headers = response.headers
    headers.pop("Server", None)
    path = request.path.removeprefix(world.flags.sub_path)
    if path.startswith("/-/test/"):
        return
    if not path.startswith(("/api/datasources/proxy/", "/public/")):
        headers["Cache-Control"] = "no-store"
    if not path.startswith("/api/datasources/proxy/"):
        headers["X-Content-Type-Options"] = "nosniff"
        headers["X-Frame-Options"] = "deny"
        headers["X-Xss-Protection"] = "1; mode=block"
    session = request.get(ROTATE_KEY)
    if session is not None and sessions.needs_rotation(world, session):
        sessions.rotate(world, session)
        for cookie in sessions.cookies(world, session):
            headers.add("Set-Cookie", cookie)


async def json_body(request: web.Request) -> Any:
    """None where Grafana would say "bad request data": another Content-Type, or no JSON."""
    if request.content_type != "application/json":
        return None
    try:
        return json.loads(await request.read())
    except ValueError:
        return None
