"""Real servers for everyone, and a word at the end on those that were missing."""

import hypothesis
import pytest

from tests.servers.binaries import absent

# Nothing may depend on how fast the machine is.
hypothesis.settings.register_profile(
    "suite", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("suite")

pytest_plugins = [
    "tests.servers.valkey",
    "tests.servers.prometheus",
    "tests.servers.millpond",
    "tests.servers.counting",
]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in absent():
        terminalreporter.write_line(line)
