"""What is for the tests of passing through."""

import base64
import hashlib
import http.client
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
import pytest

from .oddities import COOKIES
from .server import Grafana, basic


def test_the_echo_shows_the_request_as_it_came(grafana: Grafana) -> None:
    reply = grafana.ask("PATCH", "/odd/echo/a%2Fb//c?x=%20&y", headers={"x-OWN": "1"}, body=b"\x00\xff")
    assert (reply.json["method"], reply.json["target"]) == ("PATCH", "/odd/echo/a%2Fb//c?x=%20&y")
    assert ["x-OWN", "1"] in reply.json["headers"]
    assert base64.b64decode(reply.json["body"]) == b"\x00\xff"


def test_a_download_is_as_long_as_asked(grafana: Grafana) -> None:
    known, chunked = (grafana.ask("GET", f"/odd/download?bytes=200001&length={length}") for length in ("yes", "no"))
    assert (len(known.body), known.body) == (200001, chunked.body)
    assert (known.header("Content-Length"), chunked.header("Transfer-Encoding")) == ("200001", "chunked")
    assert grafana.ask("HEAD", "/odd/download?bytes=200001").header("Content-Length") == "200001"


async def test_uploads_are_digested_and_mirrored(grafana: Grafana) -> None:
    async def parts() -> Any:
        for number in range(5):
            yield bytes([number]) * 70_000

    sent = b"".join(bytes([number]) * 70_000 for number in range(5))
    async with aiohttp.ClientSession() as client:
        async with client.post(f"{grafana.url}/odd/upload", data=parts()) as answer:
            told = {"bytes": len(sent), "sha256": hashlib.sha256(sent).hexdigest(), "chunked": True}
            assert await answer.json() == told
        async with client.post(f"{grafana.url}/odd/mirror", data=parts()) as answer:
            assert await answer.read() == sent


async def test_events_come_one_by_one(grafana: Grafana) -> None:
    with grafana.closed_gate("event-1") as open_gate:
        async with aiohttp.ClientSession() as client, client.get(f"{grafana.url}/odd/events?count=2") as answer:
            assert answer.content_type == "text/event-stream"
            assert await answer.content.readuntil(b"\n\n") == b"id: 0\nevent: tick\ndata: 0\n\n"
            open_gate()
            assert await answer.read() == b"id: 1\nevent: tick\ndata: 1\n\n"


def test_a_poll_waits_at_its_gate(grafana: Grafana) -> None:
    with ThreadPoolExecutor() as pool, grafana.closed_gate("p") as open_gate:
        waiting = pool.submit(grafana.ask, "GET", "/odd/poll?gate=p")
        grafana.wait_for("p")
        assert not waiting.done()
        open_gate()
        assert waiting.result().json == {"polled": True}


def test_cookies_of_every_attribute(grafana: Grafana) -> None:
    reply = grafana.ask("GET", "/odd/cookies")
    assert tuple(value for name, value in reply.headers if name == "Set-Cookie") == COOKIES


def test_headers_twice_empty_and_in_any_case(grafana: Grafana) -> None:
    headers = grafana.ask("GET", "/odd/headers").headers
    odd = [(name, value) for name, value in headers if name.lower() in ("x-lower", "x-upper", "x-twice", "x-empty")]
    assert odd == [("x-lower", "1"), ("X-UPPER", "2"), ("X-Twice", "b"), ("X-Twice", "a"), ("X-Empty", "")]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_go_where_told(grafana: Grafana, status: int) -> None:
    reply = grafana.ask("GET", f"/odd/redirect?status={status}&to=https://else.example/x")
    assert (reply.status, reply.header("Location")) == (status, "https://else.example/x")


@pytest.mark.parametrize("status", [204, 304, 404, 418, 500, 503])
def test_any_status(grafana: Grafana, status: int) -> None:
    assert grafana.ask("GET", f"/odd/status/{status}").status == status


def test_a_connection_is_cut_in_the_middle(grafana: Grafana) -> None:
    with pytest.raises(http.client.IncompleteRead) as failure:
        grafana.ask("GET", "/odd/cut")
    assert failure.value.partial == b"x" * 100


async def test_the_websocket_echoes(grafana: Grafana) -> None:
    origin = {"Origin": grafana.url}
    url = f"{grafana.url}/api/live/ws"
    async with (
        aiohttp.ClientSession(headers=basic("viewer") | origin) as client,
        client.ws_connect(url, protocols=["centrifuge-json"]) as socket,
    ):
        assert await socket.receive_json() == {"user": "viewer", "org": 1}
        await socket.send_str("é")
        assert await socket.receive_str() == "é"
        await socket.send_bytes(b"\x00" * 100_000)
        assert await socket.receive_bytes() == b"\x00" * 100_000
        await socket.send_str("close")
        await socket.receive()
        assert socket.close_code == 4000


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), (basic("viewer") | {"Origin": "http://evil.example"}, 403)],
    ids=["nobody", "evil"],
)
async def test_a_websocket_is_refused(grafana: Grafana, headers: dict[str, str], status: int) -> None:
    async with aiohttp.ClientSession(headers=headers) as client:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await client.ws_connect(f"{grafana.url}/api/live/ws")
    assert refusal.value.status == status
