"""Zipkin's API v2 (https://zipkin.io/zipkin-api/), as grafana-zipkin-datasource reads it.

Grafana's health check is the list of services, the same request as the one behind the selector.
"""

from ..core.model import Answer, Call, Dialect, Kind, Pass, Read, Reason, Request
from .accept import JSON, accept_class
from .form import read_keyed
from .replies import parse
from .tables import health, routes
from .times import is_absolute

_SINGLE = frozenset(
    "serviceName spanName remoteServiceName annotationQuery minDuration maxDuration endTs lookback limit".split()
)


def _read(kind: Kind, *, timed: bool = False) -> Read:
    def read(request: Request) -> Call | Pass:
        if accept_class(request.headers) != JSON:
            return Pass(reason=Reason.CONTENT_TYPE)
        form = read_keyed(request, single=_SINGLE)
        if isinstance(form, Pass):
            return form
        if timed and not is_absolute(form.given.get("endTs")):
            return Pass(reason=Reason.NOW)  # the service would take its own clock
        return Call(kind=kind, parts=form.parts, judge=_judge)

    return read


def _judge(answer: Answer) -> Reason | None:
    """Every answer is a list, and no list is marked: errors are not 200."""
    return None if isinstance(parse(answer.body), list) else Reason.MALFORMED


ZIPKIN = Dialect(
    name="zipkin",
    routes=routes(
        (
            ("trace", "GET", "/api/v2/trace/[^/]+", _read(Kind.QUERY)),
            ("services", "GET", "/api/v2/services", _read(Kind.RESOURCE)),
            ("spans", "GET", "/api/v2/spans", _read(Kind.RESOURCE)),
            ("traces", "GET", "/api/v2/traces", _read(Kind.RESOURCE, timed=True)),
            ("health", "GET", "/health", health),
        )
    ),
)
