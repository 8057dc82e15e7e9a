"""T6 to T12, T16 and T20: what aiohttp's client does by itself, shown first, and that ours does not."""

import asyncio
import gzip
import json

import aiohttp
import pytest
from aiohttp.client import DEFAULT_TIMEOUT
from yarl import URL

from proxy.core import codings
from proxy.errors import UpstreamTimeout
from tests.servers.listener import MATRIX, QUERY_RANGE, listening, source
from tests.servers.scripted import Answer, Connection, Scripted, Seen, answer, json_answer
from tests.upstream.asking import client, read, whole, write

GOOD = json_answer(MATRIX)


async def hang(_: Seen, connection: Connection) -> None:
    await connection.gone()


async def test_t6_one_user_s_cookie_is_not_sent_on_another_s_request() -> None:
    sent = json_answer(MATRIX, "Set-Cookie: session=a; Path=/")
    async with Scripted(sent) as upstream:
        url = f"http://localhost:{upstream.port}"
        async with aiohttp.ClientSession() as naive:
            for _ in "ab":
                await (await naive.get(url)).read()
        assert upstream.requests[1].headers["Cookie"] == "session=a"

        upstream.requests.clear()
        async with listening(source(url)) as millpond:
            for target in ("/x", "/x", QUERY_RANGE, QUERY_RANGE):
                await millpond.ask(f"/ds/prom{target}")
        assert len(upstream.requests) == 4
        assert not any("Cookie" in seen.headers for seen in upstream.requests)


async def test_t7_a_cut_gzip_body_is_no_whole_answer_and_a_bomb_is_not_undone() -> None:
    cut, bomb = gzip.compress(MATRIX)[:-8], gzip.compress(bytes(1 << 26))
    for sent, undone in ((cut, MATRIX), (bomb, bytes(1 << 26))):
        async with Scripted(json_answer(sent, "Content-Encoding: gzip")) as upstream:
            async with aiohttp.ClientSession() as naive, naive.get(upstream.url) as response:
                assert (response.status, await response.read() == undone) == (200, True)
            async with listening(source(upstream.url)) as millpond:
                for target in (QUERY_RANGE, QUERY_RANGE, "/x"):
                    reply = await millpond.ask(f"/ds/prom{target}", "Accept-Encoding: gzip")
                    refused = sent is cut and target != "/x"  # what is not kept passes as it comes
                    assert (reply.status, reply.x_cache != "HIT") == (502 if refused else 200, True)
                    assert refused or reply.body == sent
    assert codings.decode("gzip", cut, 1 << 20) == codings.Undecodable()
    assert codings.decode("gzip", bomb, 1 << 20) == codings.Undecodable(too_large=True)


async def test_t8_a_source_that_hangs_does_not_take_another_s_connections() -> None:
    async with Scripted(hang) as hanging, Scripted(GOOD) as other:
        async with aiohttp.ClientSession() as naive:
            stuck = [asyncio.create_task(naive.get(hanging.url)) for _ in range(150)]
            while len(hanging.requests) < 100:
                await asyncio.sleep(0)
            wanted = asyncio.create_task(naive.get(other.url))
            for _ in range(500):
                await asyncio.sleep(0)
            assert (len(hanging.requests), other.connections, wanted.done()) == (100, 0, False)
            for task in (*stuck, wanted):
                task.cancel()
            await asyncio.gather(*stuck, wanted, return_exceptions=True)

        hanging.requests.clear()
        async with client(hanging.url, max_concurrent=150) as first, client(other.url) as second:
            stuck = [asyncio.create_task(first.fetch(read())) for _ in range(200)]  # type: ignore[arg-type]  # of tasks with two results
            while len(hanging.requests) < 150:
                await asyncio.sleep(0)
            assert await whole(second, read()) == MATRIX
            for task in stuck:
                task.cancel()
            await asyncio.gather(*stuck, return_exceptions=True)


async def test_t9_a_silent_source_does_not_hold_its_slot_for_five_minutes() -> None:
    assert (DEFAULT_TIMEOUT.total, DEFAULT_TIMEOUT.sock_read) == (300, None)
    async with Scripted(hang) as upstream, client(upstream.url, max_concurrent=1, first_byte_ms=50) as ours:
        for _ in range(3):
            with pytest.raises(UpstreamTimeout):
                await whole(ours, read())
    assert len(upstream.requests) == 3


def once_per_connection() -> Answer:
    used = set()

    async def serve(_: Seen, connection: Connection) -> None:
        if connection.number in used:
            connection.finish()
        else:
            used.add(connection.number)
            await connection.send(GOOD)

    return serve


async def test_t10_a_read_by_post_survives_a_connection_that_is_just_closing() -> None:
    async with Scripted(once_per_connection()) as upstream, aiohttp.ClientSession() as naive:
        await (await naive.post(upstream.url, data=b"query=up")).read()
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await naive.post(upstream.url, data=b"query=up")

    async with Scripted(once_per_connection()) as upstream, listening(source(upstream.url)) as millpond:
        form = ("Content-Type: application/x-www-form-urlencoded",)
        for number in range(20):
            body = f"query=up{number}&start=0&end=1000&step=10".encode()
            reply = await millpond.ask("/ds/prom/api/v1/query_range", *form, method="POST", body=body)
            assert (reply.status, reply.x_cache) == (200, "MISS")
        for number in range(20):
            assert (await millpond.ask(f"/ds/prom/x{number}")).status == 200
            assert (await millpond.ask(f"/ds/prom/w{number}", method="DELETE")).status == 200
    targets = upstream.targets
    assert all(targets.count(f"/x{number}") <= 2 and targets.count(f"/w{number}") == 1 for number in range(20))
    assert all(
        1 <= sum(f"query=up{number}&".encode() in seen.body for seen in upstream.requests) <= 2 for number in range(20)
    )


async def test_t11_a_redirect_leads_nowhere() -> None:
    async with Scripted(GOOD) as trap:
        redirect = answer(b"", f"Location: {trap.url}/metadata", status="302 Found")
        async with Scripted(redirect) as upstream:
            async with aiohttp.ClientSession() as naive, naive.get(upstream.url) as response:
                assert response.status == 200
            assert trap.targets == ["/metadata"]
            async with listening(source(upstream.url)) as millpond:
                for _ in range(2):
                    reply = await millpond.ask(f"/ds/prom{QUERY_RANGE}")
                    assert (reply.status, reply.headers["Location"]) == (302, f"{trap.url}/metadata")
            assert len(upstream.requests) == 3
        assert trap.connections == 1


REWRITTEN = ["/a/%2e%2e%2e/b", "/%zz", "/%28", '/x?q={"}', "/x?a=%2f&b=%2B+%zz", "/%7Euser", "/a%3Bb"]
KEPT = [
    "/x?q=%7B%22%7D",
    "//a//b",
    "/a;b=c?d;e",
    "/x??",
    "/x?=&&",
    "/x?q=a|b^c`",
    "/x?q=%C3%A9%ff",
    "/a%2Fb%2f",
    "/a%20b?c%20d",
    "/x?a=\\",
]


@pytest.mark.parametrize("target", [*REWRITTEN, *KEPT])
async def test_t12_a_target_arrives_byte_for_byte(target: str) -> None:
    async with Scripted(GOOD) as upstream, aiohttp.ClientSession() as naive:
        if target in REWRITTEN:
            await (await naive.get(upstream.url + target)).read()
            assert upstream.targets[0] != target
            assert URL("http://m" + target).raw_path_qs != target
        upstream.requests.clear()
        async with listening(source(f"{upstream.url}/base%2F/")) as millpond:
            assert (await millpond.ask(f"/ds/prom{target}")).status == 200
            cacheable = f"{QUERY_RANGE}&x=%28%zz;{{}}"
            assert (await millpond.ask(f"/ds/prom{cacheable}")).x_cache in ("MISS", "BYPASS")
        assert upstream.targets == [f"/base%2F{target}", f"/base%2F{cacheable}"]


async def test_t12_only_the_question_mark_of_an_empty_query_is_lost() -> None:
    async with Scripted(GOOD) as upstream, listening(source(upstream.url)) as millpond:
        await millpond.ask("/ds/prom/x?")
    assert upstream.targets == ["/x"]


async def test_t16_a_long_field_of_an_answer_passes_and_a_longer_one_is_a_502() -> None:
    for size, status in ((9_000, 200), (70_000, 502)):
        async with Scripted(json_answer(MATRIX, f"X-A: {'a' * size}")) as upstream:
            async with aiohttp.ClientSession() as naive:
                with pytest.raises(aiohttp.ClientResponseError):
                    await naive.get(upstream.url)
            async with listening(source(upstream.url)) as millpond:
                reply = await millpond.ask("/ds/prom/x")
                assert reply.status == status
                assert reply.status == 200 or json.loads(reply.body)["dataSourceUID"] == "prom"


async def test_t20_nothing_is_added_to_a_request() -> None:
    async with Scripted(GOOD) as upstream:
        async with aiohttp.ClientSession() as naive:
            await (await naive.post(upstream.url, data=b"a")).read()
        assert {"Accept", "Accept-Encoding", "User-Agent", "Content-Type"} <= set(upstream.requests[0].headers)

        async with client(upstream.url) as ours:
            await whole(ours, write(body=b"a"))
        assert sorted(upstream.requests[1].headers) == ["Connection", "Content-Length", "Host"]

        async with listening(source(upstream.url)) as millpond:
            await millpond.ask("/ds/prom/x", "Accept: a/b", "User-Agent: c", "Accept-Encoding: br")
            await millpond.ask(f"/ds/prom{QUERY_RANGE}")
        passed, kept = upstream.requests[2:]
        assert sorted(passed.headers.items()) == sorted(
            {"Host": f"127.0.0.1:{upstream.port}", "Accept": "a/b", "User-Agent": "c", "Accept-Encoding": "br"}.items()
        )
        assert dict(kept.headers) == {"Host": f"127.0.0.1:{upstream.port}", "Accept-Encoding": "identity"}
