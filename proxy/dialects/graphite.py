"""Graphite's render, find, tag and event APIs (graphite.readthedocs.io), as graphite-web, carbonapi and Metrictank have
them.

The order of `target` is the order of the series. Where a name comes in the URL and in the body, Python's servers and
Go's put them together in different orders, so such a request passes. A number of less than nine digits may be read as a
date, or as no time at all, in whose place the server puts its own.
"""

import re

from ..core.model import Answer, Call, Dialect, Judge, Kind, Pass, Read, Reason, Request
from .accept import accept_class
from .form import Parameters, canonical, encode, parse, read_form
from .prometheus import SHORT_MS
from .replies import parse_leniently
from .tables import routes

_LISTS = frozenset(("target", "expr", "query"))
"""May be repeated; any other name may come once."""

_ABSOLUTE = re.compile(r"\d{9,}|\d{1,2}:\d\d_\d{8}", re.ASCII)
_MOMENT = re.compile(
    r"\b(?:timeSlice|randomWalk\w*|random|verticalLine|events|now|today|yesterday|tomorrow)\b", re.IGNORECASE
)
_CONSTANT = re.compile(r"\s*constantLine\(\s*-?[0-9.]+\s*\)\s*")
"""What Grafana asks to see whether the source is alive."""

_TIMES = ("from", "until")


def _read(
    kind: Kind,
    judge: Judge,
    *,
    needs_times: bool = False,
    cap_ms: int | None = None,
) -> Read:
    """A time that is given must be absolute; `needs_times`: both must be given."""

    def read(request: Request) -> Call | Pass:
        pairs = read_form(request)
        if isinstance(pairs, Pass):
            return pairs
        given = dict(pairs)
        if not _is_plain(request, pairs) or "jsonp" in given:
            return Pass(reason=Reason.PARAMETER)
        if "noCache" in given:
            return Pass(reason=Reason.NO_STORE)
        times = [given[name] for name in _TIMES if name in given]
        if not all(map(_ABSOLUTE.fullmatch, times)) or (needs_times and len(times) < len(_TIMES)):
            return Pass(reason=Reason.NOW)
        parts = canonical(pairs)
        if isinstance(parts, Pass):
            return parts
        return Call(
            kind=kind,
            parts=(encode(accept_class(request.headers)), *parts),
            judge=judge,
            ttl_cap_ms=cap_ms,
        )

    return read


def _is_plain(request: Request, pairs: Parameters) -> bool:
    """No name in the URL and in the body, and none repeated but lists."""
    in_url = parse(request.query) or ()
    in_body = pairs[: len(pairs) - len(in_url)]
    names = [name for name, _ in pairs if name not in _LISTS]
    return len(names) == len(set(names)) and {name for name, _ in in_url}.isdisjoint(name for name, _ in in_body)


def _read_render(request: Request) -> Call | Pass:
    pairs = read_form(request)
    if isinstance(pairs, Pass):
        return pairs
    given = dict(pairs)
    targets = [value for name, value in pairs if name == "target"]
    if targets and all(map(_CONSTANT.fullmatch, targets)):
        return Pass(reason=Reason.HEALTH)
    if given.get("format") != "json":
        return Pass(reason=Reason.CONTENT_TYPE)  # pictures, pickles and the like
    if any(map(_MOMENT.search, targets)):
        return Pass(reason=Reason.NOW)
    hint = given.get("cacheTimeout", "")
    if hint and not (hint.isascii() and hint.isdigit()):
        return Pass(reason=Reason.PARAMETER)
    cap_ms = int(hint[:10]) * 1000 if hint else None
    return _read(Kind.QUERY, _judge_render, needs_times=True, cap_ms=cap_ms)(request)


def _judge_render(answer: Answer) -> Reason | None:
    """A list of series; within an object, next to what it has to tell, where `meta=true` asks Metrictank for it."""
    body = parse_leniently(answer.body)
    series = body.get("series") if isinstance(body, dict) else body
    if not isinstance(series, list):
        return Reason.MALFORMED
    if not all(isinstance(each, dict) and isinstance(each.get("datapoints"), list) for each in series):
        return Reason.MALFORMED
    return None


def _judge_json(answer: Answer) -> Reason | None:
    """Lists of names, `/functions`' object, `/version`'s string; an error is not a 200."""
    return None if isinstance(parse_leniently(answer.body), list | dict | str) else Reason.MALFORMED


def _judge_version(answer: Answer) -> Reason | None:
    """Text in some releases, JSON in others; a page is neither."""
    return Reason.MALFORMED if answer.body.lstrip().startswith(b"<") else None


_NAMES = _read(Kind.RESOURCE, _judge_json)
_ACTS = "(?![^/]*(?:tagSeries|tagMultiSeries|delSeries))"
"""`/tags/delSeries` is a tag by its place; some servers act on a GET, and see through a doubled slash before it."""

GRAPHITE = Dialect(
    name="graphite",
    routes=routes(
        (
            ("render", "GET POST", "/render/?", _read_render),
            ("find", "GET POST", "/metrics/find/?", _NAMES),
            ("expand", "GET", "/metrics/expand/?", _NAMES),
            ("functions", "GET", "/functions(?:/[^/]*)?", _NAMES),
            ("autocomplete", "GET", "/tags/autoComplete/(?:tags|values)", _NAMES),
            ("tags", "GET", f"/tags(?:/{_ACTS}[^/]+)?", _NAMES),
            ("version", "GET", "/version/?", _read(Kind.RESOURCE, _judge_version)),
            ("events", "GET", "/events/get_data/?", _read(Kind.RESOURCE, _judge_json, cap_ms=SHORT_MS)),
        )
    ),
)
