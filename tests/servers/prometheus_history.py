"""A real Prometheus with a history to cut ranges out of: six hours in fine grain, four weeks in coarse.

Scrapes come a little late or early as real ones do, series come and go, and labels hold what is hard to carry.
"""

import math
import random
import subprocess
from collections.abc import Iterable, Iterator, Sequence

import pytest

from .binaries import find
from .prometheus import Prometheus

END_S = 1_795_401_000
FINE_S = 6 * 3600
FAST_S = 1200
"""How far back one sample a second reaches."""
COARSE_S = 28 * 86_400

HARD_PATHS = ('/a"b', "/c\\d", "/<e>&f", "/é☃", "/{x=~'y'}", "/ @ end() offset -5m # ")
_SEED = 20261125


class History(Prometheus):
    def command(self) -> Sequence[str]:
        return (*super().command(), "--web.enable-admin-api", "--web.enable-remote-write-receiver")

    def backfill(self) -> None:
        """Before the start. Fine and coarse blocks overlap, as they do after a back-fill of an operator's."""
        for name, lines, block in (("fine", fine(), "2h"), ("coarse", coarse(), "2400h")):
            samples = self.directory / f"{name}.om"
            samples.write_text("\n".join([*lines, "# EOF", ""]))
            arguments = ("--max-block-duration", block, str(samples), str(self.directory / "data"))
            command = [find("promtool"), "tsdb", "create-blocks-from", "openmetrics", *arguments]
            subprocess.run(command, check=True, capture_output=True, timeout=60)
            samples.unlink()


def fine() -> Iterator[str]:
    chance = random.Random(_SEED)
    yield from _counters(chance)
    yield from _gauges(chance)
    yield from _come_and_go(chance)
    yield from _histogram(chance)
    yield from _recorded(chance)
    yield from _fast(chance)


def coarse() -> Iterator[str]:
    """A sample in ten minutes, with a lost day, a counter and a series of one week."""
    chance = random.Random(_SEED + 1)
    times = range(END_S - COARSE_S, END_S + 1, 600)
    lost = END_S - 9 * 86_400
    for number, site in enumerate(("north", "south", "öst")):
        for time_s in times:
            if not (lost < time_s < lost + 86_400 and number != 1) and (number != 2 or time_s < lost):
                yield f'slow{{site="{site}"}} {20 + 9 * math.sin(time_s / 86_400 + number):.3f} {time_s}'
    for site in ("north", "south"):
        total = 0
        for time_s in times:
            total = 0 if chance.random() < 0.003 else total + chance.randrange(900)
            yield f'slow_total{{site="{site}"}} {total} {time_s}'


def scrapes(chance: random.Random, start_s: float, end_s: float, every_s: float = 15) -> Iterator[str]:
    """Times as OpenMetrics has them, up to 40 ms off; one in a hundred is lost."""
    time_s = start_s
    while time_s <= end_s:
        if chance.random() > 0.01:
            yield f"{time_s + chance.randrange(-40, 41) / 1000:.3f}"
        time_s += every_s


def _counters(chance: random.Random) -> Iterator[str]:
    for instance in "abc":
        start_s = END_S - FINE_S + (7200 if instance == "c" else 0)  # this one comes later
        for number, path in enumerate(HARD_PATHS):
            total = 0
            code = ("200", "404", "500")[number % 3]
            for time in scrapes(chance, start_s + number, END_S):
                total = 0 if chance.random() < 0.003 else total + chance.randrange(9)
                yield _line("req_total", {"instance": instance, "job": "web", "code": code, "path": path}, total, time)


def _gauges(chance: random.Random) -> Iterator[str]:
    for number, instance in enumerate("abcd"):
        labels = {"instance": instance, "job": "web", "offset": "x" if number % 2 else "y"}
        for time in scrapes(chance, END_S - FINE_S + 3 * number, END_S):
            if chance.random() < 0.02 or (instance == "d" and float(time) % 3600 < 900):
                continue
            value = 20 + 5 * math.sin(float(time) / 700 + number) + chance.random() / 3
            special = {1: "NaN", 2: "+Inf", 3: "-Inf"}.get(chance.randrange(400))
            yield _line("temp", labels, special or f"{value:.6f}", time)
    for exponent in (-9, -6, 20, 21, 300):
        for time in scrapes(chance, END_S - FINE_S, END_S, 60):
            yield _line("extreme", {"e": str(exponent)}, f"{chance.choice((-1, 1)) * chance.random()}e{exponent}", time)
    for instance in "abc":
        for time in scrapes(chance, END_S - FINE_S, END_S):
            yield _line("up", {"instance": instance, "job": "web"}, int(chance.random() > 0.02), time)


def _come_and_go(chance: random.Random) -> Iterator[str]:
    """Pods of minutes, one sample alone, a metric that got another name, and one that is new."""
    for number in range(60):
        begin_s = END_S - chance.randrange(FINE_S)
        for time in scrapes(chance, begin_s, min(END_S, begin_s + chance.choice((40, 180, 600, 1800)))):
            yield _line("pod", {"pod": f"p-{number:02}", "zone": "eu"[number % 2]}, number + chance.randrange(3), time)
    yield _line("once", {"a": "b"}, 1, f"{END_S - 5000}")
    middle_s = END_S - FINE_S // 2
    for name, start_s, end_s in (
        ("old_name_total", END_S - FINE_S, middle_s),
        ("new_name_total", middle_s + 400, END_S),  # the old one is not even looked back to any more
        ("fresh_total", END_S - 700, END_S),
    ):
        for total, time in enumerate(scrapes(chance, start_s, end_s)):
            yield _line(name, {"job": "web"}, total * 3, time)


def _histogram(chance: random.Random) -> Iterator[str]:
    for instance in "ab":
        counts = dict.fromkeys(("0.1", "0.5", "2.5", "+Inf"), 0)
        rows: dict[str, list[str]] = {le: [] for le in counts}
        for time in scrapes(chance, END_S - FINE_S, END_S):
            growth = sorted(chance.randrange(6) for _ in counts)
            for (le, count), more in zip(list(counts.items()), growth, strict=True):
                counts[le] = count + more
                rows[le].append(_line("lat_bucket", {"instance": instance, "le": le}, counts[le], time))
        for lines in rows.values():
            yield from lines


def _recorded(chance: random.Random) -> Iterator[str]:
    """Names as recording rules have them, one of them made of PromQL's own words."""
    for name in ("job:req:rate5m", "start:end:offset"):
        for job in ("web", "db"):
            for time_s in range(END_S - FINE_S, END_S + 1, 60):
                yield _line(name, {"job": job}, f"{chance.random() * 40:.9g}", f"{time_s}")


def _fast(chance: random.Random) -> Iterator[str]:
    for number in "123":
        for time in scrapes(chance, END_S - FAST_S, END_S, 1):
            yield _line("fast", {"n": number}, f"{chance.gauss(0, 3):.3f}", time)


def _line(name: str, labels: dict[str, str], value: object, time: str) -> str:
    written = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{written}}} {value} {time}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


@pytest.fixture(scope="session")
def prometheus_history() -> Iterable[History]:
    find("prometheus")
    server = History()
    server.backfill()
    with server:
        yield server
