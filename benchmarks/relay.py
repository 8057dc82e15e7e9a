"""Stands between Millpond and a source, and counts the points that the source sends.

    python -m benchmarks.relay PORT SOURCE_PORT

`GET /points` tells how many so far. A point is `[time,"value"]`; our labels end no string before a `]`.
"""

import gzip
import sys
from collections.abc import AsyncIterator

from aiohttp import ClientSession, web
from yarl import URL

_END_OF_POINT = b'"]'


class Count:
    def __init__(self) -> None:
        self.points = 0


_COUNT = web.AppKey("count", Count)
_SESSION = web.AppKey("session", ClientSession)
_PASSED = ("Content-Type", "Content-Encoding")


async def _tell(request: web.Request) -> web.Response:
    return web.Response(text=str(request.app[_COUNT].points))


async def _pass(request: web.Request) -> web.Response:
    url = URL(f"http://127.0.0.1:{sys.argv[2]}{request.raw_path}", encoded=True)
    headers = {name: value for name, value in request.headers.items() if name in ("Accept-Encoding", "Content-Type")}
    async with request.app[_SESSION].request(
        request.method, url, headers=headers, data=await request.read() or None
    ) as response:
        body = await response.read()
        text = gzip.decompress(body) if response.headers.get("Content-Encoding") == "gzip" else body
        request.app[_COUNT].points += text.count(_END_OF_POINT)
        kept = {name: response.headers[name] for name in _PASSED if name in response.headers}
        return web.Response(status=response.status, body=body, headers=kept)


def main() -> None:
    app = web.Application(client_max_size=1 << 24)
    app[_COUNT] = Count()
    app.router.add_get("/points", _tell)
    app.router.add_route("*", "/{path:.*}", _pass)

    async def session(app: web.Application) -> AsyncIterator[None]:
        async with ClientSession(auto_decompress=False) as app[_SESSION]:
            yield

    app.cleanup_ctx.append(session)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=lambda *_: None)


if __name__ == "__main__":
    main()
