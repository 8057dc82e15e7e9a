"""What else may pass through a proxy, below /odd: an echo, long and endless bodies, cookies, redirects, cut connections."""

import asyncio
import base64
import hashlib

from aiohttp import web

from .world import World

_BLOCK = b"".join(hashlib.sha256(bytes([number])).digest() for number in range(256)) * 8  # 64 KiB, the same everywhere

COOKIES = (
    "plain=1",
    "all=2; Path=/odd; Domain=localhost; Expires=Wed, 25 Nov 2099 08:00:00 GMT; Max-Age=9; Secure; HttpOnly; SameSite=None",
    "strict=a%2Cb; Path=/; SameSite=Strict; Partitioned; Priority=High",
    'quoted="x y"; path=/; httponly',
    "empty=; Max-Age=0",
)


def routes(world: World, prefix: str) -> list[web.RouteDef]:
    async def echo(request: web.Request) -> web.StreamResponse:
        return web.json_response(
            {
                "method": request.method,
                "target": request.raw_path,
                "version": f"{request.version.major}.{request.version.minor}",
                "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.raw_headers],
                "body": base64.b64encode(await request.read()).decode(),
                "peer": request.remote,
            }
        )

    async def download(request: web.Request) -> web.StreamResponse:
        """`bytes` of a pattern, never all of them in memory; with `length=no` in chunks."""
        left = int(request.query["bytes"])
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        if request.query.get("length") != "no":
            response.content_length = left
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        while left > 0:
            await response.write(_BLOCK[:left])
            left -= len(_BLOCK)
        await response.write_eof()
        return response

    async def upload(request: web.Request) -> web.StreamResponse:
        digest, count = hashlib.sha256(), 0
        async for part in request.content.iter_any():
            digest.update(part)
            count += len(part)
        chunked = "chunked" in request.headers.get("Transfer-Encoding", "")
        return web.json_response({"bytes": count, "sha256": digest.hexdigest(), "chunked": chunked})

    async def mirror(request: web.Request) -> web.StreamResponse:
        """Sends back what comes while it comes."""
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        await response.prepare(request)
        async for part in request.content.iter_any():
            await response.write(part)
        await response.write_eof()
        return response

    async def events(request: web.Request) -> web.StreamResponse:
        """`count` server-sent events; before each but the first it waits for the gate `event-<number>`."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        await response.prepare(request)
        for number in range(int(request.query.get("count", "3"))):
            async with world.behind(f"event-{number}"):
                await response.write(f"id: {number}\nevent: tick\ndata: {number}\n\n".encode())
        await response.write_eof()
        return response

    async def poll(request: web.Request) -> web.StreamResponse:
        async with world.behind(request.query["gate"]):
            return web.json_response({"polled": True})

    async def redirected(request: web.Request) -> web.StreamResponse:
        return web.Response(status=int(request.query["status"]), headers={"Location": request.query["to"]})

    async def cookies(_: web.Request) -> web.StreamResponse:
        response = web.Response(text="cookies")
        for line in COOKIES:
            response.headers.add("Set-Cookie", line)
        return response

    async def headers(_: web.Request) -> web.StreamResponse:
        response = web.Response(text="headers")
        for name, value in (("x-lower", "1"), ("X-UPPER", "2"), ("X-Twice", "b"), ("X-Twice", "a"), ("X-Empty", "")):
            response.headers.add(name, value)
        response.headers["Link"] = "</a>; rel=preload, </b>; rel=preload"
        return response

    async def status(request: web.Request) -> web.StreamResponse:
        number = int(request.match_info["number"])
        body = None if number in (204, 304) else f"status {number}".encode()
        return web.Response(status=number, body=body, headers={"ETag": '"odd"'})

    async def cut(request: web.Request) -> web.StreamResponse:
        """Promises 1,000 bytes, sends 100 and hangs up."""
        response = web.StreamResponse()
        response.content_length = 1000
        await response.prepare(request)
        await response.write(b"x" * 100)
        await asyncio.sleep(0)
        assert request.transport is not None
        request.transport.close()
        return response

    root = f"{prefix}/odd"
    return [
        web.route("*", f"{root}/echo{{rest:.*}}", echo),
        web.get(f"{root}/download", download),
        web.post(f"{root}/upload", upload),
        web.put(f"{root}/upload", upload),
        web.post(f"{root}/mirror", mirror),
        web.get(f"{root}/events", events),
        web.get(f"{root}/poll", poll),
        web.get(f"{root}/redirect", redirected),
        web.post(f"{root}/redirect", redirected),
        web.get(f"{root}/cookies", cookies),
        web.get(f"{root}/headers", headers),
        web.get(f"{root}/status/{{number}}", status),
        web.get(f"{root}/cut", cut),
    ]
