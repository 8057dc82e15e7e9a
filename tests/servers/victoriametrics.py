"""A real VictoriaMetrics with a few samples, in the time of Prometheus' back-filled ones."""

import urllib.request
from collections.abc import Iterator, Sequence

import pytest

from .binaries import find
from .process import Process, http_ready
from .prometheus import END_S, START_S


class VictoriaMetrics(Process):
    def command(self) -> Sequence[str]:
        return (
            find("victoria-metrics"),
            f"-storageDataPath={self.directory / 'data'}",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            "-retentionPeriod=100y",
            "-search.latencyOffset=0s",
            "-loggerLevel=ERROR",
        )

    def is_ready(self) -> bool:
        return http_ready(f"{self.url}/health")

    def write(self, lines: str) -> None:
        """Samples in Prometheus' text form; to be read as soon as this returns."""
        for path, body in (("/api/v1/import/prometheus", lines.encode()), ("/internal/force_flush", None)):
            with urllib.request.urlopen(self.url + path, data=body, timeout=20) as response:
                response.read()


@pytest.fixture(scope="session")
def victoriametrics() -> Iterator[VictoriaMetrics]:
    find("victoria-metrics")
    with VictoriaMetrics() as server:
        server.write(
            "".join(
                f'demo_temp{{instance="{instance}",job="demo"}} {20 + time_s % 7} {time_s}000\n'
                for instance in "ab"
                for time_s in range(START_S, END_S, 15)
            )
        )
        yield server
