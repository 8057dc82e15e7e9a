"""Answers of any size: what is larger than a value is kept in chunks, what is larger than four of them is streamed."""

import asyncio
import gzip
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from aiohttp import web

from proxy.cache.memory import MemoryStore
from proxy.config.schema import Caching
from proxy.core import codings
from proxy.engine import delta, fetch

from .ranges import HOUR, HOUR_MS, STEP_MS, Answer, Asked, Series, Value, View, dashboard, parsed, truly
from .stack import NOW_MS, Clock

VALUE_BYTES = 100 * 1024
SMALL = Caching(max_value_mb=VALUE_BYTES / 2**20)
NEXT = HOUR.moved(STEP_MS)
LONG = View(start_ms=NOW_MS - 12 * HOUR_MS, end_ms=NOW_MS)
"""2881 points: 12 chunks."""


def small(clock: Clock) -> MemoryStore:
    return MemoryStore(max_size_bytes=2**24, max_value_bytes=VALUE_BYTES, clock=clock)


def many(count: int) -> list[Series]:
    return [Series({"__name__": "up", "instance": f"{number:03}"}) for number in range(count)]


def come_and_gone(count: int) -> list[Series]:
    """Each has five samples, somewhere in the long view."""

    def five(first_ms: int) -> Value:
        return lambda time_ms: "1" if first_ms <= time_ms < first_ms + 5 * STEP_MS else None

    between_ms = (LONG.end_ms - LONG.start_ms) // count
    return [
        replace(series, floats=five(LONG.start_ms + number * between_ms)) for number, series in enumerate(many(count))
    ]


async def test_an_answer_larger_than_a_value_is_kept_in_chunks() -> None:
    async with dashboard(caching=SMALL, store=small) as board:
        board.source.series = many(3)
        answered = await board.see(LONG)
        assert VALUE_BYTES < len(answered.body) < 4 * VALUE_BYTES
        assert (await board.see(LONG)).x_cache == "HIT"
        view, _ = await board.refresh(LONG, STEP_MS)
        assert board.took() == [LONG.span, (view.end_ms, view.end_ms)]


async def test_a_chunk_that_is_larger_than_a_value_is_not_kept_and_whole_answers_are_streamed_for_a_while() -> None:
    async with dashboard(caching=SMALL, store=small) as board:
        board.source.series = many(30)
        hour = view = HOUR.over(HOUR.start_ms, HOUR.end_ms - 20 * STEP_MS)  # of one chunk
        for _ in range(3):
            answered = await board.see(view)
            assert VALUE_BYTES < len(answered.body) < 4 * VALUE_BYTES
            board.stack.clock.seconds += STEP_MS / 1000
            view = view.moved(STEP_MS)
        assert await board.metric("not_stored_total", reason="too-large") == 3
        assert board.took() == [hour.moved(number * STEP_MS).span for number in range(3)]
        assert await board.metric("delta_points_total", origin="source") == hour.points  # only the first was cut


async def slowly(asked: Asked) -> web.StreamResponse:
    """Without a length."""
    response = web.StreamResponse()
    await response.prepare(asked.request)
    for begin in range(0, len(asked.body), 10_000):
        await response.write(asked.body[begin : begin + 10_000])
    return response


@pytest.mark.parametrize("answers", [truly, slowly], ids=["with its length", "without"])
async def test_an_answer_larger_than_four_values_is_streamed_and_remembered(
    answers: Answer,
) -> None:
    async with dashboard(caching=SMALL, store=small) as board:
        board.source.series = many(60)
        board.source.answers = answers
        view, details = HOUR, []
        for _ in range(3):
            reply = await board.stack.pipeline.answer(board.stack.runtime, view.ask)
            assert not isinstance(reply.payload, Exception)
            assert not isinstance(reply.payload.body, bytes)
            body = b"".join([piece async for piece in reply.payload.body])
            assert len(body) > 4 * VALUE_BYTES
            assert body == board.truth(view)
            details.append(reply.cache_status.rpartition("=")[2])
            board.stack.clock.seconds += STEP_MS / 1000
            view = view.moved(STEP_MS)
        assert details == ["too-large"] * 3
        assert len(board.took()) == 3
        assert board.kept == 0


async def test_a_part_larger_than_four_values_is_left_to_the_clients_own_request() -> None:
    async with dashboard(caching=SMALL, store=small) as board:
        board.source.series = many(75)
        short = HOUR.over(NOW_MS - 20 * STEP_MS, NOW_MS)
        await board.see(short)
        part = HOUR.over(HOUR.start_ms, short.start_ms - STEP_MS)
        for moved_ms in (0, -STEP_MS):
            board.took()
            answered = await board.see(HOUR.moved(moved_ms))
            assert answered.cache_status.endswith("detail=too-large")
            assert board.took() == ([HOUR.moved(moved_ms).span] if moved_ms else [part.span, HOUR.span])


async def test_who_takes_no_gzip_gets_none_of_an_answer_larger_than_a_value() -> None:
    """Though another, who does, had asked for it."""

    async def zipped(asked: Asked) -> web.StreamResponse:
        headers = {"Content-Encoding": "gzip"}
        return web.Response(body=gzip.compress(asked.body), content_type="application/json", headers=headers)

    async with dashboard(caching=SMALL, store=small) as board:
        board.source.series = many(30)
        board.source.answers = zipped
        board.stack.source.gate.clear()
        with_gzip = replace(HOUR, headers={"Accept-Encoding": "gzip"})
        tasks = [asyncio.ensure_future(board.stack.ask(view.ask)) for view in (with_gzip, HOUR)]
        await board.stack.source.has(1)
        board.stack.source.gate.set()
        packed, plain = await asyncio.gather(*tasks)
        assert board.took() == [HOUR.span]
        assert packed.headers["Content-Encoding"] == "gzip"
        assert len(board.truth(HOUR)) > VALUE_BYTES
        assert "Content-Encoding" not in plain.headers
        assert parsed(plain.body) == parsed(gzip.decompress(packed.body)) == parsed(board.truth(HOUR))


@pytest.mark.parametrize("known_points", [10, 2870])
async def test_large_answers_are_put_together_off_the_loop(known_points: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However little of them was known before."""
    threads: set[bool] = set()
    monkeypatch.setattr(delta, "_JOINED_OFF_THE_LOOP_BYTES", 64 * 1024)

    def watched(work: Callable[..., object], *arguments: object) -> object:
        threads.add(threading.current_thread() is threading.main_thread())
        return work(*arguments)

    for name in ("_write", "_merge"):
        monkeypatch.setattr(delta, name, partial(watched, getattr(delta, name)))
    async with dashboard() as board:
        board.source.series = many(3)
        await board.see(LONG.over(LONG.start_ms, LONG.start_ms + known_points * STEP_MS))
        threads.clear()
        await board.see(LONG)
        assert threads == {False}


async def test_many_label_sets_are_sorted_off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some kilobytes of samples, of series that are others in each chunk."""
    threads: set[bool] = set()

    def watched(*arguments: object) -> object:
        threads.add(threading.current_thread() is threading.main_thread())
        return write(*arguments)

    write: Callable[..., object] = delta._write
    monkeypatch.setattr(delta, "_write", watched)
    async with dashboard() as board:
        board.source.series = come_and_gone(600)
        await board.see(LONG)
        assert (await board.see(LONG)).x_cache == "HIT"
        assert threads == {False}


async def test_a_small_body_that_holds_a_large_one_is_read_off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[bool] = set()
    decode = codings.decode

    def watched(coding: str, body: bytes, limit_bytes: int) -> bytes | codings.Undecodable:
        threads.add(threading.current_thread() is threading.main_thread())
        return decode(coding, body, limit_bytes)

    async def zipped(asked: Asked) -> web.StreamResponse:
        headers = {"Content-Encoding": "gzip"}
        body = gzip.compress(asked.body)
        assert len(body) < fetch.OFF_THE_LOOP_BYTES < len(asked.body)
        return web.Response(body=body, content_type="application/json", headers=headers)

    async with dashboard() as board:
        monkeypatch.setattr(codings, "decode", watched)
        board.source.series = many(10)
        board.source.answers = zipped
        answered = await board.stack.ask(replace(LONG, headers={"Accept-Encoding": "gzip"}).ask)
        assert threads == {False}
        assert gzip.decompress(answered.body) == board.truth(LONG)


async def test_series_that_come_and_go_are_kept_where_they_are() -> None:
    """Each has samples in one of many chunks: its label set is not kept in all of them."""
    async with dashboard() as board:
        board.source.series = come_and_gone(300)
        answered = await board.see(LONG)
        assert (await board.see(LONG)).x_cache == "HIT"
        assert await board.metric("stored_bytes_total") < 1.5 * len(answered.body)
