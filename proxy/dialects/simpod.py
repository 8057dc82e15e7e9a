"""The JSON data source (simpod-json-datasource, and simple-json before it): fixed routes, POSTed JSON.

Each request carries who asks and when beside what is asked; those fields are no part of the key. `scopedVars` and
`timezone` are: a backend may read variables there that its targets do not repeat.
https://github.com/simPod/GrafanaJsonDatasource
"""

from ..core.model import Answer, Call, Dialect, Kind, Pass, Read, Reason, Request
from .documents import Unreadable, read, spell
from .form import encode
from .media_types import JSON, media_type
from .opaque import exact_accept
from .replies import parse
from .tables import health, routes
from .times import is_absolute

_NOISE = frozenset("requestId panelId dashboardId dashboardUID app startTime rangeRaw".split())


def _read(kind: Kind) -> Read:
    def read_request(request: Request) -> Call | Pass:
        if media_type(request.headers) != JSON:
            return Pass(reason=Reason.CONTENT_TYPE)
        try:
            document = read(request.body)
            body = spell(_without_noise(document), sort_keys=True)
        except Unreadable:
            return Pass(reason=Reason.BODY)
        if _is_relative(document):
            return Pass(reason=Reason.NOW)
        return Call(
            kind=kind,
            parts=(
                encode(request.query),
                exact_accept(request),
                body,
            ),
            judge=_judge,
        )

    return read_request


def _is_relative(body: object) -> bool:
    """Whether a range is given that moves. Grafana sends its absolute times beside the relative ones it has in `raw`."""
    span = body.get("range") if isinstance(body, dict) else None
    if not isinstance(span, dict):
        return False
    return not all(isinstance(span.get(end), str) and is_absolute(span[end]) for end in ("from", "to"))


def _without_noise(body: object) -> object:
    if not isinstance(body, dict):
        return body
    kept = {name: value for name, value in body.items() if name not in _NOISE}
    span = kept.get("range")
    if isinstance(span, dict):
        kept["range"] = {name: value for name, value in span.items() if name != "raw"}
    return kept


def _judge(answer: Answer) -> Reason | None:
    return Reason.MALFORMED if parse(answer.body) is None else None


_QUERIES = "query annotations".split()
_RESOURCES = "metrics metric-payload-options variable tag-keys tag-values search".split()

SIMPOD = Dialect(
    name="simpod-json",
    routes=routes(
        (
            *((name, "POST", f"/{name}", _read(Kind.QUERY)) for name in _QUERIES),
            *((name, "POST", f"/{name}", _read(Kind.RESOURCE)) for name in _RESOURCES),
            ("health", "GET", "/?", health),
        )
    ),
)
