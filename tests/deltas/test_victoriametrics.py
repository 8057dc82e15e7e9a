"""VictoriaMetrics with deltas turned on: what is put together is what it says itself when it is asked with `nocache=1`.

Without that it moves ranges of fifty points and more to its own grid, so that is no comparison for what is put together;
for what is not, it is. It adds floats up in the order in which its threads are done: two answers of its own to one
question differ in the last digits, and so may ours.
"""

import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import orjson
import pytest

from tests.servers.binaries import find
from tests.servers.prometheus_history import END_S, FINE_S, fine
from tests.servers.victoriametrics import VictoriaMetrics

from .panel import Panel, Range, step_texts
from .seed import SEED
from .stand import Answer, Clocks, Stand, standing
from .test_differential import memory

STEP_MS = 15_000
END_MS = END_S * 1000
WINDOWS = [
    "rate(req_total[1m])", "increase(req_total[5m])", "irate(req_total[2m])", "delta(temp[5m])", "deriv(temp[5m])",
    "sum(rate(req_total[5m])) by (code)", "avg_over_time(temp[10m])", "max_over_time(pod[5m])",
    "count_over_time(temp[90s])", "histogram_quantile(0.9, sum(rate(lat_bucket[5m])) by (le))",
    "max_over_time(rate(req_total[1m])[10m:1m])",
    "max_over_time(max_over_time(pod[1m])[10m:1m])", "sum(avg_over_time(temp[5m])) by (offset)", "time()", "vector(1)",
    "quantile(0.9, last_over_time(temp[1m]))", "min_over_time(up[5m]) > 0", "sum_over_time(req_total[1m] offset 3m)",
    "avg_over_time(temp[2m]) - avg_over_time(temp[10m])", "count(last_over_time(pod[30s])) by (zone)",
    "label_replace(last_over_time(up[1m]), 'z', '$1', 'job', '(.*)')", "topk(2, last_over_time(temp[1m]))",
    "stddev_over_time(temp[5m]) / avg_over_time(temp[5m])", "quantile_over_time(0.9, temp[5m])",
]  # fmt: skip
SELECTORS = [
    "temp", 'temp{instance=~"a|b"}', "up", "req_total", 'job:req:rate5m{job="web"}', "temp offset 5m", "-temp",
    "avg(temp) without (instance)", "max(up)", "min(temp) by (offset)", "count(temp) by (offset)", "topk(2, temp)",
    "quantile(0.9, temp)", "absent(fresh_total)", "temp > 22", "temp > bool 20", "temp and on (instance) up",
    "clamp(temp, 19, 21)", "label_replace(up, 'z', '$1', 'job', '(.*)')", "abs(temp - 20)", "sum(temp) or vector(0)",
]  # fmt: skip
"""Of series that go on, with gaps."""
ENDING = ["pod", "count(pod) by (zone)", "pod > 5", "sum(pod) by (zone)", "new_name_total", "fresh_total"]
"""Of series that come and go."""


@pytest.fixture(scope="module")
def victoria() -> Iterator[VictoriaMetrics]:
    find("victoria-metrics")
    with VictoriaMetrics() as server:
        server.write("\n".join(_in_milliseconds(line) for line in fine()))
        yield server


def _in_milliseconds(line: str) -> str:
    series, _, time = line.rpartition(" ")
    return f"{series} {float(time) * 1000:.0f}"


async def test_what_is_put_together_is_what_it_says_itself(victoria: VictoriaMetrics) -> None:
    said, differences = await _asked(victoria, WINDOWS)
    assert differences == [], "\n".join(differences)
    assert said["hit"] + said["fwd=partial"] > said.total() / 4


@pytest.mark.parametrize(("queries", "share"), [(SELECTORS, 0.02), (ENDING, 0.25)], ids=["gaps", "ends"])
async def test_without_a_window_it_may_differ_where_series_have_gaps_or_end(
    victoria: VictoriaMetrics, queries: Sequence[str], share: float
) -> None:
    """How far it looks back follows from the samples that it happens to read: documented, and why deltas are opt-in."""
    said, differences = await _asked(victoria, queries)
    assert len(differences) < share * said.total(), "\n".join(differences)


async def _asked(victoria: VictoriaMetrics, queries: Sequence[str]) -> tuple[Counter[str], list[str]]:
    chance = random.Random(SEED)
    said: Counter[str] = Counter()
    differences: list[str] = []
    for query in queries:
        step_ms = chance.choice((15_000, 60_000, 5_000))
        panel = Panel(query=query, step_ms=step_ms, step_texts=step_texts(step_ms), phase_ms=0)
        clocks = Clocks(panel.on_grid(END_MS - chance.randrange(300_000)))
        async with standing(
            victoria.url, clocks=clocks, store=memory, type="victoriametrics", delta={"enabled": True}
        ) as stand:
            for range_ in _ranges(chance, panel, clocks):
                found, difference = await _difference(stand, panel, range_)
                said[found] += 1
                if difference is not None:
                    differences.append(f"{found}: {query} by {step_ms} ms, {range_}: {difference}")
    print(f"DELTA_SEED={SEED}: {said.total()} comparisons, {len(differences)} differences, {said}")
    return said, differences


def _ranges(chance: random.Random, panel: Panel, clocks: Clocks) -> Iterator[Range]:
    """Refreshes, and after each a look at something else that was shown."""
    for _ in range(10):
        end_ms = panel.on_grid(clocks.wall_ms())
        length_ms = 240 * panel.step_ms
        yield Range(end_ms - length_ms, end_ms)
        first, last = sorted(chance.choices(range(240), k=2))
        start_ms = end_ms - length_ms
        yield Range(start_ms + first * panel.step_ms, start_ms + last * panel.step_ms)
        clocks.advance(chance.choice((5_000, 15_000, 60_000)))
    start_ms = panel.on_grid(END_MS - chance.randrange(FINE_S * 1000))
    yield Range(start_ms, start_ms + 100 * panel.step_ms)
    yield Range(start_ms - 30 * panel.step_ms, start_ms + 90 * panel.step_ms)


async def _difference(stand: Stand, panel: Panel, range_: Range) -> tuple[str, str | None]:
    ours = await stand.ask(panel.plainly(range_))
    theirs = await stand.ask_source(replace(panel, extra=(("nocache", "1"),)).plainly(range_))
    found = ours.cache_status.split(";")[1].strip()
    difference = _beyond_last_digits(ours, theirs)
    if difference is not None and found == "fwd=uri-miss":
        difference = _beyond_last_digits(ours, await stand.ask_source(panel.plainly(range_)))
    return found, difference


def _beyond_last_digits(ours: Answer, theirs: Answer) -> str | None:
    difference = ours.difference(theirs)
    if difference is None or ours.status != 200:
        return difference
    one, other = (orjson.loads(answer.body)["data"]["result"] for answer in (ours, theirs))
    if [series["metric"] for series in one] != [series["metric"] for series in other]:
        return difference
    for mine, its in zip(one, other, strict=True):
        if [time for time, _ in mine["values"]] != [time for time, _ in its["values"]]:
            return difference
        pairs = zip(mine["values"], its["values"], strict=True)
        if not all(math.isclose(float(a), float(b), rel_tol=1e-12) or a == b for (_, a), (_, b) in pairs):
            return difference
    return None
