"""Health, readiness, reload and metrics, on the admin listener. Liveness depends on nothing but the event loop."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum

from aiohttp import web

from ..config.schema import Action
from ..telemetry.metrics import Metrics
from .access import Access

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


class Phase(StrEnum):
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


class Readiness:
    """Where the process is in its life. `degraded` names what fails while users are still served."""

    def __init__(self, degraded: Callable[[], list[str]]) -> None:
        self.phase = Phase.STARTING
        self._degraded = degraded

    def describe(self) -> dict[str, object]:
        failing = self._degraded()
        return {"status": self.phase, "degraded": bool(failing), "failing": failing}


def routes(
    *, readiness: Readiness, metrics: Metrics, access: Access, reload: Callable[[], Awaitable[None]]
) -> list[web.RouteDef]:
    """`reload` raises MillpondError when the old configuration stays."""

    async def healthy(request: web.Request) -> web.Response:
        return web.json_response({"status": "healthy"})

    async def ready(request: web.Request) -> web.Response:
        status = 200 if readiness.phase is Phase.READY else 503
        return web.json_response(readiness.describe(), status=status)

    async def reloaded(request: web.Request) -> web.Response:
        access.caller(request).require(Action.WRITE, None)
        await reload()
        return web.json_response({"message": "Configuration reloaded"})

    async def exposed(request: web.Request) -> web.Response:
        body = await asyncio.to_thread(metrics.exposition)  # it reads files below /proc
        return web.Response(body=body, headers={"Content-Type": EXPOSITION})

    return [
        web.get("/-/healthy", healthy),
        web.get("/-/ready", ready),
        web.post("/-/reload", reloaded),
        web.get("/metrics", exposed),
    ]
