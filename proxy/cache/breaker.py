"""Tells whether a failing dependency is to be left alone, so that nobody waits for it."""

FAILURES = 5


class Breaker:
    """Open after so many failures in a row, until a success. Who uses it looks in the background whether it is back."""

    def __init__(self, *, failures: int = FAILURES) -> None:
        self._failures = failures
        self._failed_in_a_row = 0

    @property
    def is_open(self) -> bool:
        return self._failed_in_a_row >= self._failures

    def succeeded(self) -> None:
        self._failed_in_a_row = 0

    def failed(self) -> None:
        self._failed_in_a_row += 1
