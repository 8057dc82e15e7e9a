"""A source whose answers are not what was asked for is answered from by the client's own request, and is out of deltas for
five minutes: it alone, with a count of each such answer and one line in the log.
"""

import logging
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from aiohttp import web

from .ranges import HOUR, HOUR_MS, PATH, STEP_MS, Answer, Asked, Series, dashboard, for_parts, truly, written
from .stack import TTL_MS, UID, Ask

MINUTES_MS = 300_000
NEXT = HOUR.moved(STEP_MS)
GAP = (NEXT.end_ms, NEXT.end_ms)
WIDE = HOUR.over(HOUR.start_ms - 4 * STEP_MS, HOUR.end_ms)
"""With four points more, so that samples can be swapped."""
FOUR = (WIDE.start_ms, HOUR.start_ms - STEP_MS)
SAMPLE = re.compile(rb'\[[0-9.]+,"\d+"\]')


def rewritten(change: Callable[[bytes], bytes]) -> Answer:
    async def answers(asked: Asked) -> web.StreamResponse:
        body = change(asked.body)
        assert body != asked.body
        return web.Response(body=body, content_type="application/json")

    return answers


async def one_more_point(asked: Asked) -> web.StreamResponse:
    body = written((Series({"a": "b"}),), asked.start_ms, asked.end_ms + STEP_MS, STEP_MS)
    return web.Response(body=body, content_type="application/json")


def _swapped(body: bytes) -> bytes:
    one, other = SAMPLE.findall(body)[:2]
    return body.replace(one, b"!").replace(other, one).replace(b"!", other)


def _series_twice(body: bytes) -> bytes:
    head, bracket, series = body.partition(b'"result":[')
    first = series[: series.index(b"]]}") + 3]
    return head + bracket + first + b"," + series


def _relabelled_twice(body: bytes) -> bytes:
    """The same labels in another order."""
    twice = _series_twice(body)
    return twice.replace(b'{"__name__":"up","instance":"a"}', b'{"instance":"a","__name__":"up"}', 1)


UNFIT = {
    "moved by a second": ("grid", rewritten(lambda body: re.sub(rb"\[(\d+),", rb"[\g<1>.001,", body))),
    "one more point": ("grid", one_more_point),
    "shorter decimals": ("grid", rewritten(lambda body: re.sub(rb"\[(\d+),", rb"[\1.0,", body))),
    "an exponent": ("shape", rewritten(lambda body: re.sub(rb"\[(\d)(\d+),", rb"[\1.\2e9,", body))),
    "unordered": ("order", rewritten(_swapped)),
    "a sample twice": ("order", rewritten(lambda body: SAMPLE.sub(rb"\g<0>,\g<0>", body, count=1))),
    "a series twice": ("double", rewritten(_series_twice)),
    "a series twice, labels turned": ("double", rewritten(_relabelled_twice)),
    "partial": ("partial", rewritten(lambda body: body[:-1] + b',"isPartial":true}')),
    "a new member": ("shape", rewritten(lambda body: body[:-1] + b',"cost":1}')),
    "a new member of the data": ("shape", rewritten(lambda body: body.replace(b'"result":', b'"cost":1,"result":'))),
    "a new member of a series": ("shape", rewritten(lambda body: body.replace(b'"values":', b'"cost":1,"values":'))),
    "a vector": ("shape", rewritten(lambda body: body.replace(b"matrix", b"vector"))),
    "null": ("shape", rewritten(lambda body: b'{"status":"success","data":{"resultType":"matrix","result":null}}')),
    "numbers for values": ("shape", rewritten(lambda body: re.sub(rb',"(\d+)"\]', rb",\1]", body))),
    "white space": ("shape", rewritten(lambda body: body.replace(b"],[", b"], ["))),
    "labels that are no strings": ("shape", rewritten(lambda body: body.replace(b'"instance":"a"', b'"instance":1'))),
}


@pytest.mark.parametrize(("flaw", "spoilt"), UNFIT.values(), ids=UNFIT.keys())
async def test_an_unfit_part_is_not_used(flaw: str, spoilt: Answer, caplog: pytest.LogCaptureFixture) -> None:
    async with dashboard() as board:
        await board.see(HOUR)
        board.source.answers = for_parts(spoilt)
        answered = await board.see(WIDE)
        assert answered.cache_status == "millpond; fwd=uri-miss; fwd-status=200; stored"
        assert board.took() == [HOUR.span, FOUR, WIDE.span]
        assert await board.metric("delta_unfit_answers_total", datasource_uid=UID, flaw=flaw) == 1
        assert await board.metric("delta_unfit_answers_total") == 1
        (line,) = [record for record in caplog.records if record.name.startswith("proxy.engine")]
        assert (line.levelno, line.__dict__["datasource"], line.__dict__["flaw"]) == (logging.WARNING, UID, flaw)


@pytest.mark.parametrize(("flaw", "spoilt"), UNFIT.values(), ids=UNFIT.keys())
async def test_an_unfit_answer_to_the_clients_own_request_is_his(flaw: str, spoilt: Answer) -> None:
    async with dashboard() as board:
        seen: list[bytes | bytearray | memoryview | object] = []

        async def answers(asked: Asked) -> web.StreamResponse:
            response = await spoilt(asked)
            assert isinstance(response, web.Response)
            seen.append(response.body)
            return response

        board.source.answers = answers
        answered = await board.stack.ask(HOUR.ask)
        assert [answered.body] == seen
        assert board.took() == [HOUR.span]
        assert await board.metric("delta_unfit_answers_total", flaw=flaw) == (0 if flaw == "partial" else 1)
        board.source.answers = truly
        moved = HOUR.moved(STEP_MS)
        await board.see(moved)
        assert board.took() == [moved.span]


async def test_out_for_five_minutes_and_back() -> None:
    async with dashboard() as board:
        await board.see(HOUR)
        board.source.answers = for_parts(one_more_point)
        await board.see(NEXT)
        board.source.answers = truly
        board.took()
        for _ in "12":
            view = NEXT.moved(STEP_MS)
            assert [(await board.see(view)).x_cache for _ in "12"] == ["MISS", "HIT"]
            assert board.took() == [view.span]
            board.stack.clock.seconds += TTL_MS / 1000
        board.stack.clock.seconds = 1000 + MINUTES_MS / 1000 - 0.001
        view = HOUR.moved(MINUTES_MS)
        await board.see(view)
        assert board.took() == [view.span]
        board.stack.clock.seconds = 1000 + MINUTES_MS / 1000
        await board.see(view.over(view.start_ms, view.end_ms - STEP_MS))
        board.took()
        board.stack.clock.seconds += 1
        assert (await board.see(view)).x_cache == "MISS"
        assert board.took() == [(view.end_ms, view.end_ms)]
        assert await board.metric("delta_unfit_answers_total") == 1


async def test_another_source_stays() -> None:
    async with dashboard() as board:
        for twin in (False, True):
            await board.see(HOUR, twin=twin)
        board.source.answers = for_parts(one_more_point)
        await board.see(NEXT)
        board.source.answers = truly
        board.took()
        await board.see(NEXT, twin=True)
        assert board.took() == [GAP]


async def test_each_unfit_answer_is_counted_and_one_line_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with dashboard() as board:
        view = HOUR.moved(-5 * HOUR_MS)
        await board.see(view)
        board.source.answers = for_parts(one_more_point)
        wide = view.over(view.start_ms - 20 * STEP_MS, view.end_ms + 20 * STEP_MS)
        await board.see(wide)
        assert len(board.took()) == 4
        assert await board.metric("delta_unfit_answers_total", datasource_uid=UID, flaw="grid") == 2
        assert len([record for record in caplog.records if record.name.startswith("proxy.engine")]) == 1


async def test_series_that_come_and_go_stand_in_the_order_of_their_labels() -> None:
    """Of each part the source writes other series; their labels come in any order."""

    def before(time_ms: int) -> str | None:
        return str(time_ms) if time_ms < HOUR.start_ms + HOUR_MS // 2 else None

    def after(time_ms: int) -> str | None:
        return None if before(time_ms) else str(time_ms)

    async with dashboard() as board:
        board.source.series = (
            Series({}, before),
            Series({"__name__": "up", "instance": "a", "job": "x"}, after),
            Series({"__name__": "up", "instance": "b"}, before),
            Series({"__name__": "up", "instance": "b", "job": "x"}),
            Series({"__name__": "up", "instance": "c"}, after),
            Series({"instance": 'a é ☃ \\ " { [ ],[ '}, after),
        )
        half = HOUR.start_ms + HOUR_MS // 2
        await board.see(HOUR.over(HOUR.start_ms, half - STEP_MS))
        await board.see(HOUR)
        await board.see(HOUR.over(HOUR.start_ms - 10 * STEP_MS, HOUR.end_ms))
        for start_ms in (HOUR.start_ms, half - 3 * STEP_MS, half):
            assert (await board.see(HOUR.over(start_ms, HOUR.end_ms))).x_cache == "HIT"
        assert (await board.see(HOUR.over(HOUR.start_ms, half))).x_cache == "HIT"
        assert len(board.took()) == 3


async def test_histograms_alone_and_in_turn_with_floats() -> None:
    def odd(time_ms: int) -> str | None:
        return str(time_ms) if time_ms // STEP_MS % 2 else None

    def even(time_ms: int) -> str | None:
        return None if odd(time_ms) else str(time_ms)

    async with dashboard() as board:
        board.source.series = (
            Series({"a": "histograms"}, lambda time_ms: None, str),
            Series({"b": "in turn"}, odd, even),
            Series({"c": "floats"}),
            Series({"d": "seldom"}, lambda time_ms: None, lambda t: str(t) if t % 600_000 == 0 else None),
        )
        view = HOUR
        await board.see(view)
        for _ in range(5):
            view, _ = await board.refresh(view, STEP_MS)
        for moved in range(3):
            part = view.over(view.start_ms + moved * STEP_MS, view.end_ms - moved * STEP_MS)
            assert (await board.see(part)).x_cache == "HIT"
        await board.see(replace(view, start_ms=view.start_ms - HOUR_MS // 4))
        assert await board.metric("delta_unfit_answers_total") == 0


async def test_a_range_before_1970_takes_no_source_out() -> None:
    """Its stamps have a sign. It is the question that is odd, not the source."""
    async with dashboard() as board:
        early = "query=vector(1)&start=1969-12-31T23:59:00Z&end=1970-01-01T00:01:00Z&step=15"
        stamps = ",".join(f'[{time},"1"]' for time in range(-60, 61, 15))
        matrix = f'{{"resultType":"matrix","result":[{{"metric":{{}},"values":[{stamps}]}}]}}'

        async def respond(request: web.Request, number: int) -> web.StreamResponse:
            return web.Response(text=f'{{"status":"success","data":{matrix}}}', content_type="application/json")

        board.stack.source.respond, asked = respond, board.stack.source.respond
        assert (await board.stack.ask(Ask(path=PATH, query=early))).status == 200
        board.stack.source.respond = asked
        assert await board.metric("delta_unfit_answers_total") == 0
        await board.see(HOUR)
        await board.see(NEXT)
        assert board.took() == [HOUR.span, GAP]
