"""A real ClickHouse, over HTTP, with a small table."""

import urllib.request
from collections.abc import Iterator, Sequence

import pytest

from .binaries import find
from .process import Process, free_port, http_ready
from .prometheus import START_S


class ClickHouse(Process):
    def command(self) -> Sequence[str]:
        users = self.directory / "users.xml"
        users.write_text(
            """<yandex>
              <profiles><default/></profiles><quotas><default/></quotas>
              <users>
                <default>
                  <password/><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
                </default>
              </users>
            </yandex>"""
        )
        config = self.directory / "config.xml"
        config.write_text(
            f"""<yandex>
              <logger><level>error</level><console>1</console></logger>
              <http_port>{self.port}</http_port><tcp_port>{free_port()}</tcp_port>
              <listen_host>127.0.0.1</listen_host>
              <path>{self.directory}/data/</path><tmp_path>{self.directory}/tmp/</tmp_path>
              <users_config>{users}</users_config>
              <default_profile>default</default_profile><default_database>default</default_database>
              <mark_cache_size>5368709120</mark_cache_size>
            </yandex>"""
        )
        return (find("clickhouse-server"), f"--config-file={config}")

    def is_ready(self) -> bool:
        return http_ready(f"{self.url}/ping")

    def run(self, statement: str) -> None:
        with urllib.request.urlopen(self.url, data=statement.encode(), timeout=20) as response:
            response.read()


@pytest.fixture(scope="session")
def clickhouse() -> Iterator[ClickHouse]:
    find("clickhouse-server")
    with ClickHouse() as server:
        server.run("CREATE TABLE points (at DateTime, host String, value UInt32) ENGINE = Memory")
        rows = ",".join(f"({START_S + 15 * k}, '{'ab'[k % 2]}', {k % 7})" for k in range(600))
        server.run(f"INSERT INTO points VALUES {rows}")
        yield server
