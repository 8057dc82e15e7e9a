"""Any HTTP source: GET alone, and only the very same request gets the very same answer."""

import re

from ..core.model import Answer, Call, Dialect, Kind, Pass, Reason, Request, Route
from .form import encode

_ACTS = "-|admin|internal|snapshot|flush|shutdown|prepare_shutdown|delete_series|delSeries|dropcaches"
"""Path segments behind which known sources do something on a mere GET: Prometheus, VictoriaMetrics, Loki, Mimir, Tempo,
OpenTSDB. Nobody's second request for one of these may stay with us."""

READ_PATHS = re.compile(
    rf"(?!.*%(?![0-9A-F]{{2}}))(?!(?:.*(?:/|%2F))?(?i:{_ACTS})(?:/|%2F|;|$)).*",
    re.DOTALL,
)
"""All others. Go's servers route by the decoded path, where an encoded slash is one, and Java's cut off what follows a
semicolon; what is behind an invalid escape nobody knows."""


def read_exact(request: Request) -> Call | Pass:
    """A GET, keyed by its raw query and Accept: what cannot be understood cannot be normalised."""
    if request.body:
        return Pass(reason=Reason.BODY)
    return Call(
        kind=Kind.QUERY,
        parts=(encode(request.query), exact_accept(request)),
        judge=accept_all,
    )


def exact_accept(request: Request) -> bytes:
    """The Accept header as sent, for sources whose negotiation is unknown."""
    return encode(",".join(request.headers.getall("Accept", ())))


def accept_all(answer: Answer) -> Reason | None:
    """No marks of its own are known; the engine's checks remain."""
    return None


OPAQUE = Dialect(
    name="opaque",
    routes=(
        Route(
            name="get",
            methods=frozenset({"GET"}),
            path=READ_PATHS,
            read=read_exact,
        ),
    ),
)
