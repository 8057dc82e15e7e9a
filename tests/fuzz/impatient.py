"""Millpond as its users run it, but for its patience with clients: what waits in vain ends soon."""

import sys

from proxy import cli
from proxy.web import guard

PATIENCE = guard.Patience(head_seconds=1.0, body_seconds=1.0, idle_seconds=1.0, sweep_seconds=0.1)

if __name__ == "__main__":
    guard.Patience = lambda: PATIENCE  # type: ignore[assignment,misc]  # the default of its servers
    sys.exit(cli.main())
