"""What fails outside this process: counted each time, logged a line a second at most for each kind."""

import logging

from ..errors import UpstreamError
from .logs import Quiet
from .metrics import Metrics

_log = logging.getLogger("millpond.faults")


class Faults:
    def __init__(self, metrics: Metrics, quiet: Quiet | None = None) -> None:
        self._metrics = metrics
        self._quiet = quiet or Quiet()

    def source(self, uid: str, error: UpstreamError) -> None:
        self._metrics.upstream_failed(uid=uid, kind=error.kind)
        self._say(error.public_message, datasource=uid, kind=error.kind)

    def store(self, operation: str, kind: str) -> None:
        self._metrics.store_failed(operation=operation, kind=kind)
        self._say("the cache fails; answers come from the sources", operation=operation, kind=kind)

    def _say(self, message: str, **fields: str) -> None:
        held_back = self._quiet.held_back(" ".join(fields.values()))
        if held_back is not None:
            _log.warning(message, extra=fields | ({"held_back": held_back} if held_back else {}))
