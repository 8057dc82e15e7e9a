"""Nothing partial is ever called whole: a part that fails fails the answer, or the client's own request is sent and its
answer relayed as it is. Warnings and infos reach the client.
"""

import asyncio
import gzip
import json
from dataclasses import replace

import pytest
from aiohttp import web

from proxy.config.schema import Duration, Timeouts
from proxy.errors import UpstreamError

from .ranges import HOUR, HOUR_MS, STEP_MS, Answer, Asked, Board, View, dashboard, for_parts, truly
from .stack import TTL_MS, UID

NEXT = HOUR.moved(STEP_MS)
GAP = (NEXT.end_ms, NEXT.end_ms)


def status(code: int, text: str = "no", **headers: str) -> Answer:
    async def answers(asked: Asked) -> web.StreamResponse:
        response = web.Response(status=code, text=text, headers={k.replace("_", "-"): v for k, v in headers.items()})
        if code != 204 and "gzip" in asked.request.headers.get("Accept-Encoding", ""):
            response.enable_compression(web.ContentCoding.gzip)
        return response

    return answers


async def hangs(asked: Asked) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def hangs_up(asked: Asked) -> web.StreamResponse:
    assert asked.request.transport is not None
    asked.request.transport.abort()
    return web.Response()


async def breaks_off(asked: Asked) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": str(len(asked.body))})
    await response.prepare(asked.request)
    await response.write(asked.body[:-20])
    assert asked.request.transport is not None
    asked.request.transport.abort()
    return response


async def is_cut(asked: Asked) -> web.StreamResponse:
    return web.Response(body=asked.body[:-20], content_type="application/json")


async def is_cut_gzip(asked: Asked) -> web.StreamResponse:
    headers = {"Content-Encoding": "gzip"}
    return web.Response(body=gzip.compress(asked.body)[:-9], content_type="application/json", headers=headers)


def between() -> tuple[View, View, tuple[int, int], tuple[int, int]]:
    """A view of settled points, a wider one, and the two parts that it shows more."""
    view = HOUR.moved(-5 * HOUR_MS)
    wide = view.over(view.start_ms - 20 * STEP_MS, view.end_ms + 20 * STEP_MS)
    return view, wide, (wide.start_ms, view.start_ms - STEP_MS), (view.end_ms + STEP_MS, wide.end_ms)


async def warm(board: Board) -> None:
    """The hour is known, and fifteen seconds more have gone by."""
    await board.see(HOUR)
    board.stack.clock.seconds += STEP_MS / 1000
    board.took()


@pytest.mark.parametrize("code", [400, 422, 429, 500, 503, 302, 204])
@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_a_part_that_is_refused_is_asked_again_as_the_client_asked(code: int, coding: str) -> None:
    async with dashboard() as board:
        await warm(board)
        text = '{"status":"error","errorType":"execution","error":"%s"}'
        board.source.answers = for_parts(
            status(code, text % "of the part"), status(code, text % "of the whole", X_Told="yes", Retry_After="7")
        )
        answered = await board.stack.ask(replace(NEXT, headers={"Accept-Encoding": coding}).ask)
        assert (answered.status, answered.x_cache) == (code, "MISS")
        body = gzip.decompress(answered.body) if "Content-Encoding" in answered.headers else answered.body
        assert b"of the whole" in body or code == 204
        assert answered.headers.get("Content-Encoding", "identity") == ("identity" if code == 204 else coding)
        assert (answered.headers["X-Told"], answered.headers["Retry-After"]) == ("yes", "7")
        assert answered.cache_status == f"millpond; fwd=uri-miss; fwd-status={code}; detail=status"
        assert board.took() == [GAP, NEXT.span]
        board.source.answers = truly
        await board.see(NEXT)
        assert board.took() == [GAP]  # what was known still is


async def test_a_part_that_is_refused_may_be_answered_as_a_whole() -> None:
    async with dashboard() as board:
        await warm(board)
        board.source.answers = for_parts(status(422))
        answered = await board.see(NEXT)
        assert answered.cache_status == "millpond; fwd=uri-miss; fwd-status=200; stored"
        assert board.took() == [GAP, NEXT.span]


@pytest.mark.parametrize("spoilt", [hangs, hangs_up, breaks_off, is_cut_gzip])
async def test_a_part_that_does_not_come_whole_fails_the_answer(spoilt: Answer) -> None:
    timeouts = Timeouts(first_byte_ms=Duration(200), total_ms=Duration(5_000))
    async with dashboard(timeouts=timeouts) as board:
        await warm(board)
        board.source.answers = for_parts(spoilt)
        with pytest.raises(UpstreamError):
            await board.stack.ask(NEXT.ask)
        board.source.answers = truly
        board.took()
        await board.see(NEXT)
        assert board.took() == [GAP]


@pytest.mark.parametrize("spoilt", [hangs, hangs_up, breaks_off])
async def test_nothing_known_and_the_source_fails(spoilt: Answer) -> None:
    timeouts = Timeouts(first_byte_ms=Duration(200), total_ms=Duration(5_000))
    async with dashboard(timeouts=timeouts) as board:
        board.source.answers = spoilt
        with pytest.raises(UpstreamError):
            await board.stack.ask(HOUR.ask)
        board.source.answers = truly
        assert (await board.see(HOUR)).x_cache == "MISS"


async def empty(asked: Asked) -> web.StreamResponse:
    return web.Response(content_type="application/json")


async def signs_in(asked: Asked) -> web.StreamResponse:
    return web.Response(text="<html>sign in", content_type="text/html")


async def error_in_200(asked: Asked) -> web.StreamResponse:
    return web.Response(text='{"status":"error","error":"x"}', content_type="application/json")


@pytest.mark.parametrize("spoilt", [is_cut, empty, signs_in, error_in_200])
async def test_a_part_that_says_nothing_is_asked_as_a_whole_and_says_nothing_of_the_source(spoilt: Answer) -> None:
    async with dashboard() as board:
        await warm(board)
        board.source.answers = for_parts(spoilt)
        await board.see(NEXT)
        assert board.took() == [GAP, NEXT.span]
        board.source.answers = truly
        board.stack.clock.seconds += 1
        await board.see(NEXT)
        assert board.took() == [GAP]
        assert await board.metric("delta_unfit_answers_total") == 0


async def test_one_part_of_two_fails() -> None:
    async with dashboard() as board:
        view, wide, before, after = between()
        await board.see(view)
        board.took()

        async def answers(asked: Asked) -> web.StreamResponse:
            return await (breaks_off if asked.span == after else truly)(asked)

        board.source.answers = answers
        with pytest.raises(UpstreamError):
            await board.stack.ask(wide.ask)
        assert sorted(board.took()) == [before, after]
        board.source.answers = truly
        await board.see(wide)


def remarks(name: str, *texts: str) -> Answer:
    async def answers(asked: Asked) -> web.StreamResponse:
        body = asked.body[:-1] + f',"{name}":{json.dumps(texts)}}}'.encode()
        return web.Response(body=body, content_type="application/json")

    return answers


async def test_warnings_of_a_part_reach_the_client_and_nothing_of_it_is_stored() -> None:
    async with dashboard() as board:
        await warm(board)
        board.source.answers = for_parts(remarks("warnings", "a store is down"))
        for _ in "12":
            answered = await board.stack.ask(NEXT.ask)
            said = json.loads(answered.body)
            assert said.pop("warnings") == ["a store is down"]
            assert said == json.loads(board.truth(NEXT))
            moment = NEXT.end_ms // 1000
            assert (
                answered.cache_status == f'millpond; fwd=partial; fwd-status=200; detail="{moment}..{moment} partial"'
            )
        assert board.took() == [GAP, GAP]
        assert await board.metric("not_stored_total", datasource_uid=UID, reason="partial") == 2
        board.source.answers = truly
        await board.see(NEXT)
        assert (await board.see(NEXT)).x_cache == "HIT"


async def test_a_part_with_warnings_is_not_stored_and_its_neighbour_is() -> None:
    async with dashboard() as board:
        view, wide, before, after = between()
        await board.see(view)
        warns = remarks("warnings", "a store is down")

        async def answers(asked: Asked) -> web.StreamResponse:
            return await (warns if asked.span == before else truly)(asked)

        board.source.answers = answers
        board.took()
        answered = await board.stack.ask(wide.ask)
        assert json.loads(answered.body)["warnings"] == ["a store is down"]
        assert "stored" not in answered.cache_status
        assert "partial" in answered.cache_status.partition("detail")[2]
        assert sorted(board.took()) == [before, after]
        board.source.answers = truly
        await board.see(wide)
        assert board.took() == [before]


async def test_warnings_of_a_whole_answer_keep_it_out() -> None:
    async with dashboard() as board:
        board.source.more = {"warnings": ["a store is down"]}
        assert [(await board.see(HOUR)).x_cache for _ in "12"] == ["MISS", "MISS"]
        assert board.took() == [HOUR.span] * 2


async def test_infos_are_kept_and_united() -> None:
    async with dashboard() as board:
        board.source.answers = remarks("infos", "is b a counter?")
        await board.stack.ask(HOUR.ask)
        board.source.answers = remarks("infos", "is a a counter?", "is b a counter?")
        board.stack.clock.seconds += STEP_MS / 1000
        for x_cache in ("MISS", "HIT"):
            answered = await board.stack.ask(NEXT.ask)
            said = json.loads(answered.body)
            assert answered.x_cache == x_cache
            assert said.pop("infos") == ["is a a counter?", "is b a counter?"]
            assert said == json.loads(board.truth(NEXT))


async def test_of_infos_that_are_others_each_time_no_more_are_kept_than_a_source_tells() -> None:
    """Prometheus 3's remarks on `histogram_quantile` count samples and name times."""
    async with dashboard() as board:
        view = HOUR
        for number in range(100):
            board.source.answers = remarks("infos", f"{number} samples from {view.end_ms}", "is a a counter?")
            answered = await board.stack.ask(view.ask)
            board.stack.clock.seconds += STEP_MS / 1000
            view = view.moved(STEP_MS)
        infos = json.loads(answered.body)["infos"]
        assert {f"99 samples from {view.end_ms - STEP_MS}", "is a a counter?"} <= set(infos)
        assert len(infos) == 11


async def test_a_gzip_that_nobody_asked_for_is_undone() -> None:
    async def zipped(asked: Asked) -> web.StreamResponse:
        headers = {"Content-Encoding": "gzip"}
        return web.Response(body=gzip.compress(asked.body), content_type="application/json", headers=headers)

    async with dashboard() as board:
        board.source.answers = zipped
        for view in (HOUR, HOUR, NEXT):
            answered = await board.see(view)
            assert "Content-Encoding" not in answered.headers
        assert board.took() == [HOUR.span, GAP]


async def test_the_first_answer_is_relayed_as_it_came() -> None:
    async def zipped(asked: Asked) -> web.StreamResponse:
        response = web.Response(body=asked.body, content_type="application/json", headers={"X-Trace": "1"})
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async with dashboard() as board:
        board.source.answers = zipped
        view = replace(HOUR, headers={"Accept-Encoding": "gzip"})
        first = await board.stack.ask(view.ask)
        assert gzip.decompress(first.body) == board.truth(HOUR)
        assert (first.headers["Content-Encoding"], first.headers["X-Trace"]) == ("gzip", "1")
        second = await board.see(view)
        assert set(second.headers) == {"Content-Type", "Vary", "Age"}


HEADS = {
    "cookie": ({"Set-Cookie": "session=1"}, "set-cookie"),
    "no-store": ({"Cache-Control": "no-store"}, "no-store"),
    "private": ({"Cache-Control": "private"}, "private"),
    "vary": ({"Vary": "X-Forwarded-For"}, "vary"),
    "vary all": ({"Vary": "*"}, "vary"),
}


@pytest.mark.parametrize(("headers", "detail"), HEADS.values(), ids=HEADS.keys())
async def test_an_answer_that_may_not_be_shared_is_no_part(headers: dict[str, str], detail: str) -> None:
    async def heads(asked: Asked) -> web.StreamResponse:
        return web.Response(body=asked.body, content_type="application/json", headers=headers)

    async with dashboard() as board:
        board.source.answers = heads
        view, details = HOUR, []
        for _ in range(3):
            answered = await board.see(view)
            assert all(answered.headers[name] == value for name, value in headers.items())
            details.append(answered.cache_status.rpartition("=")[2])
            board.stack.clock.seconds += STEP_MS / 1000
            view = view.moved(STEP_MS)
        assert details == [detail] * 3
        assert len(board.took()) == 3
        assert board.kept == 0


@pytest.mark.parametrize(("headers", "detail"), HEADS.values(), ids=HEADS.keys())
async def test_a_source_that_begins_to_send_such_answers_is_asked_for_parts_no_more(
    headers: dict[str, str], detail: str
) -> None:
    async def heads(asked: Asked) -> web.StreamResponse:
        return web.Response(body=asked.body, content_type="application/json", headers=headers)

    async with dashboard() as board:
        await warm(board)
        board.source.answers = heads
        for _ in range(2):
            view = HOUR.moved(int(board.stack.clock.seconds - 1000) * 1000)
            answered = await board.see(view)
            assert all(answered.headers[name] == value for name, value in headers.items())
            board.stack.clock.seconds += STEP_MS / 1000
        assert board.took() == [GAP, NEXT.span, NEXT.moved(STEP_MS).span]


async def test_the_ttl_of_what_is_known_is_not_lengthened_by_a_failure() -> None:
    async with dashboard() as board:
        await board.see(HOUR)
        board.stack.clock.seconds += TTL_MS / 1000
        board.source.answers = for_parts(status(503), status(503))
        assert (await board.stack.ask(HOUR.ask)).status == 503
