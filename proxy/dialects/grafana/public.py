"""The panels of a public dashboard. Whoever has its link may ask for them, and names nothing but the panel:

    POST /api/public/dashboards/<token>/panels/<id>/query
    {"intervalMs":15000,"maxDataPoints":900,"queryCachingTTL":60000,"timeRange":{"from":"…","to":"…","timezone":"UTC"}}

Which data sources that is, the dashboard says that anybody gets who has the link. Where time selection is switched off,
Grafana asks for the dashboard's own range, whatever the body says; so a range in the past does not mean an answer that
stays what it is.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from ...core.model import Answer, Pass, Reason
from .. import replies
from ..documents import Number, Unreadable, spell
from ..documents import read as read_json
from . import answers, time_range
from .times import bucket

_MEMBERS = ("intervalMs", "maxDataPoints", "queryCachingTTL", "timeRange")
_BY_GO = {name.casefold(): name for name in (*_MEMBERS, "from", "to", "timezone")}
"""Go finds a member in any case of letters."""
_WHOLE = re.compile("[1-9][0-9]{0,14}")

_EXPRESSIONS = frozenset({"__expr__", "-100"})
_UID = re.compile("[A-Za-z0-9_.-]{1,40}")
_NO_SOURCES = frozenset({"grafana"})

_RESULTS = msgspec.json.Decoder(dict[str, dict[str, msgspec.Raw]])


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicDashboard:
    """`panels` has the uids of each panel's data sources; a panel that is not understood is not in it."""

    version: int
    panels: Mapping[int, frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelQuery:
    """`parts` identifies the answer, apart from the dashboard, its version, the panel and its data sources' versions."""

    parts: tuple[bytes, ...]
    panel_ttl_ms: int | None


def read_dashboard(document: object) -> PublicDashboard | None:
    """The JSON of GET /api/public/dashboards/<token>; None where it is of another shape."""
    match document:
        case {"dashboard": {"version": int(version)} as dashboard} if version > 0 and type(version) is int:
            pass
        case {"dashboard": dict(dashboard), "meta": {"version": int(version)}} if version > 0 and type(version) is int:
            pass
        case _:
            return None
    found: dict[int, frozenset[str]] = {}
    seen: set[int] = set()
    listed = _elements(dashboard["elements"]) if "elements" in dashboard else _panels(dashboard.get("panels"))
    for panel_id, uids in listed:
        if panel_id in seen:
            found.pop(panel_id, None)
        elif uids:
            found[panel_id] = uids
        seen.add(panel_id)
    return PublicDashboard(version=version, panels=found)


def read(body: bytes, *, now_ms: int, width_step: int = 0) -> PanelQuery | Pass:
    """`width_step` as for other queries: panels whose maxDataPoints round up to the same multiple share answers."""
    try:
        document = read_json(body)
    except Unreadable:
        return Pass(reason=Reason.BODY)
    if not isinstance(document, dict) or not _is_spelled_alike(document):
        return Pass(reason=Reason.BODY)
    interval_ms, points = _whole(document.get("intervalMs")), _whole(document.get("maxDataPoints"))
    if interval_ms is None or points is None:
        return Pass(reason=Reason.PARAMETER)  # Grafana refuses it, too
    identity = {name: value for name, value in document.items() if name != "queryCachingTTL"}
    if width_step:
        identity["maxDataPoints"] = Number(str(-(-points // width_step) * width_step))
    times = _times(document.get("timeRange"), interval_ms, now_ms)
    if isinstance(times, Pass):
        return times
    if "timeRange" in identity:
        identity["timeRange"] = times.rest
    try:
        parts = (spell(identity, sort_keys=True), times.rounded)
    except Unreadable:  # nested too deep to be written
        return Pass(reason=Reason.BODY)
    return PanelQuery(parts=parts, panel_ttl_ms=_whole(document.get("queryCachingTTL")))


def judge(answer: Answer) -> Reason | None:
    """Like any query's answer; which refIds were asked for is not known."""
    body = replies.decode(_RESULTS, answer.body)
    ref_ids = (body or {}).get("results")
    if ref_ids is None:
        return Reason.MALFORMED
    return answers.judge(answer.body, [(ref_id, False) for ref_id in ref_ids]) if ref_ids else Reason.EMPTY


@dataclass(frozen=True, slots=True, kw_only=True)
class _Times:
    rounded: bytes
    rest: object
    """Of `timeRange`, what is no time: the time zone."""


def _times(given: object, interval_ms: int, now_ms: int) -> _Times | Pass:
    """Without a range it is the dashboard's, which as a rule is relative to now."""
    of_dashboard = _Times(rounded=b"now %d" % bucket(now_ms, interval_ms), rest=given)
    match given:
        case None:
            return of_dashboard
        case dict():
            rest = {name: value for name, value in given.items() if name not in ("from", "to")}
        case _:
            return Pass(reason=Reason.PARAMETER)
    if not _is_spelled_alike(rest):
        return Pass(reason=Reason.BODY)
    from_text, to_text = given.get("from", ""), given.get("to", "")
    if from_text == "" and to_text == "":
        return of_dashboard
    found = time_range.read(from_text, to_text, now_ms)
    if found is None or (found.relative and "/" in "".join(found.relative)):  # whose day begins when?
        return Pass(reason=Reason.PARAMETER)
    if found.from_ms > now_ms:
        return Pass(reason=Reason.NOW)
    return _Times(rounded=repr(found.rounded(interval_ms)).encode(), rest=rest)


def _is_spelled_alike(members: Mapping[str, object]) -> bool:
    """Whether we find what Go finds."""
    return all(_BY_GO.get(name.casefold(), name) == name for name in members)


def _whole(value: object) -> int | None:
    return int(value.text) if isinstance(value, Number) and _WHOLE.fullmatch(value.text) else None


# Dashboards


def _panels(panels: object) -> Iterator[tuple[int, frozenset[str] | None]]:
    """Each panel's id and the uids of its data sources; None where they are not certain."""
    for panel in panels if isinstance(panels, list) else ():
        match panel:
            case {"type": "row", "collapsed": True, "panels": list(inner)}:
                yield from _panels(inner)
            case {"id": int(panel_id), "targets": list(targets)} if "libraryPanel" not in panel:
                yield panel_id, _uids([_own(target, panel.get("datasource")) for target in targets])
            case {"id": int(panel_id)}:
                yield panel_id, None


def _own(target: object, of_panel: object) -> object:
    """A target goes to the panel's data source if it names none."""
    match target:
        case {"datasource": named}:
            return named
        case dict():
            return of_panel
        case _:
            return None


def _elements(elements: object) -> Iterator[tuple[int, frozenset[str] | None]]:
    """The panels of a dashboard of the second schema."""
    for element in elements.values() if isinstance(elements, dict) else ():
        match element:
            case {"kind": "Panel", "spec": {"id": int(panel_id), "data": {"spec": {"queries": list(queries)}}}}:
                yield panel_id, _uids([_named(query) for query in queries])
            case {"spec": {"id": int(panel_id)}}:
                yield panel_id, None


def _named(query: object) -> object:
    match query:
        case {"spec": {"query": {"spec": {"datasource": named}}}}:
            return named
        case {"spec": {"query": {"datasource": {"name": uid}}}}:
            return {"uid": uid}
        case _:
            return None


def _uids(named: list[object]) -> frozenset[str] | None:
    """None for a name, a variable, or Grafana's own data, for which the default data source may stand."""
    found = set()
    for each in named:
        match each:
            case {"uid": str(uid)} if uid in _EXPRESSIONS:
                pass
            case {"uid": str(uid)} if _UID.fullmatch(uid) and uid not in _NO_SOURCES:
                found.add(uid)
            case _:
                return None
    return frozenset(found)
