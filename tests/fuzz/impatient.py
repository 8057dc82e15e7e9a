"""Millpond as its users run it, but for its patience with clients: what waits in vain ends soon."""

import sys
from typing import Any

from proxy.web import guard

PATIENCE = guard.Patience(head_seconds=1.0, body_seconds=1.0, idle_seconds=1.0, sweep_seconds=0.1)


class Impatient(guard.GuardedServer):
    def __init__(self, handler: Any, **options: Any) -> None:
        super().__init__(handler, PATIENCE, **options)
        self._options["lingering_time"] = 1.0  # for the rest of a body that was refused


if __name__ == "__main__":
    guard.GuardedServer = Impatient  # type: ignore[misc, assignment]  # a class is put in a class's place: cli has no option for patience

    from proxy import cli

    sys.exit(cli.main())
