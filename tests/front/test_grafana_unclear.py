"""Where Grafana does not say, clearly and in time, who asks and what they may, there is no hit."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from proxy.config.schema import Duration, LongTimeouts
from tests.servers.grafana.server import basic

from . import calls
from .stand import PERMISSION_SECONDS, Handler, Stand, standing
from .steps import ADMIN, deny, is_as_grafanas, is_hit


async def _drop(request: web.Request, _: Handler) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    raise ConnectionResetError


def _says(
    status: int, body: str, content_type: str = "application/json"
) -> Callable[..., Awaitable[web.StreamResponse]]:
    async def say(_: web.Request, __: Handler) -> web.StreamResponse:
        return web.Response(status=status, text=body, content_type=content_type)

    return say


UNCLEAR = {
    "500": _says(500, '{"message":"boom"}'),
    "502 of a proxy": _says(502, "<html>Bad gateway</html>", "text/html"),
    "404 of a proxy": _says(404, "<html>Not found</html>", "text/html"),
    "404": _says(404, '{"message":"Not found"}'),
    "429": _says(429, "{}"),
    "401": _says(401, '{"message":"Unauthorized"}'),
    "redirect": _says(302, ""),
    "a page": _says(200, "<html>log in</html>", "text/html"),
    "nothing": _says(200, ""),
    "a list": _says(200, "[]"),
    "another shape": _says(200, '{"datasources:query":"datasources:*","id":"1"}'),
    "breaks off": _drop,
}
ASKED_OF_GRAFANA = ("/api/org", "/api/access-control/user/permissions")


@pytest.mark.parametrize("path", ASKED_OF_GRAFANA)
@pytest.mark.parametrize("fault", UNCLEAR.values(), ids=UNCLEAR)
async def test_where_grafana_does_not_say_who_asks_there_is_no_hit(
    tmp_path: Path, path: str, fault: Callable[..., Awaitable[web.StreamResponse]]
) -> None:
    async with standing(tmp_path) as stand:
        await is_hit(stand, basic("viewer"))
        stand.turn(PERMISSION_SECONDS)
        stand.faults[path] = fault
        assert (await is_as_grafanas(stand, basic("viewer"))).status == 200


async def test_where_grafana_is_slow_to_say_who_asks_there_is_no_hit(tmp_path: Path) -> None:
    async with patient(tmp_path) as stand:
        await is_hit(stand, basic("viewer"))
        stand.turn(PERMISSION_SECONDS)

        async def never(request: web.Request, handler: Handler) -> web.StreamResponse:
            async with stand.world.behind("never"):
                return await handler(request)

        stand.world.close_gate("never")
        stand.faults["/api/access-control/user/permissions"] = never
        try:
            assert (await stand.ask(calls.asked("prom"), basic("viewer"))).x_cache == "BYPASS"
        finally:
            stand.world.open_gate("never")


async def test_where_grafana_is_down_there_is_no_hit(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        await is_hit(stand, basic("viewer"))
        stand.turn(PERMISSION_SECONDS)
        for path in (*ASKED_OF_GRAFANA, "/api/ds/query"):
            stand.faults[path] = _drop
        answer = await stand.ask(calls.asked("prom"), basic("viewer"))
        assert (answer.status, answer.x_cache) == (502, "BYPASS")


@pytest.mark.parametrize("fault", UNCLEAR.values(), ids=UNCLEAR)
async def test_where_grafana_does_not_say_what_may_be_queried_nobody_who_may_not_gets_a_hit(
    tmp_path: Path, fault: Callable[..., Awaitable[web.StreamResponse]]
) -> None:
    async with standing(tmp_path) as stand:
        deny(stand.world, "user:viewer")
        await stand.ask(calls.asked("prom"), ADMIN)
        stand.faults["/api/access-control/user/permissions"] = fault
        assert (await is_as_grafanas(stand, basic("viewer"))).status == 403


@asynccontextmanager
async def patient(data_dir: Path) -> AsyncIterator[Stand]:
    """It waits a quarter of a second for what Grafana says."""
    async with standing(data_dir, timeouts=LongTimeouts(total_ms=Duration(250))) as stand:
        yield stand
