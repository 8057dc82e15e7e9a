"""Real servers for everyone, and a word at the end on those that were missing."""

import asyncio
from collections.abc import Callable, Iterator, Mapping

import hypothesis
import pytest
import uvloop
from blockbuster import blockbuster_ctx

from tests.servers.binaries import absent

# Nothing may depend on how fast the machine is.
hypothesis.settings.register_profile(
    "suite", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("suite")

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

pytest_plugins = [
    "tests.servers.valkey",
    "tests.servers.prometheus",
    "tests.servers.prometheus_history",
    "tests.servers.prometheus_living",
    "tests.servers.millpond",
    "tests.servers.counting",
    "tests.servers.raw",
    "tests.servers.source",
    "tests.servers.victoriametrics",
    "tests.servers.influxdb",
    "tests.servers.clickhouse",
    "tests.servers.grafana.server",
]


@pytest.fixture(scope="session", autouse=True)
def nothing_blocks() -> Iterator[None]:
    """Where the program has the event loop of a test, a call of its that would hold up the loop raises."""
    with blockbuster_ctx("proxy") as blockbuster:
        for function in blockbuster.functions.values():
            # At the start nobody is waiting yet.
            function.can_block_in("proxy/app.py", {"_make_data_dir", "_admin_token"})
        yield


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in absent():
        terminalreporter.write_line(line)


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    """On the loop of production, whose transports and errors are not all asyncio's; what depends on them, on both."""
    both = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
    return both if item.path.parent.name in ("upstream", "traps") else {"uvloop": uvloop.new_event_loop}
