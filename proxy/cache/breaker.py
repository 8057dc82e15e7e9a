"""Leaves a failing dependency alone, so that nobody waits for it: after a few failures in a row, one call in a while
tries it, and the rest are told at once.
"""

import time
from collections.abc import Callable

FAILURES = 5
RETRY_SECONDS = 1.0


class Breaker:
    """Ask `allows()` before a call, tell `succeeded()` or `failed()` after it."""

    def __init__(
        self,
        *,
        failures: int = FAILURES,
        retry_seconds: float = RETRY_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failures = failures
        self._retry_seconds = retry_seconds
        self._monotonic = monotonic
        self._failed_in_a_row = 0
        self._next_try = 0.0

    @property
    def is_open(self) -> bool:
        return self._failed_in_a_row >= self._failures

    def allows(self) -> bool:
        """While open, true for one caller in `retry_seconds`."""
        if not self.is_open:
            return True
        now = self._monotonic()
        if now < self._next_try:
            return False
        self._next_try = now + self._retry_seconds
        return True

    def succeeded(self) -> None:
        self._failed_in_a_row = 0

    def failed(self) -> None:
        self._failed_in_a_row += 1
        self._next_try = self._monotonic() + self._retry_seconds
