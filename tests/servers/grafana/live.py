"""/api/live/ws: a WebSocket for the signed-in and the anonymous, of this host's own pages. It echoes."""

from aiohttp import WSMsgType, web
from yarl import URL

from .model import Caller
from .wire import signed_in
from .world import World


def routes(world: World, prefix: str) -> list[web.RouteDef]:
    async def connect(request: web.Request, caller: Caller) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if origin and URL(origin).authority != URL(f"http://{request.host}").authority:
            return web.Response(status=403, text="Forbidden\n")
        socket = web.WebSocketResponse(protocols=("centrifuge-json",), max_msg_size=0)
        await socket.prepare(request)
        await socket.send_json({"user": caller.login or caller.kind, "org": caller.org_id})
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                if message.data == "close":
                    await socket.close(code=4000, message=b"as asked")
                else:
                    await socket.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        return socket

    return [web.get(f"{prefix}/api/live/ws", signed_in(world, connect))]
