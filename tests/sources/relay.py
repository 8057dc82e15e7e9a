"""A real server, with a note taken of each request that reaches it: request and answer are passed on as they are."""

import aiohttp
from aiohttp import web
from yarl import URL

from .recorder import application

_HOP_BY_HOP = frozenset("connection keep-alive transfer-encoding content-length".split())
_NOT_OURS_TO_ADD = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


def make(url: str) -> web.Application:
    async def forward(request: web.Request) -> web.StreamResponse:
        async with (
            aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=_NOT_OURS_TO_ADD) as session,
            session.request(
                request.method,
                URL(url + request.raw_path, encoded=True),
                headers=request.headers,
                data=await request.read() or None,
                allow_redirects=False,
            ) as answer,
        ):
            body = await answer.read()
            headers = [pair for pair in answer.headers.items() if pair[0].lower() not in _HOP_BY_HOP]
            response = web.StreamResponse(status=answer.status, headers=headers)
            if answer.status != 204:
                response.content_length = len(body)
            await response.prepare(request)
            if request.method != "HEAD":
                await response.write(body)
            await response.write_eof()
            return response

    return application({"* /{any:.*}": forward})
