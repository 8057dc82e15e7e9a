"""The JSON data source (simpod-json-datasource, and simple-json before it): fixed routes, POSTed JSON.

Each request carries who asks and when beside what is asked; those fields are no part of the key. `scopedVars` and
`timezone` are: a backend may read variables there that its targets do not repeat.
https://github.com/simPod/GrafanaJsonDatasource
"""

import json
import re
from collections.abc import Callable

import orjson

from ..core.model import Answer, Call, Dialect, Kind, Pass, Reason, Request, Route
from .form import encode
from .opaque import exact_accept

_NOISE = frozenset("requestId panelId dashboardId dashboardUID app startTime rangeRaw".split())


def _read(kind: Kind) -> Callable[[Request], Call | Pass]:
    def read(request: Request) -> Call | Pass:
        media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            return Pass(reason=Reason.CONTENT_TYPE)
        try:
            body = json.loads(request.body, object_pairs_hook=_object, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return Pass(reason=Reason.BODY)
        return Call(
            kind=kind,
            parts=(
                encode(request.query),
                exact_accept(request),
                json.dumps(_without_noise(body), sort_keys=True, separators=(",", ":")).encode(),
            ),
            judge=_judge,
        )

    return read


def _without_noise(body: object) -> object:
    if not isinstance(body, dict):
        return body
    kept = {name: value for name, value in body.items() if name not in _NOISE}
    span = kept.get("range")
    if isinstance(span, dict):
        kept["range"] = {name: value for name, value in span.items() if name != "raw"}
    return kept


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Parsers differ in which of two equal keys counts, so such a body is not understood."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


def _judge(answer: Answer) -> Reason | None:
    try:
        orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return Reason.MALFORMED
    return None


def _health(request: Request) -> Pass:
    return Pass(reason=Reason.HEALTH)


def _route(names: str, kind: Kind) -> tuple[Route, ...]:
    read = _read(kind)
    return tuple(
        Route(name=name, methods=frozenset({"POST"}), path=re.compile(f"/{name}"), read=read) for name in names.split()
    )


SIMPOD = Dialect(
    name="simpod-json",
    routes=(
        *_route("query annotations", Kind.QUERY),
        *_route("metrics metric-payload-options variable tag-keys tag-values search", Kind.RESOURCE),
        Route(name="health", methods=frozenset({"GET"}), path=re.compile("/?"), read=_health),
    ),
)
