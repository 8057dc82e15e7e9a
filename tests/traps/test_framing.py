"""S-26: no ambiguous request is passed on, none is left hanging, and nothing that follows a refused one is carried out.

Each case is sent with a second request right behind it, which a refusal must bury.
"""

import json
import re
from collections.abc import Iterator

import pytest

from proxy.web.guard import Patience
from tests.servers.listener import listening, source
from tests.servers.scripted import Scripted, json_answer

from .corpus import POSTED, REFUSED, UNFINISHED, Expected, post, sections

NEXT = b"GET /ds/prom/next HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n"
SHORT = Patience(head_seconds=0.5, body_seconds=0.5, idle_seconds=1.0, sweep_seconds=0.05)


def statuses(answers: bytes) -> list[int]:
    return [int(line.split(b" ")[1]) for line in answers.split(b"\r\n") if re.match(rb"HTTP/1\.[01] ", line)]


def test_the_corpus_is_one() -> None:
    everything = [case for section in sections().values() for case in section]
    assert len(everything) == len({case.name for case in everything}) >= 150
    assert {case.expected for case in everything} >= {REFUSED, UNFINISHED, POSTED}


@pytest.mark.parametrize("section", sections())
async def test_a_request_is_refused_or_means_one_thing(section: str) -> None:
    async with Scripted(json_answer(b"{}")) as upstream, listening(source(upstream.url), patience=SHORT) as millpond:
        for case in sections()[section]:
            upstream.requests.clear()
            answers = await millpond.raw(case.request + (b"" if case.expected == UNFINISHED else NEXT))
            seen: list[Expected] = [(request.method, request.target, request.body) for request in upstream.requests]
            if case.expected in (REFUSED, UNFINISHED):
                assert seen == [], case.name
                assert all(400 <= status < 600 for status in statuses(answers)), case.name
                assert len(statuses(answers)) == (case.expected == REFUSED), case.name
            else:
                # A client that asks for another protocol does not go on before it has the answer.
                following = [] if b"Upgrade" in case.request else [("GET", "/next", b"")]
                assert seen == [case.expected, *following], case.name
            for request in upstream.requests:
                assert request.headers["Host"] == upstream.url.removeprefix("http://"), case.name
                assert not {"Transfer-Encoding", "Content-Length"} <= set(request.headers), case.name
            assert upstream.malformed == [], case.name


def in_pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize("body", [b"5\r\nhello\r\n0x5\r\nhello\r\n0\r\n\r\n", b"5\r\nhelloworld\r\n0\r\n\r\n"])
async def test_a_body_that_turns_out_broken_is_refused_too(
    body: bytes, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    """By the route whose body is read first, and by one that is streamed."""
    request = post(b"Transfer-Encoding: chunked", b"Authorization: Bearer canary", body=body)
    query = request.replace(b"/ds/prom/x", b"/ds/prom/api/v1/query_range")
    async with Scripted(json_answer(b"{}")) as upstream, listening(source(upstream.url), patience=SHORT) as millpond:
        for broken in (request, query):
            answers = await millpond.raw(*in_pieces(broken + NEXT, size))
            assert statuses(answers) == [400]
    assert upstream.requests == []
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


async def test_a_refusal_is_json_and_neither_it_nor_the_log_repeats_the_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    request = b"GET /ds/prom/x HTTP/1.1\r\nHost: m\r\nAuthorization: Bearer canary\0\r\n\r\n"
    async with Scripted(json_answer(b"{}")) as upstream, listening(source(upstream.url)) as millpond:
        head, _, body = (await millpond.raw(request)).partition(b"\r\n\r\n")
    assert statuses(head) == [400]
    assert b"application/json" in head
    assert "RFC 9112" in json.loads(body)["message"]
    assert b"canary" not in body
    assert "canary" not in caplog.text


@pytest.mark.parametrize(
    "target",
    [
        b"http://user:canary@m/ds/prom/x",
        b"http://us@er:canary@m/ds/prom/x?a=1",
        b"/ds/prom/x?token=canary&b=canary",
        b"/ds/prom/x?canary",
        b"/ds/prom/x?canary&a=1&canary",
        b"/ds/prom/x?api_key%3Dcanary",
    ],
)
async def test_a_request_line_leaves_no_secret_in_the_log(target: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with Scripted(json_answer(b"{}")) as upstream, listening(source(upstream.url)) as millpond:
        await millpond.raw(b"GET " + target + b" HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n")
    lines = [record.__dict__ for record in caplog.records if record.message == "request"]
    assert len(lines) == 1
    assert "canary" not in str(lines)
