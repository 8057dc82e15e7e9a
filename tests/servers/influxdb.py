"""A real InfluxDB 1.x (InfluxQL) with a few points, in the time of Prometheus' back-filled samples."""

import urllib.request
from collections.abc import Iterator, Sequence
from urllib.parse import quote

import pytest

from .binaries import find
from .process import Process, free_port, http_ready
from .prometheus import END_S, START_S


class InfluxDB(Process):
    def command(self) -> Sequence[str]:
        config = self.directory / "influxdb.conf"
        config.write_text(
            f"""
            reporting-disabled = true
            bind-address = "127.0.0.1:{free_port()}"
            [meta]
            dir = "{self.directory}/meta"
            [data]
            dir = "{self.directory}/data"
            wal-dir = "{self.directory}/wal"
            [monitor]
            store-enabled = false
            [http]
            bind-address = "127.0.0.1:{self.port}"
            log-enabled = false
            max-row-limit = 200
            """
        )
        return (find("influxd"), "-config", str(config))

    def is_ready(self) -> bool:
        return http_ready(f"{self.url}/ping")

    def write(self, database: str, lines: str) -> None:
        """Points in line protocol, times in seconds."""
        for path, body in (
            (f"/query?q={quote(f'CREATE DATABASE {database}')}", b""),
            (f"/write?db={database}&precision=s", lines.encode()),
        ):
            with urllib.request.urlopen(self.url + path, data=body, timeout=20) as response:
                response.read()


@pytest.fixture(scope="session")
def influxdb() -> Iterator[InfluxDB]:
    find("influxd")
    with InfluxDB() as server:
        points = (
            f"cpu,host={host} value={time_s % 7} {time_s}\n"
            for host in ("a", "b")
            for time_s in range(START_S, END_S, 15)
        )
        server.write("telegraf", "".join(points))
        yield server
