"""A real Prometheus with back-filled data: the same samples in every run, in the time of the recorded requests."""

import math
import random
import subprocess
from collections.abc import Iterator, Sequence

import pytest

from .binaries import find
from .process import Process, http_ready

START_S = 1_795_392_000
END_S = 1_795_401_000
STEP_S = 15


class Prometheus(Process):
    def command(self) -> Sequence[str]:
        config = self.directory / "prometheus.yml"
        config.write_text("global: {}\n")
        return (
            find("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--log.level=warn",
        )

    def is_ready(self) -> bool:
        return http_ready(f"{self.url}/-/ready")

    def backfill(self) -> None:
        """Before the start."""
        samples = self.directory / "samples.om"
        samples.write_text(open_metrics())
        command = [
            find("promtool"),
            "tsdb",
            "create-blocks-from",
            "openmetrics",
            str(samples),
            str(self.directory / "data"),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=60)


def open_metrics() -> str:
    """Counters with resets, gauges with gaps, NaN and infinities, a histogram, series that come and go."""
    chance = random.Random(20261123)
    times = range(START_S, END_S + 1, STEP_S)
    lines = ["# TYPE demo_requests counter"]
    for instance in "abc":
        for status in ("200", "404", "500"):
            total = 0.0
            for time_s in times:
                total = 0.0 if chance.random() < 0.002 else total + chance.randrange(0, 9)
                if instance != "c" or time_s > START_S + 3600:  # this instance comes later
                    labels = f'instance="{instance}",job="demo",status="{status}"'
                    lines.append(f"demo_requests_total{{{labels}}} {total} {time_s}")
    lines.append("# TYPE demo_temp gauge")
    for number, instance in enumerate("abcd"):
        for time_s in times:
            if chance.random() < 0.05 or (instance == "d" and time_s % 3600 < 900):
                continue
            value = 20 + 5 * math.sin(time_s / 700 + number) + chance.random() / 3
            text = {0.001: "NaN", 0.002: "+Inf"}.get(round(chance.random(), 3), f"{value:.6f}")
            lines.append(f'demo_temp{{instance="{instance}",job="demo",name="é ☃"}} {text} {time_s}')
    lines.append("# TYPE up gauge")
    for instance in "abc":
        lines += [f'up{{instance="{instance}",job="demo"}} {int(chance.random() > 0.02)} {time_s}' for time_s in times]
    lines.append("# TYPE process_start_time_seconds gauge")
    lines += [
        f'process_start_time_seconds{{instance="a",job="demo"}} {START_S + time_s // 3000} {time_s}' for time_s in times
    ]
    lines.append("# TYPE prometheus_http_request_duration_seconds histogram")
    counts = dict.fromkeys(("0.1", "0.5", "1.0", "+Inf"), 0)
    for time_s in times:
        growth = sorted(chance.randrange(0, 5) for _ in counts)
        for (le, count), more in zip(list(counts.items()), growth, strict=True):
            counts[le] = count + more
        for le, count in counts.items():
            labels = f'instance="a",job="demo",le="{le}"'
            lines.append(f"prometheus_http_request_duration_seconds_bucket{{{labels}}} {count} {time_s}")
    return "\n".join([*lines, "# EOF", ""])


@pytest.fixture(scope="session")
def prometheus() -> Iterator[Prometheus]:
    find("prometheus")
    server = Prometheus()
    server.backfill()
    with server:
        yield server
