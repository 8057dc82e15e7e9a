"""VictoriaMetrics' range queries through a running Millpond with deltas on: each answer, in whatever order the ranges are
asked, is what a real one says of the whole range with `nocache=1`. Figures are whole numbers, whose sums do not depend on
their order (`metricsql`).
"""

import json
import os
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.servers.binaries import find
from tests.servers.millpond import Millpond
from tests.servers.prometheus import START_S
from tests.servers.source import RunningSource, RunSource
from tests.servers.victoriametrics import VictoriaMetrics
from tests.servers.wire import Reply, ask
from tests.sources import relay

from .configured import caching
from .test_sliceable import AT_VICTORIAMETRICS, DIFFERENT_THERE

PATH = "/api/v1/query_range"
FORM = ("Content-Type", "application/x-www-form-urlencoded")
SEED = os.environ.get("FUZZ_SEED", "7")
RANGES = int(os.environ.get("FUZZ_EXAMPLES", "400")) // 50
"""Of each expression."""
START_MS = START_S * 1000
END_MS = START_MS + 9_000_000
SCRAPE_S = 15


@pytest.fixture(scope="module")
def regular() -> Iterator[VictoriaMetrics]:
    """With samples at even distances, so that it makes the same of how far apart they are, whatever it reads of them; of
    some series only in the middle of the time, of all of them before it begins.
    """
    find("victoria-metrics")
    chance = random.Random(8)
    lines = []
    for number in range(6):
        total, (begin_s, end_s) = 0, ((-1800, 9000), (2400, 6600))[number in (2, 3)]
        for time_s in range(START_S + begin_s, START_S + end_s, SCRAPE_S):
            labels = f'i="{number}",g="{number % 2}"'
            total += chance.randrange(9)
            lines.append(f"c_total{{{labels}}} {total} {time_s}000\n")
            lines.append(f"g{{{labels}}} {chance.randrange(1000)} {time_s}000\n")
    with VictoriaMetrics() as server:
        server.write("".join(lines))
        yield server


@dataclass(frozen=True, slots=True)
class Side:
    source: RunningSource
    millpond: Millpond
    victoriametrics: VictoriaMetrics

    def ask(self, uid: str, given: dict[str, str], *, post: bool = False) -> tuple[Reply, list[str]]:
        """The answer, and what the source was asked for it."""
        before = self.source.count
        path, text = f"/ds/{uid}{PATH}", urlencode(given)
        if post:
            reply = ask(self.millpond.port, path, FORM, method="POST", body=text.encode())
        else:
            reply = ask(self.millpond.port, f"{path}?{text}")
        return reply, [request.target for request in self.source.recorder.requests[before:]]

    def truth(self, given: dict[str, str], *, nocache: bool = True) -> Any:
        return content(ask(self.victoriametrics.port, f"{PATH}?{urlencode(given)}{'&nocache=1' * nocache}"))


def content(reply: Reply) -> Any:
    return json.loads(reply.decoded)


@pytest.fixture(scope="module")
def side(run_source: RunSource, regular: VictoriaMetrics) -> Iterator[Side]:
    source = run_source(relay.make(regular.url))
    sources: list[dict[str, object]] = [
        {"uid": "on", "type": "victoriametrics", "url": source.url, "delta": {"enabled": True}},
        {"uid": "default", "type": "victoriametrics", "url": source.url},
        {"uid": "plain", "type": "victoriametrics", "url": source.url, "delta": {"enabled": False}},
    ]
    with Millpond(config=caching(*sources)) as millpond:
        yield Side(source, millpond, regular)


def seconds(time_ms: int) -> str:
    return f"{time_ms // 1000}.{time_ms % 1000:03d}".removesuffix(".000")


def ranges(chance: random.Random) -> Iterator[dict[str, str]]:
    """Zooms, pans and refreshes on one grid."""
    step_ms = chance.choice((15_000, 60_000, 77_500, 15_500, 300_000))
    phase_ms = chance.choice((0, 0, 907_250 % step_ms))
    points = (END_MS - START_MS) // step_ms
    start_ms = START_MS // step_ms * step_ms + phase_ms
    first, last = 0, chance.randrange(1, points)
    for _ in range(RANGES):
        yield {
            "start": seconds(start_ms + first * step_ms),
            "end": seconds(start_ms + last * step_ms + chance.choice((0, 0, step_ms // 3))),
            "step": seconds(step_ms),
        }
        if chance.random() < 0.4:  # a refresh
            first, last = first + 1, last + 1
        else:
            first = chance.randrange(points)
            last = chance.randrange(first, points + 3)


@pytest.mark.parametrize("text", AT_VICTORIAMETRICS)
def test_answers_are_those_of_the_source(side: Side, text: str) -> None:
    chance = random.Random(SEED + text)
    for given in ranges(chance):
        given["query"] = text
        reply, asked = side.ask("on", given, post=chance.random() < 0.3)
        nocache = all("nocache" in target for target in asked)
        assert content(reply) == side.truth(given, nocache=nocache), given


def test_most_of_it_was_not_asked_again(side: Side) -> None:
    before = points(side)
    for given in ranges(random.Random("x")):
        side.ask("on", {"query": f"{AT_VICTORIAMETRICS[0]} + 0", **given})  # which no other test asks
    cached, fetched = (after - earlier for after, earlier in zip(points(side), before, strict=True))
    assert cached > fetched > 0


def points(side: Side) -> tuple[float, float]:
    """From the cache, and from the source."""
    metrics = side.millpond.metrics().items()
    cached, fetched = (
        sum(
            value
            for name, value in metrics
            if name.startswith("millpond_delta_points_total") and f'origin="{origin}"' in name and '"on"' in name
        )
        for origin in ("cache", "source")
    )
    return cached, fetched


@pytest.mark.parametrize("text", DIFFERENT_THERE)
def test_what_differs_there_is_asked_whole_and_as_it_came(side: Side, text: str) -> None:
    for end_ms in (START_MS + 900_000, START_MS + 960_000):
        given = {"query": text, "start": seconds(START_MS), "end": seconds(end_ms), "step": "60"}
        _, asked = side.ask("on", given)
        assert asked == [f"{PATH}?{urlencode(given)}"]


def test_parts_are_asked_past_the_sources_own_cache(side: Side) -> None:
    text = "sum(g) + 17"
    given = {"start": seconds(START_MS), "end": seconds(START_MS + 6_000_000), "step": "60"}
    first, asked = side.ask("on", {"query": text, **given})
    exactly = {"query": text, "start": f"{START_S}.000", "end": f"{START_S + 6000}.000", "step": "60"}
    assert asked == [f"{PATH}?{urlencode(exactly)}&nocache=1"]
    given["end"] = seconds(START_MS + 6_120_000)
    second, asked = side.ask("on", {"query": text, **given})
    assert len(asked) == 1
    assert re.search(rf"start={START_S + 6060}.000&end={START_S + 6120}.000&step=60&nocache=1$", asked[0])
    third, asked = side.ask("on", {"query": text, **given})
    assert (first.x_cache, second.x_cache, third.x_cache, asked) == ("MISS", "MISS", "HIT", [])
    assert second.body == third.body


@pytest.mark.parametrize("uid", ["default", "plain"])
def test_without_deltas_nothing_is_changed(side: Side, uid: str) -> None:
    given = {"query": "sum(g) + 19", "start": seconds(START_MS), "end": seconds(START_MS + 6_000_000), "step": "60"}
    first, asked = side.ask(uid, given)
    assert asked == [f"{PATH}?{urlencode(given)}"]
    second, asked = side.ask(uid, given)
    assert (second.x_cache, asked, second.body) == ("HIT", [], first.body)
    given["end"] = seconds(START_MS + 6_060_000)
    third, asked = side.ask(uid, given)
    assert asked == [f"{PATH}?{urlencode(given)}"]
    assert third.headers["Cache-Status"] == "millpond; fwd=uri-miss; fwd-status=200; stored"


def test_errors_stay_as_they_are(side: Side) -> None:
    given = {"query": "sum(g", "start": seconds(START_MS), "end": seconds(START_MS + 600_000), "step": "60"}
    reply, _ = side.ask("on", given)
    direct = ask(side.victoriametrics.port, f"{PATH}?{urlencode(given)}&nocache=1")
    assert (reply.status, reply.decoded) == (direct.status, direct.body)
    assert reply.status == 422
