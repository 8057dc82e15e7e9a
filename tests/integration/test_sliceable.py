"""What is called sliceable, held against a real Prometheus and VictoriaMetrics: slices of the range put together are the
answer for all of it, and Prometheus reads the texts as the lexer does.
"""

import asyncio
import os
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from proxy.dialects import metricsql
from proxy.dialects.promql import sliceable
from tests.dialects.test_promql import INSERTED, SAFE, UNSAFE
from tests.servers.binaries import find
from tests.servers.prometheus import START_S, Prometheus
from tests.servers.victoriametrics import VictoriaMetrics

from .expressions import expressions

AT_ONCE = 8
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "400"))
SEED = os.environ.get("FUZZ_SEED", "7")

STEP_MS = 77_500
FIRST_MS = START_S * 1000 + 907_250
POINTS = 96

Series = list[tuple[dict[str, str], list[Any]]]


class Asker:
    """`sorts`: whether the server has another order of series than that of their labels."""

    def __init__(self, session: aiohttp.ClientSession, url: str, *, sorts: bool = False) -> None:
        self._session = session
        self._url = url
        self._sorts = sorts
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def read(self, text: str) -> str | None:
        """The text as Prometheus would write it, or None where it refuses it."""
        answer = await self._post("format_query", query=text)
        return answer["data"] if answer["status"] == "success" else None

    async def series(self, text: str, first: int, last: int) -> Series | None:
        """Those of the grid's points from first to last, or None where it is an error."""
        start, end = (f"{(FIRST_MS + index * STEP_MS) / 1000:.3f}" for index in (first, last))
        step = f"{STEP_MS / 1000:.3f}"
        # VictoriaMetrics moves ranges to where its cache has them, else; Prometheus does not know the parameter.
        answer = await self._post("query_range", query=text, start=start, end=end, step=step, nocache="1")
        if answer["status"] != "success":
            return None
        found = [(series["metric"], series["values"]) for series in answer["data"]["result"]]
        return sorted(found, key=lambda series: sorted(series[0].items())) if self._sorts else found

    async def differs(self, text: str, cuts: Sequence[int]) -> bool:
        """Whether slices that begin at these points, put together, are another answer than the whole one."""
        borders = [0, *cuts, POINTS]
        whole = await self.series(text, 0, POINTS - 1)
        slices = [await self.series(text, first, next_first - 1) for first, next_first in pairwise(borders)]
        return whole != (None if None in slices else joined(part for part in slices if part is not None))

    async def _post(self, route: str, **parameters: str) -> Any:
        body = urlencode(parameters, errors="surrogatepass")  # halves of surrogate pairs are among the texts
        async with self._slots, self._session.post(f"{self._url}/api/v1/{route}", data=body, headers=FORM) as response:
            return await response.json()


def joined(slices: Iterable[Series]) -> Series:
    by_labels: dict[tuple[tuple[str, str], ...], list[Any]] = {}
    for labels, values in chain.from_iterable(slices):
        by_labels.setdefault(tuple(sorted(labels.items())), []).extend(values)
    return [(dict(labels), by_labels[labels]) for labels in sorted(by_labels)]


async def different(server: Prometheus | VictoriaMetrics, texts: Sequence[str]) -> list[str]:
    chance = random.Random(SEED)
    cuts = [sorted(chance.sample(range(1, POINTS), chance.randrange(1, 4))) for _ in texts]
    async with aiohttp.ClientSession() as session:
        asker = Asker(session, server.url, sorts=isinstance(server, VictoriaMetrics))
        found = await asyncio.gather(*map(asker.differs, texts, cuts))
    return [f"{text} cut at {where}" for text, where, differs in zip(texts, cuts, found, strict=True) if differs]


async def test_slices_of_what_is_sliceable_are_the_whole(prometheus: Prometheus) -> None:
    texts = [text for text in expressions() if sliceable(text)]
    assert len(texts) > 500
    assert await different(prometheus, texts) == []


async def test_slices_of_what_depends_on_the_range_are_not(prometheus: Prometheus) -> None:
    texts = [text for text in expressions() if "start()" in text or "end()" in text]
    assert len(texts) == 4
    assert len(await different(prometheus, texts)) == 4


def mutated(chance: random.Random) -> str:
    """A text of which something is taken, or put in, or written otherwise; many of them are still PromQL."""
    text = chance.choice(TEXTS)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(text) + 1)
        put = chance.choice(PUT)
        text = text[:at] + put + text[at + (chance.random() < 0.3) * chance.randrange(3) :]
    return text


TEXTS = [*SAFE, *chain(*UNSAFE.values()), *expressions()[::5]]
PUT = [
    *INSERTED, *" \n\r\t#'\"`\\(),@-", "#\n", "# '\n", ' # "\r', "@ 5", "@ 1e3 ", "offset 5m", "+ 1",
]  # fmt: skip


STRINGS = re.compile(r'"(?:\\.|[^"\\])*"')
MARKS = re.compile(r"@ (?:start|end|-)|offset -|\b(?:start|end|limitk|info)\(")
"""Of what is unsafe, as Prometheus writes it."""


async def test_no_text_is_safer_here_than_as_prometheus_reads_it(prometheus: Prometheus) -> None:
    chance = random.Random(SEED)
    texts = [*TEXTS, *(mutated(chance) for _ in range(EXAMPLES))]
    async with aiohttp.ClientSession() as session:
        written = await asyncio.gather(*map(Asker(session, prometheus.url).read, texts))
    pairs = [(text, again) for text, again in zip(texts, written, strict=True) if again is not None]
    safe = [(text, again) for text, again in pairs if sliceable(text)]
    assert [pair for pair in safe if sliceable(pair[0]) != sliceable(pair[1])] == []
    assert [pair for pair in safe if MARKS.search(STRINGS.sub("", pair[1]))] == []
    assert len(pairs) > 200
    assert sum(sliceable(again) is None for _, again in pairs) > 30


@pytest.fixture(scope="module")
def with_gaps() -> Iterator[VictoriaMetrics]:
    """Gauges and counters of whole numbers, whose sums do not depend on their order; each is away now and then."""
    find("victoria-metrics")
    chance = random.Random(8)
    lines = []
    for number in range(6):
        time_s, total = START_S, 0
        while time_s < START_S + 9000:
            labels = f'i="{number}",g="{number % 2}"'
            total += chance.randrange(9)
            lines.append(f"c_total{{{labels}}} {total} {time_s}000\n")
            lines.append(f"g{{{labels}}} {chance.randrange(1000)} {time_s}000\n")
            time_s += 15 if chance.random() < 0.98 else chance.choice((400, 900, 2000))
    with VictoriaMetrics() as server:
        server.write("".join(lines))
        yield server


ROLLUPS = "avg count first last max min present quantile stddev stdvar sum absent".split()
AT_VICTORIAMETRICS = [
    "g", "c_total > 100", "g offset 10m", "sum by (g) (g)", "max(g)", "count(g)", "absent(g{i='3'})",
    "-g % 7", "abs(g - 500)", "g and c_total > 300", "g unless c_total > 300",
    "g * on (g) group_left max by (g) (c_total)", "hour(g)", "vector(time())", "g @ 1795396425", "clamp(g, 100, 200)",
    "label_replace(g, 'z', '$1', 'i', '(.*)')", "deriv(g[5m])", "predict_linear(g[5m], 60)", "max_over_time(g[30m:1m])",
    "max_over_time(g[30m:])",
    *(f"{name}_over_time({'0.5, ' * (name == 'quantile')}g[{window}])" for name in ROLLUPS for window in ("1m", "17m")),
]  # fmt: skip
DIFFERENT_THERE = [
    "increase(c_total[1m])", "rate(c_total[1m])", "delta(g[1m])", "idelta(g[1m])", "changes(g[1m])", "resets(g[1m])",
    "holt_winters(g[1m], 0.5, 0.5)", "sgn(g)", "bottomk(2, g)", "g{i='1'} or on (g) c_total{i='3'}",
    "scalar(g{i=~'1|2'} > 500)",
]  # fmt: skip


async def test_slices_at_victoriametrics(with_gaps: VictoriaMetrics) -> None:
    assert [text for text in AT_VICTORIAMETRICS if metricsql.sliceable(text) is None] == []
    assert await different(with_gaps, AT_VICTORIAMETRICS) == []
    assert [text for text in DIFFERENT_THERE if metricsql.sliceable(text)] == []
    found = await different(with_gaps, DIFFERENT_THERE * 20)
    assert {text.partition(" cut at ")[0] for text in found} == set(DIFFERENT_THERE)
