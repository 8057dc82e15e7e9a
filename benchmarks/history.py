"""What the benchmark of deltas asks about: a day of 200 counters and 200 gauges, and an hour and a half of 60 panels'
twenty counters each, a scrape in 15 s, up to an hour after its `NOW_S`. Back-filled into blocks by promtool.
"""

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

NOW_S = 1_795_392_000
AFTER_S = 3600 + 600
STEP_S = 15
DAY_S = 86_400
SERIES = 200
PANELS = 60
SERIES_OF_A_PANEL = 20
POINTS_OF_A_PANEL = 121
_SHORT_S = 2400


def backfill(directory: Path) -> None:
    """Into `data` of this directory."""
    samples = directory / "samples.om"
    with samples.open("w") as file:
        file.writelines(_lines())
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration", "240h"]
    subprocess.run([*command, str(samples), str(directory / "data")], check=True, capture_output=True, timeout=300)
    samples.unlink()


def _lines() -> Iterator[str]:
    chance = random.Random(20261125)
    for number in range(SERIES):
        labels = _labels(number, "/api/v1/things")
        yield from _counter(chance, f"http_requests_total{{{labels}}}", NOW_S - DAY_S - 600)
    for number in range(SERIES):
        name, level = f"memory_used_bytes{{{_labels(number, '/')}}}", chance.randrange(1 << 28, 1 << 33)
        for time_s in range(NOW_S - DAY_S - 600, NOW_S + AFTER_S, STEP_S):
            level = max(1 << 26, level + chance.randrange(-(1 << 22), 1 << 22))
            yield f"{name} {level} {time_s}\n"
    for panel in range(PANELS):
        for number in range(SERIES_OF_A_PANEL):
            name = f'panel_requests_total{{panel="{panel}",{_labels(number, "/")}}}'
            yield from _counter(chance, name, NOW_S - _SHORT_S)
    yield "# EOF\n"


def _labels(number: int, path: str) -> str:
    return f'cluster="eu-1",instance="10.0.{number // 250}.{number % 250}:9100",job="web",path="{path}"'


def _counter(chance: random.Random, name: str, start_s: int) -> Iterator[str]:
    total, most = 0, chance.randrange(3, 4000)
    for time_s in range(start_s, NOW_S + AFTER_S, STEP_S):
        total += int(most * chance.random())
        yield f"{name} {total} {time_s}\n"
