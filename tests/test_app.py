"""The application's life: reload, readiness, and the end."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from proxy.config.schema import Action, Auth, Caching, Config, Duration, Source, SourceCache, Tls, Token
from proxy.errors import ConfigError
from proxy.web.access import read_admin_token

from .engine.stack import SUCCESS, SlowSource
from .servers.application import Application, running
from .servers.process import free_port

RANGE = "/api/v1/query_range?query=up&start=1&end=2&step=1"


@pytest.fixture
async def slow() -> AsyncIterator[tuple[SlowSource, str]]:
    """A source, its gate open, and its URL."""
    source = SlowSource()
    source.gate.set()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", source.handle)
    async with TestServer(app) as server:
        yield source, str(server.make_url("")).rstrip("/")
        source.gate.set()


def config(*sources: Source) -> Config:
    return Config(datasources=sources)


def on(uid: str, url: str, **settings: Any) -> Source:
    return Source(uid=uid, url=url, cache=SourceCache(enabled=True), **settings)


async def status(app: Application, path: str) -> int:
    async with app.client.get(app.url + path) as response:
        await response.read()
        return response.status


async def test_a_reload_brings_and_takes_sources(slow: tuple[SlowSource, str], tmp_path: Path) -> None:
    _, url = slow
    async with running(config(on("a", url)), tmp_path) as app:
        assert [await status(app, f"/ds/{uid}{RANGE}") for uid in "ab"] == [200, 404]
        await app.reload(config(on("b", url)))
        assert [await status(app, f"/ds/{uid}{RANGE}") for uid in "ab"] == [404, 200]
        assert 'millpond_config_reloads_total{result="ok"} 1.0' in await app.metrics()


async def test_an_answer_on_its_way_survives_that_its_source_is_taken_out(
    slow: tuple[SlowSource, str], tmp_path: Path
) -> None:
    source, url = slow

    async def in_two_parts(request: web.Request, number: int) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one ")
        await second_part.wait()
        await response.write(b"two")
        return response

    second_part = asyncio.Event()
    source.respond = in_two_parts
    async with running(config(on("a", url)), tmp_path) as app, app.client.get(f"{app.url}/ds/a/stream") as streamed:
        source.gate.clear()
        waiting = asyncio.ensure_future(status(app, f"/ds/a{RANGE}"))
        await source.has(2)
        await app.reload(config(on("b", url)))
        source.gate.set()
        second_part.set()
        assert await streamed.read() == b"one two"
        assert await waiting == 200


async def test_a_reload_that_cannot_be_used_changes_nothing(slow: tuple[SlowSource, str], tmp_path: Path) -> None:
    _, url = slow
    no_certificate = tmp_path / "ca.pem"
    no_certificate.write_text("nonsense")
    async with running(config(on("a", url)), tmp_path / "data") as app:
        with pytest.raises(ConfigError, match=r"datasources\.a\.tls"):
            await app.reload(config(on("b", url), on("a", url, tls=Tls(ca_file=str(no_certificate)))))
        assert [await status(app, f"/ds/{uid}{RANGE}") for uid in "ab"] == [200, 404]
        assert "a" in app.app.book.snapshot.sources
        assert 'millpond_config_reloads_total{result="failed"} 1.0' in await app.metrics()


@pytest.mark.parametrize(
    ("key", "caching"),
    [("max_value_mb", Caching(max_value_mb=1)), ("read_timeout", Caching(read_timeout_ms=Duration(1)))],
)
async def test_a_reload_refuses_what_needs_a_restart(
    slow: tuple[SlowSource, str], tmp_path: Path, key: str, caching: Caching
) -> None:
    _, url = slow
    async with running(config(on("a", url)), tmp_path) as app:
        with pytest.raises(ConfigError, match=f"caching.{key}: changes only with a restart"):
            await app.reload(Config(datasources=(on("b", url),), caching=caching))
        assert await status(app, f"/ds/a{RANGE}") == 200


async def test_a_reload_that_takes_the_last_token_out_brings_the_generated_one(tmp_path: Path) -> None:
    everything = {action.value: ["datasources:*"] for action in Action}
    token = Token(name="one", sha256=hashlib.sha256(b"secret").hexdigest(), permissions=everything)
    sources = (on("a", "http://127.0.0.1:9"),)

    async def allowed(token: str | None) -> bool:
        headers = {"Authorization": f"Bearer {token}"}
        async with app.client.get(f"{app.admin_url}/api/datasources/a/cache", headers=headers) as response:
            return response.status == 200

    async with running(Config(datasources=sources, auth=Auth(tokens=(token,))), tmp_path) as app:
        assert await asyncio.to_thread(read_admin_token, tmp_path) is None
        await app.reload(Config(datasources=sources))
        assert [await allowed("secret"), await allowed(await asyncio.to_thread(read_admin_token, tmp_path))] == [
            False,
            True,
        ]
        await app.reload(Config(datasources=sources, auth=Auth(tokens=(token,))))
        assert [await allowed("secret"), await allowed(await asyncio.to_thread(read_admin_token, tmp_path))] == [
            True,
            False,
        ]


async def test_a_source_answers_to_its_uid_first_and_then_to_its_id(
    slow: tuple[SlowSource, str], tmp_path: Path
) -> None:
    source, url = slow
    async with running(config(on("a", f"{url}/one"), on("1", f"{url}/two")), tmp_path) as app:
        assert {uid: it.id for uid, it in app.app.book.snapshot.sources.items()} == {"a": 1, "1": 2}
        for segment in ("a", "1", "2", "3", "01"):
            await status(app, f"/ds/{segment}/x")
        assert [request.raw_path for request in source.requests] == ["/one/x", "/two/x", "/two/x"]


async def test_ready_names_a_source_that_is_down_until_it_answers_again(tmp_path: Path) -> None:
    port = free_port()
    async with running(config(on("a", f"http://127.0.0.1:{port}")), tmp_path) as app:

        async def ready() -> tuple[int, bool, list[str]]:
            async with app.client.get(f"{app.admin_url}/-/ready") as response:
                said = await response.json()
                return response.status, said["degraded"], said["failing"]

        assert await ready() == (200, False, [])
        async with app.client.get(app.url + "/ds/a" + RANGE) as response:
            assert response.status == 502
            assert response.headers["X-Cache"] == "MISS"
            assert response.headers["Cache-Status"] == "millpond; fwd=uri-miss; detail=connect"
            assert await response.json() == {
                "message": "Data source a failed: it refuses the connection.",
                "dataSourceUID": "a",
            }
        assert await ready() == (200, True, ["datasource a"])
        back = web.Application()
        back.router.add_get("/{path:.*}", answer)
        async with TestServer(back, port=port):
            assert await status(app, f"/ds/a{RANGE}") == 200
            assert await ready() == (200, False, [])


async def answer(request: web.Request) -> web.Response:
    return web.Response(body=SUCCESS, content_type="application/json")


async def test_a_broken_request_to_the_admin_listener_is_answered_in_json_and_leaves_no_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(config(), tmp_path) as app:
        host, _, port = app.admin_url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret\x00\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        assert head.split()[1] == b"400"
        assert b"\r\nContent-Type: application/json" in head
        assert b'"message"' in body
        assert "secret" not in caplog.text


async def test_draining_closes_websockets(tmp_path: Path) -> None:
    async def tail(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for _ in socket:
            pass
        return socket

    live = web.Application()
    live.router.add_get("/tail", tail)
    async with (
        TestServer(live) as server,
        running(config(on("a", str(server.make_url("")).rstrip("/"))), tmp_path) as app,
        app.client.ws_connect(f"{app.url}/ds/a/tail") as socket,
    ):
        draining = asyncio.ensure_future(app.app.drain())
        message = await socket.receive()
        assert (message.type, socket.close_code) == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.GOING_AWAY)
        await draining


async def test_draining_answers_what_was_accepted_and_ends_its_connections(
    slow: tuple[SlowSource, str], tmp_path: Path
) -> None:
    source, url = slow
    async with running(config(on("a", url)), tmp_path) as app:
        source.gate.clear()
        in_flight = asyncio.ensure_future(status(app, f"/ds/a{RANGE}"))
        await source.has(1)
        draining = asyncio.ensure_future(app.app.drain())
        await asyncio.sleep(0)
        async with app.client.get(f"{app.admin_url}/-/ready") as ready:
            assert (ready.status, (await ready.json())["status"]) == (503, "draining")
        async with app.client.get(f"{app.url}/ds/nobody/x") as late:
            assert (late.status, late.headers["Connection"]) == (404, "close")
        assert not draining.done()
        source.gate.set()
        assert await in_flight == 200
        await draining
        with pytest.raises(aiohttp.ClientConnectorError):
            await status(app, f"/ds/a{RANGE}")
