"""What data sources fail at: counted each time, logged a line a second at most for each source and kind."""

import logging

from ..errors import UpstreamError
from .logs import Quiet
from .metrics import Metrics

_log = logging.getLogger(__name__)


class SourceFaults:
    def __init__(self, metrics: Metrics, quiet: Quiet | None = None) -> None:
        self._metrics = metrics
        self._quiet = quiet or Quiet()

    def __call__(self, uid: str, error: UpstreamError) -> None:
        self._metrics.upstream_failed(uid=uid, kind=error.kind)
        fields = {"datasource": uid, "kind": error.kind}
        self._quiet.log(_log, logging.WARNING, f"{uid} {error.kind}", error.public_message, fields)
