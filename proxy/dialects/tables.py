"""A dialect's table of calls, written as rows."""

import re
from collections.abc import Iterable

from ..core.model import Pass, Read, Reason, Request, Route


def routes(rows: Iterable[tuple[str, str, str, Read]], *, prefix: str = "") -> tuple[Route, ...]:
    """Rows of name, methods, path (a regular expression, below `prefix`, which is one too) and reader."""
    return tuple(
        Route(name=name, methods=frozenset(methods.split()), path=re.compile(prefix + path), read=read)
        for name, methods, path, read in rows
    )


def health(request: Request) -> Pass:
    """The reader of a path by which Grafana asks whether the source is alive, and for nothing else."""
    return Pass(reason=Reason.HEALTH)
