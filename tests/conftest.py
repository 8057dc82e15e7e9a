"""Real servers for everyone, and a word at the end on those that were missing."""

import pytest

from tests.servers.binaries import missing

pytest_plugins = ["tests.servers.valkey", "tests.servers.prometheus", "tests.servers.millpond"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    absent = missing()
    if absent:
        terminalreporter.write_line(f"Not on PATH, so their tests were skipped: {', '.join(absent)}.")
