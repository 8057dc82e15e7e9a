"""VictoriaLogs' querying API (https://docs.victoriametrics.com/victorialogs/querying/).

Times are given beside the query, relative ones too ("5m", "now"), and again inside it (`_time:5m`); any of them makes
the answer one of its moment. Tenants are the headers AccountID and ProjectID, which are identity like every header
that is not known for noise.
"""

import re

from ..core.model import Answer, Call, Dialect, Judge, Kind, Pass, Read, Reason, Request
from .accept import accept_class
from .form import read_keyed
from .replies import parse
from .tables import health, routes
from .times import ABSOLUTE, is_absolute

_SINGLE = frozenset(
    "query start end time step offset limit timeout format fields_limit filter ignore_pipes max_values_per_field "
    "max_value_len keep_const_fields allow_partial_response".split()
)

_TIME_FILTER = re.compile(r"""_time["'`]?\s*:\s*""")
_MOMENT = re.compile(r"\b(?:now|rand)\s*[(#]", re.IGNORECASE)
"""Functions of the `math` pipe."""
_FILTERS = ("extra_filters", "extra_stream_filters")
"""May have a time filter as the query may."""
_ABSOLUTE_RANGE = re.compile(rf"[\[(]\s*{ABSOLUTE}\s*,\s*{ABSOLUTE}\s*[\])]", re.ASCII)


def _read(kind: Kind, judge: Judge, *needed: str) -> Read:
    """`needed` are the times without which the answer depends on the moment."""

    def read(request: Request) -> Call | Pass:
        form = read_keyed(request, single=_SINGLE)
        if isinstance(form, Pass):
            return form
        given = form.given
        query = given.get("query", "")
        if "allow_partial_response" in given or "allow_partial_response" in query:
            return Pass(reason=Reason.PARAMETER)  # and no mark in the answer would tell
        times = {name: given[name] for name in ("start", "end", "time") if name in given}
        if not all(name in times for name in needed) or not all(map(is_absolute, times.values())):
            return Pass(reason=Reason.NOW)
        texts = [value for name, value in form.pairs if name in _FILTERS]
        if "time" not in needed:
            texts.append(query)
        if any(map(_is_relative, texts)) or _MOMENT.search(query):
            return Pass(reason=Reason.NOW)
        return Call(kind=kind, parts=(*form.parts, accept_class(request.headers).encode()), judge=judge)

    return read


def _is_relative(query: str) -> bool:
    """Whether the query has a time filter that is not plainly two absolute times, or lifts the given range."""
    if "ignore_global_time_filter" in query:
        return True
    return any(not _ABSOLUTE_RANGE.match(query, found.end()) for found in _TIME_FILTER.finditer(query))


def _judge(answer: Answer) -> Reason | None:
    body = parse(answer.body)
    if not isinstance(body, dict | list):
        return Reason.MALFORMED
    if isinstance(body, dict) and body.get("status", "success") != "success":
        return Reason.ERROR_IN_BODY
    return None


def _judge_lines(answer: Answer) -> Reason | None:
    """JSON lines, or CSV where it was asked for. A line without its end is a stream that broke off."""
    if not answer.body.endswith(b"\n"):
        return Reason.PARTIAL if answer.body else None
    if answer.headers.get("Content-Type", "").startswith("text/csv"):
        return None
    lines = (parse(line) for line in answer.body.split(b"\n") if line)
    return None if all(isinstance(line, dict) for line in lines) else Reason.MALFORMED


_RESOURCES = "field_names field_values streams stream_ids stream_field_names stream_field_values facets".split()

VICTORIALOGS = Dialect(
    name="victorialogs",
    routes=routes(
        (
            ("query", "GET POST", "/select/logsql/query", _read(Kind.QUERY, _judge_lines, "end")),
            ("stats_query", "GET POST", "/select/logsql/stats_query", _read(Kind.QUERY, _judge, "time")),
            ("stats_query_range", "GET POST", "/select/logsql/stats_query_range", _read(Kind.QUERY, _judge, "end")),
            ("hits", "GET POST", "/select/logsql/hits", _read(Kind.QUERY, _judge, "end")),
            *((name, "GET POST", f"/select/logsql/{name}", _read(Kind.RESOURCE, _judge, "end")) for name in _RESOURCES),
            ("tenant_ids", "GET POST", "/select/tenant_ids", _read(Kind.RESOURCE, _judge)),
            ("health", "GET POST", "/health", health),
        )
    ),
)
