"""A data source that counts, in a process of its own: what it says follows from what it is asked and from its epoch.

An answer of an earlier epoch is an old one. A request with `gated` in its query gets the answer of the moment it came,
and waits with it until the gate is open: so a test can have fetches under way across something else.
"""

import json
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from . import counting_program
from .process import Process, http_ready


class Counting(Process):
    def command(self) -> Sequence[str]:
        return (sys.executable, counting_program.__file__, str(self.port))

    def is_ready(self) -> bool:
        return http_ready(f"{self.url}/_state")

    @property
    def asked(self) -> int:
        """How many requests it was sent."""
        return int(self._tell("state")["asked"])

    @property
    def waiting(self) -> int:
        """How many of them wait at the gate."""
        return int(self._tell("state")["waiting"])

    @property
    def epoch(self) -> int:
        return int(self._tell("state")["epoch"])

    def next_epoch(self) -> int:
        return int(self._tell("next_epoch")["epoch"])

    @contextmanager
    def closed_gate(self) -> Iterator[Callable[[], None]]:
        """Gives what opens it; it opens at the latest at the end."""
        self._tell("close_gate")
        try:
            yield self._open_gate
        finally:
            self._open_gate()

    def _open_gate(self) -> None:
        self._tell("open_gate")

    def _tell(self, what: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/_{what}", timeout=10) as response:
            state: dict[str, Any] = json.load(response)
            return state


@pytest.fixture(scope="module")
def source() -> Iterator[Counting]:
    with Counting() as server:
        yield server
