"""What the small data sources of this directory have in common.

Each is a program that speaks as much of one source's HTTP API as Grafana uses: the routes, the shapes and the ways to
fail that its documentation names, over data that follow from the request alone. They stand for servers that cannot be
installed here; what each one assumes is in its docstring.

Every answer to a read contains, somewhere that its shape allows, how many requests the server had been sent by then.
So an answer that comes out of a cache equals an earlier one, and one that was fetched again does not.

A request whose path, query or body contains one of the source's special words (`make_error`, `make_partial`, …) is
answered in that bad way instead.
"""

import argparse
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote_plus

import orjson
from aiohttp import web
from aiohttp.typedefs import Middleware
from multidict import CIMultiDictProxy

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A request as it arrived; `target` is the raw path with its query, `body` without its content coding."""

    method: str
    target: str
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@dataclass(slots=True)
class Recorder:
    requests: list[Recorded] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.requests)

    def asked(self, path: str) -> int:
        """How often a raw path was asked for, whatever the query."""
        return sum(request.path == path for request in self.requests)


RECORDER = web.AppKey("recorder", Recorder)


def application(routes: Mapping[str, Handler], special: Mapping[str, Handler] | None = None) -> web.Application:
    """A server for `routes`: "GET,POST /path/{name}" to its handler; `special` maps words to handlers."""
    app = web.Application(middlewares=[_record(special or {})], client_max_size=1 << 24)
    app[RECORDER] = Recorder()
    for route, handler in routes.items():
        methods, _, path = route.partition(" ")
        for method in methods.split(","):
            app.router.add_route(method, path, handler)
    return app


def _record(special: Mapping[str, Handler]) -> Middleware:
    @web.middleware
    async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
        body = await request.read()
        request.app[RECORDER].requests.append(
            Recorded(method=request.method, target=request.raw_path, headers=request.headers, body=body)
        )
        said = unquote_plus(request.raw_path) + unquote_plus(body.decode("utf-8", "replace"))
        chosen = next((bad for word, bad in special.items() if word in said), handler)
        answer = await chosen(request)
        if isinstance(answer, web.Response) and "gzip" in request.headers.get("Accept-Encoding", ""):
            answer.enable_compression(web.ContentCoding.gzip)
        return answer

    return record


def count(request: web.Request) -> int:
    """How many requests this server has been sent, this one included."""
    return request.app[RECORDER].count


async def params(request: web.Request) -> dict[str, str]:
    """URL and form parameters; the form's value counts, as in Go's FormValue."""
    found = dict(request.query)
    if request.content_type == "application/x-www-form-urlencoded":
        found.update(parse_qsl((await request.read()).decode(), keep_blank_values=True))
    return found


def number(*parts: object) -> int:
    """A number from 0 to 999 that follows from the parts."""
    return zlib.crc32(repr(parts).encode()) % 1000


def json_answer(body: object, status: int = 200, content_type: str = "application/json") -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type=content_type)


def text_answer(text: str, status: int = 200, content_type: str = "text/plain") -> web.Response:
    return web.Response(text=text, status=status, content_type=content_type)


def always(make: Callable[[], web.Response]) -> Handler:
    """A handler that does not look at the request."""

    async def handler(request: web.Request) -> web.Response:
        return make()

    return handler


async def broken_off(request: web.Request) -> web.StreamResponse:
    """A 200 whose chunked body ends without its last chunk."""
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write(b'{"status":"succ')
    if request.transport is not None:
        request.transport.abort()
    return response


def serve(make: Callable[[], web.Application], default_port: int) -> None:
    """The program: `--host`, `--port` (0: any free one)."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=default_port)
    options = parser.parse_args()
    web.run_app(make(), host=options.host, port=options.port)
