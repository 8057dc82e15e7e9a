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
        held_back = self._quiet.held_back(f"{uid} {error.kind}")
        if held_back is not None:
            fields = {"datasource": uid, "kind": error.kind}
            _log.warning(error.public_message, extra=fields | ({"times_before": held_back} if held_back else {}))
