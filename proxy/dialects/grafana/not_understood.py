"""The one way out of reading a request that we do not understand as Grafana does."""

from ...core.model import Reason


class NotUnderstood(Exception):
    """Passed through, unstored, for this reason."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
