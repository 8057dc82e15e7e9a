"""Zipkin's API v2 (https://zipkin.io/zipkin-api/), as grafana-zipkin-datasource reads it.

Grafana's health check is the list of services, the same request as the one behind the selector.
"""

import re
from collections.abc import Callable

import orjson

from ..core.model import Answer, Call, Dialect, Kind, Pass, Reason, Request, Route
from .accept import JSON, accept_class
from .form import read_keyed
from .times import is_absolute

_SINGLE = frozenset(
    "serviceName spanName remoteServiceName annotationQuery minDuration maxDuration endTs lookback limit".split()
)


def _read(kind: Kind, *, timed: bool = False) -> Callable[[Request], Call | Pass]:
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
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return Reason.MALFORMED
    return None if isinstance(body, list) else Reason.MALFORMED


def _route(name: str, path: str, read: Callable[[Request], Call | Pass]) -> Route:
    return Route(name=name, methods=frozenset({"GET"}), path=re.compile(path), read=read)


def _health(request: Request) -> Pass:
    return Pass(reason=Reason.HEALTH)


ZIPKIN = Dialect(
    name="zipkin",
    routes=(
        _route("trace", "/api/v2/trace/[^/]+", _read(Kind.QUERY)),
        _route("services", "/api/v2/services", _read(Kind.RESOURCE)),
        _route("spans", "/api/v2/spans", _read(Kind.RESOURCE)),
        _route("traces", "/api/v2/traces", _read(Kind.RESOURCE, timed=True)),
        _route("health", "/health", _health),
    ),
)
