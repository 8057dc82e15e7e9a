"""Any HTTP source: GET alone, and only the very same request gets the very same answer."""

import re

from ..core.model import Answer, Call, Dialect, Kind, Pass, Reason, Request, Route
from .form import encode

_ACTS = "-|admin|internal|snapshot|flush|shutdown|prepare_shutdown|delete_series|delSeries|dropcaches"
"""Path segments behind which known sources do something on a mere GET: Prometheus, VictoriaMetrics, Loki, Mimir, Tempo,
OpenTSDB. Nobody's second request for one of these may stay with us."""


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
            path=re.compile(rf"(?!(?:.*/)?(?:{_ACTS})(?:/|$)).*"),
            read=read_exact,
        ),
    ),
)
