"""What Grafana gets to see of a request: as without Millpond, but for what a proxy says of the client."""

import asyncio
from ipaddress import ip_network
from typing import Any

import pytest

from proxy.core.forwarded import AuthProxy
from tests.servers.listener import HANGS_SECONDS, MATRIX, QUERY_RANGE, in_front_of, source
from tests.servers.process import free_port
from tests.servers.scripted import Connection, Scripted, Seen, answer, chunk, json_answer
from tests.servers.wire import parse, request

FINE = answer(b"fine")
TARGETS = [
    "/", "/login", "/api/health", "/d/abc/name?orgId=1&from=now-1h&to=now&var-a=$__all&var-b=", "//", "//api//x",
    "/x/", "/x//", "/public/build/app.1f2e.js", "/a%2Fb%2fc", "/a%20b", "/%C3%A9?q=%C3%A9", "/a%zz?b=%zz", "/x?a=b?c=d",
    "/x?&&a=&=b&&", "/x?a=1&a=2&a=1", "/x?a+b=c%2Bd", "/x?q={a=~\"b|c\"}&w=[1]|^`", "/x;a=b;c", "/x:y@z!$&'()*+,=~_-.",
    "/x%3Fy%23z", "/ds", "/dsx/y", "/.well-known/x", "/...", "/a/..b", "/x?path=../../etc",
    "/api/datasources/proxy/uid/x/api/v1/query",
    "/x?" + "a" * 20_000,
]  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
async def test_path_and_query_go_byte_for_byte(target: str) -> None:
    async with Scripted(FINE) as grafana, in_front_of(grafana.url) as millpond:
        assert (await millpond.ask(target)).body == b"fine"
    assert grafana.targets == [target]


@pytest.mark.parametrize("target", [b"/x?q=\xc3\xa9", b"/\xc3\xa9", b"/x?q=\xff", b"/\xff", b"/x?q=\xc3", b"/\x01"])
async def test_bytes_that_no_target_has_are_refused(target: bytes) -> None:
    """RFC 3986 knows them percent-encoded alone, which is how every browser sends them."""
    async with Scripted(FINE) as grafana, in_front_of(grafana.url) as millpond:
        data = await millpond.raw(b"GET %b HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n" % target)
    assert parse(data).status == 400
    assert grafana.requests == []


@pytest.mark.parametrize("target", ["/../x", "/a/./b", "/a/%2e%2e/b", "/public/..%2f..%2fetc", "/a/..;/b", "/a\\..\\b"])
async def test_a_path_that_leads_elsewhere_is_refused(target: str) -> None:
    async with Scripted(FINE) as grafana, in_front_of(grafana.url) as millpond:
        reply = await millpond.ask(target)
        assert (reply.status, b'"message"' in reply.body) == (400, True)
    assert grafana.requests == []


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "body", [None, b"", b'{"a": 1}', bytes(range(256)) * 5000], ids=["none", "empty", "small", "large"]
)
async def test_method_and_body_are_the_client_s(method: str, body: bytes | None) -> None:
    async with Scripted(FINE) as grafana, in_front_of(grafana.url) as millpond:
        fields = ("Content-Type: application/x-own; a=b", "Content-Encoding: x-own")
        assert (await millpond.ask("/x", *fields, method=method, body=body)).body == b"fine"
    [seen] = grafana.requests
    assert (seen.method, seen.body) == (method, body or b"")
    assert (seen.headers["Content-Type"], seen.headers["Content-Encoding"]) == ("application/x-own; a=b", "x-own")
    assert seen.headers.getall("Content-Length", ["0"]) == [str(len(body or b""))]
    assert "Transfer-Encoding" not in seen.headers


async def test_nothing_is_added_or_taken_but_what_a_proxy_says() -> None:
    sent = [
        "Accept-Encoding: gzip, deflate, br", "accept: */*", "Cookie: grafana_session=abc; b=c", "Cookie: d=e",
        "Authorization: Bearer x", "Origin: https://g", "Referer: https://g/d/1", "X-Grafana-Org-Id: 7",
        'If-None-Match: "a"', "Range: bytes=1-3", "X-A: 1", "x-a: 2", "X-A: 3", "X-Empty:", "X-U: \xc3\xa9",
        "Cache-Control: no-cache", "X-Cache-Skip: true", "Sec-Fetch-Mode: cors", "Via: 1.1 outer", "Forwarded: for=a",
    ]  # fmt: skip
    async with Scripted(FINE) as grafana, in_front_of(grafana.url) as millpond:
        await millpond.ask("/x", *sent)
    [seen] = grafana.requests
    spoken = [(name.lower(), value) for name, value in seen.headers.items()]
    asked = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in sent)]
    ours = [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "http"), ("x-forwarded-host", "millpond")]
    ours += [("x-real-ip", "127.0.0.1")]
    assert sorted(spoken) == sorted([("host", "millpond"), *asked, *ours])
    assert [value for name, value in spoken if name == "x-a"] == ["1", "2", "3"]
    assert [value for name, value in spoken if name == "cookie"] == ["grafana_session=abc; b=c", "d=e"]


async def test_the_hops_before_are_not_forgotten() -> None:
    sent = (
        "X-Forwarded-For: 198.51.100.1",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: g.example",
        "X-Real-IP: a",
    )
    async with Scripted(FINE) as grafana, in_front_of(grafana.url) as millpond:
        await millpond.ask("/x", *sent)
    headers = grafana.requests[0].headers
    assert headers.getall("X-Forwarded-For") == ["198.51.100.1, 127.0.0.1"]
    assert headers.getall("X-Forwarded-Proto") == ["https"]
    assert headers.getall("X-Forwarded-Host") == ["g.example"]
    assert headers.getall("X-Real-IP") == ["a"]


@pytest.mark.parametrize(
    ("networks", "goes"), [((), []), (("10.0.0.0/8",), []), (("127.0.0.0/8", "10.0.0.0/8"), ["alice"])]
)
async def test_nobody_names_a_user_but_the_proxy_that_the_operator_names(networks: Any, goes: list[str]) -> None:
    named = AuthProxy(headers=frozenset(("x-webauth-user",)), networks=tuple(ip_network(one) for one in networks))
    sent = (
        "X-WEBAUTH-USER: alice",
        "X_WEBAUTH_USER: admin",
        "X-WEBAUTH-ROLE: Admin",
        "Remote-User: admin",
        "Connection: X-WEBAUTH-USER",
    )
    async with Scripted(FINE) as grafana, in_front_of(grafana.url, auth_proxy=named) as millpond:
        await millpond.ask("/x", *sent, "Connection: X-WEBAUTH-USER")
        await millpond.raw(request("/ws", *sent, "Upgrade: websocket", "Connection: Upgrade, X-WEBAUTH-USER"))
    for seen in grafana.requests:
        assert seen.headers.getall("X-WEBAUTH-USER", []) == goes
        assert {"X_WEBAUTH_USER", "X-WEBAUTH-ROLE", "Remote-User"}.isdisjoint(seen.headers)
    assert len(grafana.requests) == 2


async def test_a_chunked_upload_arrives_as_it_is_sent() -> None:
    first, whole = asyncio.Event(), asyncio.Event()

    async def upload(_: Seen, connection: Connection) -> None:
        await connection.reader.readuntil(b"one")
        first.set()
        await connection.reader.readuntil(b"0\r\n\r\n")
        whole.set()
        await connection.send(FINE)

    async with Scripted(upload, reads_bodies=False) as grafana, in_front_of(grafana.url) as millpond:
        reader, writer = await millpond.connect()
        writer.write(b"POST /import HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"one"))
        async with asyncio.timeout(HANGS_SECONDS):
            await first.wait()
            assert not whole.is_set()
            writer.write(chunk(b"two") + chunk(b""))
            assert (await reader.readuntil(b"fine")).startswith(b"HTTP/1.1 200 ")
        writer.transport.abort()
    assert grafana.requests[0].headers.getall("Transfer-Encoding") == ["chunked"]


async def test_a_client_that_expects_to_be_told_is_told_when_its_body_is_wanted() -> None:
    async with Scripted(FINE) as grafana, in_front_of(grafana.url) as millpond:
        reader, writer = await millpond.connect()
        writer.write(b"POST /x HTTP/1.1\r\nHost: g\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        async with asyncio.timeout(HANGS_SECONDS):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"abc")
            await reader.readuntil(b"fine")
        writer.transport.abort()
    assert grafana.requests[0].body == b"abc"
    assert "Expect" not in grafana.requests[0].headers


async def test_a_client_of_http_1_0_without_a_host_is_served() -> None:
    async with Scripted(FINE) as grafana, in_front_of(grafana.url) as millpond:
        assert parse(await millpond.raw(b"GET /x HTTP/1.0\r\n\r\n")).body == b"fine"
    assert grafana.requests[0].headers["Host"] == f"127.0.0.1:{grafana.port}"


@pytest.mark.parametrize(
    ("base", "path", "asked", "seen"),
    [
        ("/grafana", None, "/grafana/api/health", "/grafana/api/health"),
        ("/grafana/", None, "/grafana/", "/grafana/"),
        ("/grafana", None, "/grafana", "/grafana"),
        ("/grafana", None, "/grafana?a=b", "/grafana?a=b"),
        ("", "/grafana", "/grafana/x?a=b", "/x?a=b"),
        ("", "/grafana", "/grafana/", "/"),
        ("", "/grafana", "/grafana", "/"),
        ("", "/grafana", "/grafana?a=b", "/?a=b"),
        ("/inner", "/outer", "/outer/x", "/inner/x"),
        ("/inner", "", "/x", "/inner/x"),
    ],
)
async def test_users_come_by_the_sub_path(base: str, path: str | None, asked: str, seen: str) -> None:
    async with Scripted(FINE) as grafana, in_front_of(grafana.url + base, path=path) as millpond:
        assert (await millpond.ask(asked)).body == b"fine"
    assert grafana.targets == [seen]


@pytest.mark.parametrize("target", ["/", "/grafanax", "/api/health", "/login"])
async def test_outside_the_sub_path_it_says_where_grafana_is(target: str) -> None:
    async with Scripted(FINE) as grafana, in_front_of(f"{grafana.url}/grafana") as millpond:
        reply = await millpond.ask(target)
    assert (reply.status, reply.body) == (404, b'{"message": "Grafana is at /grafana/"}')
    assert grafana.requests == []


async def test_data_sources_stay_where_they_are_beside_it() -> None:
    async with (
        Scripted(FINE) as grafana,
        Scripted(json_answer(MATRIX)) as prometheus,
        in_front_of(grafana.url, source(prometheus.url)) as millpond,
    ):
        for x_cache in ("MISS", "HIT"):
            assert (await millpond.ask(f"/ds/prom{QUERY_RANGE}")).x_cache == x_cache
        assert (await millpond.ask("/ds/nobody/x")).status == 404
        assert (await millpond.ask("/ds")).body == b"fine"
    assert grafana.targets == ["/ds"]


@pytest.mark.parametrize(
    ("method", "times"), [("GET", 2), ("HEAD", 2), ("POST", 1), ("PUT", 1), ("DELETE", 1), ("PATCH", 1)]
)
async def test_only_what_is_safe_is_asked_again_where_a_connection_proves_dead(method: str, times: int) -> None:
    async def once_a_connection(seen: Seen, connection: Connection) -> None:
        before = [one for one in grafana.requests if one.connection == seen.connection]
        if len(before) > 1 or (method not in ("GET", "HEAD") and seen.method == method):
            connection.reset()
        else:
            await connection.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with Scripted(once_a_connection) as grafana, in_front_of(grafana.url) as millpond:
        assert (await millpond.ask("/first")).status == 204
        reply = await millpond.ask("/second", method=method)
        assert reply.status == (204 if times == 2 else 502)
    assert len([seen for seen in grafana.requests if seen.target == "/second"]) == times


@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        (None, 502, "Grafana cannot be reached: it refuses the connection."),
        (b"", 502, "Grafana closed the connection without an answer."),
        (b"SSH-2.0\r\n\r\n", 502, "Grafana's answer is not HTTP"),
    ],
)
async def test_what_grafana_fails_at_is_said_of_grafana(sent: bytes | None, status: int, words: str) -> None:
    async def say(_: Seen, connection: Connection) -> None:
        await connection.send(sent or b"")
        connection.finish()

    async with Scripted(say) as grafana:
        url = grafana.url if sent is not None else f"http://127.0.0.1:{free_port()}"
        async with in_front_of(url) as millpond:
            for fields in ((), ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: a")):
                reply = await millpond.ask("/x", *fields)
                assert (reply.status, reply.headers["Content-Type"]) == (status, "application/json; charset=utf-8")
                assert words.encode() in reply.body
                assert b"ata source" not in reply.body
                assert "X-Cache" not in reply.headers


async def test_a_grafana_that_does_not_answer_is_a_timeout() -> None:
    async def silent(_: Seen, connection: Connection) -> None:
        await connection.gone()

    async with Scripted(silent) as grafana, in_front_of(grafana.url, first_byte_ms=20) as millpond:
        reply = await millpond.ask("/x")
    assert (reply.status, reply.body) == (504, b'{"message": "Grafana did not begin to answer in time."}')
