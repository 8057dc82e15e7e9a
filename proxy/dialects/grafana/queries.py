"""The body of a query request: `POST /api/ds/query` and the newer forms below `/apis/`.

    {"queries":[{"refId":"A","datasource":{"type":"loki","uid":"P8E8"},"intervalMs":15000, …}, …],"from":"…","to":"…"}

What identifies a query's answer is everything in it but a closed list of noise, with the defaults that Grafana's server
fills in, its time range rounded down to its interval, and whatever else the body says. A name is noise only as a member
of a query itself; deeper down it is the plugin's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import orjson

from ...core.model import Pass, Reason
from . import source_ref, strict, time_range
from .not_understood import NotUnderstood
from .source_ref import Builtin, SourceRef
from .time_range import TimeRange
from .units import independent

_READ_BY_GO = frozenset({"queries", "from", "to"})
_BODY_NOISE = frozenset({"range", "requestId"})
"""Members of the body that no server reads: older pages send the picked range once more, as dates."""

_EXPLORE_KEY = "Q-"
"""Explore numbers its rows: `"key": "Q-<uuid>-0"`. Another `key` may be the plugin's."""

_MOST_QUERIES = 256
"""Which of them speak of one another takes time by the square of how many they are; panels have a few."""

_DEFAULT_REF_ID = "A"
_DEFAULT_MAX_DATA_POINTS = 100
_DEFAULT_INTERVAL_MS = 1000
_WIDEST = 2**53
"""More data points than any panel has; what is rounded up stays an integer of 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One of the request's queries; `source` or `builtin` is given, never both."""

    ref_id: str
    source: SourceRef | None
    builtin: Builtin | None
    panel_ttl_ms: int | None
    hidden: bool
    position: int
    """In the request."""

    @property
    def is_grafana(self) -> bool:
        """Of Grafana's own test data and annotations: asked of no data source, and no expression either."""
        return self.builtin is Builtin.GRAFANA


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Queries whose answers depend on one another and on no other query of the request, in its order.

    `parts` is what identifies their answer: two units with equal parts ask for the same, apart from who asks, in which
    org, and which version of its data sources.
    """

    queries: tuple[Query, ...]
    parts: tuple[bytes, ...]

    @property
    def ref_ids(self) -> frozenset[str]:
        return frozenset(query.ref_id for query in self.queries)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryRequest:
    """`from_ms` and `to_ms` span the ranges of all its queries."""

    units: tuple[Unit, ...]
    from_ms: int
    to_ms: int
    is_absolute: bool
    """Whether every range names its moments: the same whenever it is asked."""
    body: bytes

    def body_for(self, units: Sequence[Unit]) -> bytes:
        """The request for these of its units: the client's bytes, without the other queries."""
        kept = sorted(query.position for unit in units for query in unit.queries)
        if len(kept) == sum(len(unit.queries) for unit in self.units):
            return self.body
        members = msgspec.json.decode(self.body, type=dict[str, msgspec.Raw])
        queries = msgspec.json.decode(members["queries"], type=list[msgspec.Raw])
        members["queries"] = msgspec.Raw(b"[%b]" % b",".join(bytes(queries[position]) for position in kept))
        return b"{%b}" % b",".join(b"%b:%b" % (orjson.dumps(name), bytes(raw)) for name, raw in members.items())


def read(body: bytes, *, now_ms: int, per_query_times: bool, width_step: int = 0) -> QueryRequest | Pass:
    """`per_query_times`: a query's own `timeRange` counts (`X-Query-V2: true`, and the forms below `/apis/`).

    `width_step`: panels whose maxDataPoints round up to the same multiple of it share answers; 0 keeps them apart.
    """
    try:
        return _Reading(now_ms=now_ms, per_query_times=per_query_times, width_step=width_step).read(body)
    except strict.Unreadable:
        return Pass(reason=Reason.BODY)
    except NotUnderstood as error:
        return Pass(reason=error.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A query, what its server is going to answer for, and its share of the unit's parts."""

    query: Query
    time_range: TimeRange
    identity: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    now_ms: int
    per_query_times: bool
    width_step: int

    def read(self, body: bytes) -> QueryRequest:
        document = strict.read(body)
        if not isinstance(document, dict):
            raise NotUnderstood(Reason.BODY)
        documents = _queries(document)
        common = self._common(document)
        found = [self._query(each, position, common) for position, each in enumerate(documents)]
        ref_ids = [each.query.ref_id for each in found]
        if len(set(ref_ids)) != len(ref_ids):
            raise NotUnderstood(Reason.PARAMETER)
        others = {name: value for name, value in document.items() if name not in _READ_BY_GO | _BODY_NOISE}
        head = orjson.dumps((self.per_query_times, others), option=orjson.OPT_SORT_KEYS)
        expression = any(each.query.builtin is Builtin.EXPRESSION for each in found)
        groups = [list(range(len(found)))] if expression else independent(documents, ref_ids)
        return QueryRequest(
            units=tuple(_unit(head, [found[position] for position in group]) for group in groups),
            from_ms=min(each.time_range.from_ms for each in found),
            to_ms=max(each.time_range.to_ms for each in found),
            is_absolute=all(each.time_range.relative is None for each in found),
            body=body,
        )

    def _common(self, document: Mapping[str, object]) -> TimeRange | None:
        """The body's own range; None where it has none and need not."""
        from_text, to_text = document.get("from"), document.get("to")
        if self.per_query_times and from_text is None and to_text is None:
            return None
        found = time_range.read(from_text, to_text, self.now_ms)
        if found is None:
            raise NotUnderstood(Reason.PARAMETER)
        return found

    def _query(self, document: Mapping[str, object], position: int, common: TimeRange | None) -> _Read:
        source = source_ref.read(document)
        identity = self._identity(document, source)
        own = self._own_range(identity)
        counts = own if self.per_query_times and own is not None else common
        if counts is None:
            raise NotUnderstood(Reason.PARAMETER)
        if counts.from_ms > self.now_ms:
            raise NotUnderstood(Reason.NOW)
        ref_id, interval_ms = identity["refId"], identity["intervalMs"]
        if type(ref_id) is not str or type(interval_ms) is not int or interval_ms <= 0:
            raise NotUnderstood(Reason.PARAMETER)
        ranges = [each and each.rounded(interval_ms) for each in (common, own)]
        query = Query(
            ref_id=ref_id,
            source=None if isinstance(source, Builtin) else source,
            builtin=source if isinstance(source, Builtin) else None,
            panel_ttl_ms=_panel_ttl_ms(document),
            hidden=document.get("hide") is True,
            position=position,
        )
        return _Read(
            query=query,
            time_range=counts,
            identity=orjson.dumps((identity, ranges), option=orjson.OPT_SORT_KEYS),
        )

    def _own_range(self, identity: dict[str, object]) -> TimeRange | None:
        """Taken out of the identity where it is read. Where it does not count it may be anything, and stays."""
        if "timeRange" not in identity:
            return None
        match identity["timeRange"]:
            case {"from": from_text, "to": to_text, **others} if not others:
                own = time_range.read(from_text, to_text, self.now_ms)
            case _:
                own = None
        if own is not None:
            del identity["timeRange"]
        elif self.per_query_times:
            raise NotUnderstood(Reason.PARAMETER)
        return own

    def _identity(self, document: Mapping[str, object], source: SourceRef | Builtin) -> dict[str, object]:
        """The query without its noise, defaults filled in."""
        identity = dict(document)
        identity.pop("queryCachingTTL", None)
        for name in ("requestId", "editorMode"):
            if isinstance(identity.get(name), str | None):
                identity.pop(name, None)
        match identity.get("key"):
            case str(key) if key.startswith(_EXPLORE_KEY):
                del identity["key"]
        if identity.get("hide") is False:
            del identity["hide"]
        if isinstance(source, Builtin) or source.uid:
            identity.pop("datasourceId", None)
        for name, default in (
            ("refId", _DEFAULT_REF_ID),
            ("maxDataPoints", _DEFAULT_MAX_DATA_POINTS),
            ("intervalMs", _DEFAULT_INTERVAL_MS),
            ("queryType", ""),
        ):
            if identity.get(name) is None:
                identity[name] = default
        points = identity["maxDataPoints"]
        if self.width_step and type(points) is int and 0 < points <= _WIDEST:
            identity["maxDataPoints"] = -(-points // self.width_step) * self.width_step
        return identity


def _queries(document: Mapping[str, object]) -> list[dict[str, object]]:
    """Go finds a member of the body in any case of letters, and the last one counts."""
    if any(name not in _READ_BY_GO and name.casefold() in _READ_BY_GO for name in document):
        raise NotUnderstood(Reason.BODY)
    queries = document.get("queries")
    if not isinstance(queries, list) or not queries or not all(isinstance(each, dict) for each in queries):
        raise NotUnderstood(Reason.BODY)
    if len(queries) > _MOST_QUERIES:
        raise NotUnderstood(Reason.BODY)
    return queries


def _panel_ttl_ms(document: Mapping[str, object]) -> int | None:
    match document.get("queryCachingTTL"):
        case bool():
            return None
        case int(ttl_ms) | float(ttl_ms) if ttl_ms >= 1:
            return int(ttl_ms)
        case _:
            return None


def _unit(head: bytes, found: Sequence[_Read]) -> Unit:
    in_order = sorted(found, key=lambda each: each.query.ref_id)
    return Unit(
        queries=tuple(each.query for each in found),
        parts=(head, *(each.identity for each in in_order)),
    )
