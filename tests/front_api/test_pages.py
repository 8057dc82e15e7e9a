"""What Grafana sends its pages of its data sources: filled in where one caches, and every other byte as it came."""

import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict

from proxy.config.schema import Caching, Config, Duration, SourceCache
from proxy.config.schema import Grafana as GrafanaConfig
from tests.servers.application import running
from tests.servers.grafana.server import Grafana, Reply, basic
from tests.servers.millpond import Millpond
from tests.servers.scripted import Connection, Scripted, Seen, answer, chunk, json_answer

from .place import CONFIG, Place, in_org

WAYS = ["/api/frontend/settings", "/api/frontend/settings/", "/bootdata", "/d/panel", "/", "/explore?left=x"]


def told(reply: Reply) -> dict[str, Any]:
    """The data sources that a page or a call is told of, by their names."""
    text = reply.body.decode()
    if text.startswith("<"):
        found = re.search(r"^ +settings: (.*),$", text, re.MULTILINE)
        assert found is not None
        text = found[1]
    document = json.loads(text)
    sources: dict[str, Any] = document.get("settings", document)["datasources"]
    return sources


def caching(reply: Reply) -> dict[str, Any]:
    """`cachingConfig` of those that have one that is not empty."""
    sources = told(reply)
    return {
        name: each["cachingConfig"] for name, each in sources.items() if each.get("cachingConfig", {}).get("enabled")
    }


@pytest.fixture(scope="module")
def pages() -> Iterator[Place]:
    """Where only what this file turns on is cached."""
    with Grafana() as grafana, Millpond("--grafana-url", grafana.url, config=CONFIG) as millpond:
        place = Place(grafana, millpond)
        assert place.cache("mysql", body={"enabled": True, "ttlQueriesMs": 60_000}).status == 200
        assert place.cache("loki", "/enable").status == 200
        assert (
            place.cache("bigquery", body={"enabled": True, "ttlQueriesMs": 3_600_000}).status == 200
        )  # max_ttl: 10 min
        assert place.cache("postgres", "/disable").status == 200
        assert place.cache("prom", "/enable", in_org(2)).status == 200
        yield place


ORG_1 = {
    "bigquery": {"enabled": True, "TTLMs": 600_000},
    "loki": {"enabled": True, "TTLMs": 300_000},
    "mysql": {"enabled": True, "TTLMs": 60_000},
}
ORG_2 = {"prom": {"enabled": True, "TTLMs": 300_000}}


@pytest.mark.parametrize("path", WAYS)
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (basic("viewer"), ORG_1),
        (basic("viewer2"), ORG_2),
        (in_org(1), ORG_1),
        (in_org(2), ORG_2),
        (basic("orgadmin"), ORG_1),
    ],
)
def test_each_caching_source_says_so_and_what_is_in_force(
    pages: Place, path: str, headers: dict[str, str], expected: dict[str, Any]
) -> None:
    assert caching(pages.ask("GET", path, headers)) == expected


@pytest.mark.parametrize("path", WAYS)
def test_every_other_byte_and_header_is_as_it_came(pages: Place, path: str) -> None:
    headers = basic("viewer")
    plain, filled = pages.grafana.ask("GET", path, headers=headers), pages.ask("GET", path, headers)
    body = filled.body.decode()
    for config in ORG_1.values():
        shown = f'"cachingConfig":{{"enabled":true,"TTLMs":{config["TTLMs"]}}}'
        assert body.count(shown) == 1
        body = body.replace(shown, '"cachingConfig":{"enabled":false,"TTLMs":0}')
    assert body == plain.body.decode()
    assert filled.header("Content-Length") == str(len(filled.body))
    assert without(filled, "content-length", "date") == without(plain, "content-length", "date")


def without(reply: Reply, *names: str) -> list[tuple[str, str]]:
    """Its headers but for those, in order of their names, which are written in many ways."""
    return sorted((name.lower(), value) for name, value in reply.headers if name.lower() not in names)


def test_a_visitor_sees_no_data_sources_and_the_login_is_untouched(pages: Place) -> None:
    assert pages.ask("GET", "/login", {}).body == pages.grafana.ask("GET", "/login").body
    assert pages.ask("GET", "/d/panel", {}).header("Location") == "/login"


def test_what_is_switched_off_is_no_longer_shown_and_what_is_deleted_is_gone(pages: Place) -> None:
    uid = pages.create()
    pages.cache(uid, "/enable")
    assert caching(pages.ask("GET", "/bootdata")).keys() == {uid, *ORG_1}
    pages.cache(uid, "/disable")
    assert caching(pages.ask("GET", "/bootdata")).keys() == ORG_1.keys()
    pages.cache(uid, "/enable")
    pages.ask("DELETE", f"/api/datasources/uid/{uid}")
    assert caching(pages.ask("GET", "/bootdata")).keys() == ORG_1.keys()


def test_a_head_is_grafanas(pages: Place) -> None:
    plain = pages.grafana.ask("HEAD", "/d/panel", headers=basic("viewer"))
    assert without(pages.ask("HEAD", "/d/panel", basic("viewer")), "date") == without(plain, "date")


@pytest.mark.parametrize("edition", ["oss", "legacy"])
def test_a_page_of_any_version(request: pytest.FixtureRequest, edition: str) -> None:
    place: Place = request.getfixturevalue(edition)
    uid = place.create()
    place.cache(uid, "/enable")
    for path in ("/api/frontend/settings", "/"):
        assert caching(place.ask("GET", path))[uid] == {"enabled": True, "TTLMs": 300_000}


@pytest.mark.parametrize("config", ["", "caching: {enabled: false}"])
def test_nothing_is_touched_while_no_source_caches(config: str) -> None:
    with Grafana() as grafana, Millpond("--grafana-url", grafana.url, config=config) as millpond:
        if config:
            assert Place(grafana, millpond).cache("mysql", "/enable").status == 200
        for path in WAYS:
            headers = {**basic("viewer"), "Accept-Encoding": "gzip", "If-None-Match": '"x"'}
            plain = grafana.ask("GET", path, headers=headers)
            grafana.forget()
            reply = grafana.ask("GET", path, headers=headers, base=millpond.url)
            assert (reply.body, without(reply, "date")) == (plain.body, without(plain, "date"))
            assert [seen["target"] for seen in grafana.requests] == [path]
            assert ["If-None-Match", '"x"'] in grafana.requests[0]["headers"]


DOCUMENT = b'{"user":{"orgId":1},"settings":{"datasources":{"a":{"id":1,"uid":"a","type":"mysql","cachingConfig":{}}}}}'
FILLED = DOCUMENT.replace(b'"cachingConfig":{}', b'"cachingConfig":{"enabled":true,"TTLMs":1000}')
JSON, HTML = "Content-Type: application/json", "Content-Type: text/html; charset=utf-8"
PAGE = b"<!DOCTYPE html><script>window.grafanaBootData = " + DOCUMENT + b";</script>"
FILLED_PAGE = PAGE.replace(DOCUMENT, FILLED)


@dataclass
class Front:
    """A Grafana of one data source, which is cached, and whose pages are what a test says."""

    page: bytes = b""
    rest: list[bytes] = field(default_factory=list)
    """Sent after the page, each when the one before has been seen to pass."""
    seen: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""
    client: Any = None
    grafana: Any = None

    async def answer(self, seen: Seen, connection: Connection) -> None:
        known = {
            "/api/org": b'{"id":1}',
            "/api/access-control/user/permissions": b'{"datasources:read":["datasources:*"]}',
            "/api/datasources/uid/a": b'{"id":1,"uid":"a","orgId":1,"name":"a","type":"mysql","version":1,"jsonData":{}}',
        }
        if seen.target in known:
            await connection.send(json_answer(known[seen.target]))
            return
        await connection.send(self.page)
        for part in self.rest:
            await self.seen.wait()
            self.seen.clear()
            await connection.send(part)
        if b"\r\nConnection: close\r\n" in self.page:
            connection.finish()

    async def ask(
        self, path: str = "/page", method: str = "GET", **headers: str
    ) -> tuple[int, bytes, CIMultiDict[str]]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.request(method, self.url + path, headers=named, auto_decompress=False) as response:
            told = CIMultiDict((name, value) for name, value in response.headers.items() if name != "Date")
            return response.status, await response.read(), told

    @property
    def asked(self) -> Any:
        """What Grafana saw of the page's request."""
        return self.grafana.requests[-1].headers


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    made = Front()
    async with Scripted(made.answer) as made.grafana:
        grafana = GrafanaConfig(url=made.grafana.url, cache=SourceCache(enabled=True))
        async with running(Config(caching=Caching(ttl_ms=Duration(1000)), grafana=grafana), tmp_path) as app:
            made.url, made.client = app.url, app.client
            async with app.client.get(f"{app.url}/api/datasources/a/cache") as met:
                assert met.status == 200
            yield made


@pytest.mark.parametrize(
    ("body", "kind", "filled"),
    [
        (DOCUMENT, JSON, FILLED),
        (DOCUMENT, f"{JSON}; charset=UTF-8", FILLED),
        (b" \n" + DOCUMENT + b"\n", JSON, b" \n" + FILLED + b"\n"),
        (PAGE, HTML, FILLED_PAGE),
        (b"\n" + PAGE + b"\xe2\x98\x83", HTML, b"\n" + FILLED_PAGE + b"\xe2\x98\x83"),
        # What is of no known shape is as it came.
        (DOCUMENT, "Content-Type: text/plain", DOCUMENT),
        (DOCUMENT, "X-No: type", DOCUMENT),
        (DOCUMENT[:-1], JSON, DOCUMENT[:-1]),
        (DOCUMENT + b"{}", JSON, FILLED + b"{}"),
        (PAGE + b"\xff", HTML, PAGE + b"\xff"),
        (PAGE + PAGE, HTML, PAGE + PAGE),
        (b"\xef\xbb\xbf" + DOCUMENT, JSON, b"\xef\xbb\xbf" + DOCUMENT),
        (DOCUMENT.replace(b'"orgId":1', b'"orgId":2'), JSON, DOCUMENT.replace(b'"orgId":1', b'"orgId":2')),
        (b"", HTML, b""),
        (b"[]", JSON, b"[]"),
    ],
)
async def test_a_document_is_filled_or_left_alone(front: Front, body: bytes, kind: str, filled: bytes) -> None:
    front.page = answer(body, kind)
    status, received, headers = await front.ask()
    assert (status, received, headers["Content-Length"]) == (200, filled, str(len(filled)))


async def test_its_headers_but_for_those_that_are_no_longer_true(front: Front) -> None:
    lines = ("Set-Cookie: a=b; Path=/", "Vary: Accept-Encoding", "Cache-Control: no-store", "X-Own: 1", HTML)
    front.page = answer(PAGE, *lines, 'ETag: "x"', "Last-Modified: Wed, 25 Nov 2026 00:00:00 GMT")
    _, body, headers = await front.ask()
    assert body == FILLED_PAGE
    expected = dict(line.split(": ", 1) for line in lines)
    assert headers == {**expected, "Content-Length": str(len(FILLED_PAGE))}


async def test_an_answer_without_a_length(front: Front) -> None:
    front.page = f"HTTP/1.1 200 OK\r\n{HTML}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    front.page += chunk(PAGE[:50]) + chunk(PAGE[50:]) + b"0\r\n\r\n"
    assert (await front.ask())[1] == FILLED_PAGE


async def test_grafana_is_asked_for_the_whole_page_as_it_is(front: Front) -> None:
    front.page = answer(PAGE, HTML)
    wishes = {"Accept_Encoding": "gzip", "If_None_Match": '"x"', "If_Modified_Since": "now", "Range": "bytes=0-9"}
    assert (await front.ask(**wishes, X_Own="1"))[1] == FILLED_PAGE
    assert front.asked.getall("Accept-Encoding") == ["identity"]
    assert not front.asked.keys() & {"If-None-Match", "If-Modified-Since", "Range"}
    assert front.asked["X-Own"] == "1"


@pytest.mark.parametrize("coding", ["gzip", "br"])
async def test_a_page_that_is_compressed_all_the_same_is_left_alone(front: Front, coding: str) -> None:
    packed = gzip.compress(PAGE)
    front.page = answer(packed, HTML, f"Content-Encoding: {coding}", 'ETag: "x"')
    _, body, headers = await front.ask(Accept_Encoding="gzip, br")
    assert (body, headers["Content-Encoding"], headers["ETag"]) == (packed, coding, '"x"')


@pytest.mark.parametrize("status", ["401 Unauthorized", "404 Not Found", "500 Internal Server Error", "203 Other"])
async def test_what_is_no_200_is_left_alone(front: Front, status: str) -> None:
    front.page = answer(PAGE, HTML, 'ETag: "x"', status=status)
    code, body, headers = await front.ask()
    assert (code, body, headers["ETag"]) == (int(status[:3]), PAGE, '"x"')


async def test_a_head(front: Front) -> None:
    front.page = f"HTTP/1.1 200 OK\r\n{HTML}\r\nContent-Length: 1000\r\n\r\n".encode()
    status, body, headers = await front.ask(method="HEAD")
    assert (status, body, headers["Content-Length"]) == (200, b"", "1000")


@pytest.mark.parametrize("megabytes", [1, 20, 40])
async def test_a_huge_page(front: Front, megabytes: int) -> None:
    """Above 32 MB it is left alone, and passes as it comes."""
    padding = b"<!--" + b"x" * (megabytes * 1024 * 1024) + b"-->"
    front.page = answer(PAGE + padding, HTML)
    _, body, headers = await front.ask()
    assert body == (FILLED_PAGE if megabytes < 32 else PAGE) + padding
    assert headers["Content-Length"] == str(len(body))


async def test_a_stream_is_handed_on_while_it_comes(front: Front) -> None:
    front.page = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(
        b"1"
    )
    front.rest = [chunk(b"2"), chunk(b"3") + b"0\r\n\r\n"]
    received = []
    async with front.client.get(f"{front.url}/stream") as response:
        async for part in response.content.iter_any():
            received.append(part)
            front.seen.set()
    assert received == [b"1", b"2", b"3"]


async def test_a_page_that_breaks_off_is_no_page(front: Front) -> None:
    front.page = answer(PAGE, HTML, "Connection: close")[:-20]
    status, body, _ = await front.ask()
    assert (status, b"Grafana" in json.loads(body)["message"].encode()) == (502, True)


@pytest.mark.parametrize("path", ["/api/dashboards/home", "/public/x.html", "/api/ds/query", "/apis/x", "/avatar/1"])
async def test_what_is_no_page_is_not_looked_at(front: Front, path: str) -> None:
    front.page = answer(DOCUMENT, JSON, 'ETag: "x"')
    _, body, headers = await front.ask(path, If_None_Match='"x"')
    assert (body, headers["ETag"], front.asked["If-None-Match"]) == (DOCUMENT, '"x"', '"x"')
