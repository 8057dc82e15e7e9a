"""The life of a request, step by step, over a real source: what is asked of it, and what the client is told."""

import asyncio
import gzip
from collections.abc import Mapping, Sequence

import pytest
from aiohttp import web

from proxy.cache.store import ANY, Failed, Lookup, Version
from proxy.config.schema import Caching, Duration
from proxy.core.model import Entry, Key
from proxy.errors import NotFound, UpstreamError

from .stack import INSTANT, QUERY, SUCCESS, TTL_MS, UID, Ask, having, running, success

LABELS = Ask(path="/api/v1/labels", query="")


async def test_the_second_time_is_a_hit_with_the_body_of_the_first() -> None:
    async with running() as stack:
        first = await stack.ask()
        stack.clock.seconds += 7
        second = await stack.ask()
        assert (first.x_cache, second.x_cache) == ("MISS", "HIT")
        assert second.body == first.body
        assert second.headers["Age"] == "7"
        assert "Age" not in first.headers
        assert first.cache_status == "millpond; fwd=uri-miss; fwd-status=200; stored"
        assert second.cache_status == f"millpond; hit; ttl={TTL_MS // 1000 - 7}"


@pytest.mark.parametrize(
    ("age_ms", "x_cache"), [(0, "HIT"), (TTL_MS - 1, "HIT"), (TTL_MS, "MISS"), (TTL_MS + 1, "MISS")]
)
async def test_an_answer_is_fresh_for_its_ttl(age_ms: int, x_cache: str) -> None:
    async with running() as stack:
        await stack.ask()
        stack.clock.seconds += age_ms / 1000
        assert (await stack.ask()).x_cache == x_cache


async def test_shortening_the_ttl_bites_at_once() -> None:
    async with running() as stack:
        await stack.ask()
        stack.clock.seconds += 6
        await stack.set_ttl(5_000)
        assert (await stack.ask()).x_cache == "MISS"


async def test_lengthening_the_ttl_revives_nothing() -> None:
    async with running() as stack:
        await stack.ask()
        stack.clock.seconds += TTL_MS / 1000
        await stack.set_ttl(10 * TTL_MS)
        assert (await stack.ask()).x_cache == "MISS"


async def test_a_longer_ttl_does_not_lengthen_what_was_stored_under_the_shorter() -> None:
    async with running() as stack:
        await stack.set_ttl(5_000)
        await stack.ask()
        await stack.set_ttl(TTL_MS)
        stack.clock.seconds += 6
        assert (await stack.ask()).x_cache == "MISS"


async def test_max_ttl_caps_all() -> None:
    async with running(caching=Caching(max_ttl_ms=Duration(10_000))) as stack:
        await stack.ask()
        stack.clock.seconds += 10
        assert (await stack.ask()).x_cache == "MISS"


async def test_a_ttl_of_zero_stores_that_kind_alone_not() -> None:
    async with running() as stack:
        config = stack.book.snapshot.sources[UID].config
        await stack.book.change(
            UID, type(config)(enabled=True, use_default_ttl=False, ttl_queries_ms=0, ttl_resources_ms=TTL_MS)
        )
        assert [(await stack.ask()).cache_status for _ in "12"] == ["millpond; fwd=bypass; detail=ttl-zero"] * 2
        assert [(await stack.ask(LABELS)).x_cache for _ in "12"] == ["MISS", "HIT"]


@pytest.mark.parametrize(
    ("headers", "lifetime"),
    [({"Cache-Control": "max-age=5"}, 5), ({"Cache-Control": "max-age=500"}, TTL_MS // 1000), ({}, 0)],
)
async def test_policy_http_heeds_the_answers_own_lifetime(headers: dict[str, str], lifetime: int) -> None:
    async def respond(request: web.Request, number: int) -> web.StreamResponse:
        return web.Response(body=SUCCESS, content_type="application/json", headers=headers)

    async with running(policy="http") as stack:
        stack.source.respond = respond
        await stack.ask()
        stack.clock.seconds += lifetime - 1
        assert (await stack.ask()).x_cache == ("HIT" if lifetime else "MISS")
        stack.clock.seconds += 1
        assert (await stack.ask()).x_cache == "MISS"


async def test_disabled_reads_nothing_and_writes_nothing() -> None:
    async with running() as stack:
        await stack.ask()
        await stack.book.set_enabled(UID, False)
        assert [(await stack.ask()).x_cache for _ in "12"] == ["DISABLED", "DISABLED"]
        await stack.book.set_enabled(UID, True)
        assert (await stack.ask()).x_cache == "MISS"  # what was stored before is not there again
        assert len(stack.source.requests) == 4


async def test_the_global_switch_disables_all() -> None:
    async with running(caching=Caching(enabled=False)) as stack:
        assert [(await stack.ask()).x_cache for _ in "12"] == ["DISABLED", "DISABLED"]


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ({"X_Cache_Skip": "true"}, "fwd=request; detail=skip"),
        ({"Cache_Control": "no-cache"}, "fwd=request; detail=no-store"),
        ({"FromAlert": "true"}, "fwd=bypass; detail=alert"),
        ({"X_Rule_Uid": "u"}, "fwd=bypass; detail=alert"),
        ({"Range": "bytes=0-1"}, "fwd=bypass; detail=conditional"),
    ],
)
async def test_who_asks_for_a_fresh_answer_gets_one_and_leaves_none(headers: dict[str, str], detail: str) -> None:
    async with running() as stack:
        marked = [await stack.ask(having(**headers)) for _ in "12"]
        assert {(answer.x_cache, answer.cache_status) for answer in marked} == {("BYPASS", f"millpond; {detail}")}
        assert (await stack.ask()).x_cache == "MISS"


async def test_only_true_skips() -> None:
    async with running() as stack:
        await stack.ask()
        assert (await stack.ask(having(X_Cache_Skip="1"))).x_cache == "HIT"


@pytest.mark.parametrize("status", [201, 204, 206, 301, 304, 400, 401, 403, 404, 422, 429, 500, 502, 503])
async def test_nothing_but_a_200_is_stored(status: int) -> None:
    async def respond(request: web.Request, number: int) -> web.StreamResponse:
        return web.Response(status=status, body=b"{}" if status not in (204, 304) else None)

    async with running() as stack:
        stack.source.respond = respond
        for _ in "12":
            answer = await stack.ask()
            assert (answer.status, answer.x_cache) == (status, "MISS")
            assert answer.cache_status == f"millpond; fwd=uri-miss; fwd-status={status}; detail=status"
        stack.source.respond = success
        assert (await stack.ask()).body.endswith(b'"number":3}')


@pytest.mark.parametrize(
    ("headers", "body", "detail"),
    [
        ({"Set-Cookie": "a=b"}, SUCCESS, "set-cookie"),
        ({"Cache-Control": "no-store"}, SUCCESS, "no-store"),
        ({"Cache-Control": "private, max-age=9"}, SUCCESS, "private"),
        ({"Vary": "X-Forwarded-For"}, SUCCESS, "vary"),
        ({"Vary": "*"}, SUCCESS, "vary"),
        ({}, b"", "empty"),
        ({}, b"<html>sign in", "malformed"),
        ({}, SUCCESS[:-1], "malformed"),
        ({}, b'{"status":"error","error":"x"}', "error-in-body"),
        ({}, SUCCESS[:-1] + b',"warnings":["a store is down"]}', "partial"),
        ({"Content-Encoding": "br"}, b"whatever", "encoding"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_passed_on_and_not_stored(headers: dict[str, str], body: bytes, detail: str) -> None:
    async def respond(request: web.Request, number: int) -> web.StreamResponse:
        return web.Response(body=body, headers=headers, content_type="application/json")

    async with running() as stack:
        stack.source.respond = respond
        first = await stack.ask(having(Accept_Encoding="gzip"))
        assert (first.status, first.body, first.x_cache) == (200, body, "MISS")
        assert first.cache_status == f"millpond; fwd=uri-miss; fwd-status=200; detail={detail}"
        assert (await stack.ask(having(Accept_Encoding="gzip"))).x_cache == "MISS"
        assert len(stack.source.requests) == 2


@pytest.mark.parametrize("body", [gzip.compress(SUCCESS)[:-1], SUCCESS], ids=["cut", "a lie"])
async def test_a_body_that_belies_its_coding_is_a_failure(body: bytes) -> None:
    async def respond(request: web.Request, number: int) -> web.StreamResponse:
        return web.Response(body=body, headers={"Content-Encoding": "gzip"}, content_type="application/json")

    async with running() as stack:
        stack.source.respond = respond
        for _ in "12":
            with pytest.raises(UpstreamError, match="coding"):
                await stack.ask(having(Accept_Encoding="gzip"))
        assert len(stack.source.requests) == 2


@pytest.mark.parametrize(
    "body", [SUCCESS, SUCCESS[:-1] + b',"infos":["PromQL info: x"]}'], ids=["empty result", "infos"]
)
async def test_an_answer_without_fault_is_stored(body: bytes) -> None:
    async def respond(request: web.Request, number: int) -> web.StreamResponse:
        return web.Response(body=body, content_type="application/json")

    async with running() as stack:
        stack.source.respond = respond
        assert [(await stack.ask()).x_cache for _ in "12"] == ["MISS", "HIT"]


async def test_an_entry_serves_every_coding() -> None:
    async def respond(request: web.Request, number: int) -> web.StreamResponse:
        response = web.Response(body=SUCCESS, content_type="application/json")
        if "gzip" in request.headers["Accept-Encoding"]:
            response.enable_compression(web.ContentCoding.gzip)
        return response

    async with running() as stack:
        stack.source.respond = respond
        packed = [await stack.ask(having(Accept_Encoding="gzip, deflate, br")) for _ in "12"]
        assert [answer.x_cache for answer in packed] == ["MISS", "HIT"]
        assert {gzip.decompress(answer.body) for answer in packed} == {SUCCESS}
        assert {answer.headers["Content-Encoding"] for answer in packed} == {"gzip"}
        plain = await stack.ask(having(Accept_Encoding="identity"))
        assert (plain.x_cache, plain.body) == ("HIT", SUCCESS)
        assert "Content-Encoding" not in plain.headers
        assert {answer.headers["Vary"] for answer in (*packed, plain)} == {"Accept-Encoding"}


async def test_only_content_type_is_kept_of_an_answers_headers() -> None:
    async def respond(request: web.Request, number: int) -> web.StreamResponse:
        headers = {"X-Trace": "1", "ETag": '"x"', "X-Cache": "theirs", "Age": "99", "Cache-Status": "theirs; hit"}
        return web.Response(body=SUCCESS, content_type="application/json", headers=headers)

    async with running() as stack:
        stack.source.respond = respond
        first, second = await stack.ask(), await stack.ask()
        assert first.headers["X-Trace"] == "1"
        assert first.headers.keys().isdisjoint({"X-Cache", "Age", "Cache-Status"})
        assert set(second.headers) == {"Content-Type", "Vary", "Age"}


class BrokenStore:
    """A store that fails at whatever it is asked."""

    degraded = True

    async def get(self, key: Key) -> Lookup:
        return Failed("connect")

    async def get_many(self, keys: Sequence[Key]) -> Sequence[Lookup]:
        return [Failed("connect")] * len(keys)

    async def put(self, key: Key, entry: Entry, *, over: Version | None = ANY) -> bool:
        return False

    async def sweep(self, generations: Mapping[str, str]) -> bool:
        return False

    async def start(self) -> None: ...

    async def close(self) -> None: ...


async def test_a_broken_store_costs_a_miss() -> None:
    async with running(store=lambda clock: BrokenStore()) as stack:
        answer = await stack.ask()
        assert (answer.status, answer.x_cache) == (200, "ERROR")
        assert answer.cache_status == "millpond; fwd=uri-miss; fwd-status=200; detail=store"


async def test_an_answer_too_large_to_keep_is_streamed_and_remembered() -> None:
    body = SUCCESS[:-1] + b" " * 200_000 + b"}"
    first_part = asyncio.Event()

    async def respond(request: web.Request, number: int) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(body[:150_000])
        await first_part.wait()
        await response.write(body[150_000:])
        return response

    async with running(caching=Caching(max_value_mb=0.1)) as stack:
        stack.source.respond = respond
        reply = await stack.pipeline.answer(stack.runtime, Ask())
        assert not isinstance(reply.payload, Exception)
        assert not isinstance(reply.payload.body, bytes)
        received = [await anext(aiter(reply.payload.body))]  # while the source has not sent the rest
        other = asyncio.ensure_future(stack.ask())
        await stack.source.has(2)  # and the next caller does not wait for the first
        first_part.set()
        received += [chunk async for chunk in reply.payload.body]
        assert b"".join(received) == (await other).body == body
        assert reply.cache_status == "millpond; fwd=uri-miss; fwd-status=200; detail=too-large"
        assert (await other).cache_status.endswith("detail=remembered")


async def test_a_source_that_a_reload_took_away_is_not_found() -> None:
    async with running() as stack:
        await stack.book.configure(type(stack.book._config)())
        with pytest.raises(NotFound):
            await stack.ask()


async def test_get_and_post_of_the_same_call_share() -> None:
    async with running() as stack:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        post = Ask(method="POST", path=INSTANT, query="", body=QUERY.encode(), headers=type(Ask().headers)(form))
        assert [(await stack.ask()).x_cache, (await stack.ask(post)).x_cache] == ["MISS", "HIT"]
