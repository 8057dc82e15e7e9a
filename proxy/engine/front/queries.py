"""Query requests in front of Grafana: each unit of queries that depend on no other is an answer of its own, kept apart.

A request of one unit, which nearly all are, goes the way of every cached call; of several, what is known is not asked
again (`units`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ...config.schema import Config
from ...core import paths
from ...core.codings import accepts_gzip
from ...core.headers import Sorted
from ...core.key import Scope, source_fingerprint
from ...core.model import Answer, Call, Kind, Pairs, Pass, Reason
from ...dialects import accept, form
from ...dialects.grafana import answers, queries
from ...dialects.grafana.queries import QueryRequest, Unit
from ...dialects.grafana.routes import ById, ByUid, Queries, Ref
from ...dialects.grafana.source_ref import SourceRef
from ...dialects.media_types import JSON, media_type
from ...settings.book import Book
from ...settings.model import Snapshot
from ..exchange import Incoming, Reply
from ..pipeline import Pipeline
from ..plan import Lookup
from ..source import SourceRuntime
from ..terms import Term, Terms
from .directory import DataSource
from .sources import FrontSources, cap_of, names_the_user
from .units import Asked, Units
from .visit import Visit

_OVER_MS = 10 * 60_000
"""So long after its end a range is over: what comes late has come."""

_NOISE = frozenset(("ds_type", "requestId", "expression"))
"""Parameters of the URL, for logs and to cancel by."""


class QueryCalls:
    def __init__(
        self,
        config: Config,
        *,
        pipeline: Pipeline,
        units: Units,
        book: Book,
        sources: FrontSources,
        now_ms: Callable[[], int],
    ) -> None:
        self._config = config
        self._pipeline = pipeline
        self._units = units
        self._book = book
        self._sources = sources
        self._now_ms = now_ms

    async def answer(self, visit: Visit, called: Queries) -> Reply | Reason:
        """Raises what the client's body raises."""
        incoming = visit.incoming
        if media_type(incoming.headers) != JSON:  # none is a bad request to Grafana, too
            return Reason.CONTENT_TYPE
        body = await incoming.read(self._sources.limits.max_body_bytes)
        if body is None:
            return Reason.BODY
        request = queries.read(
            body,
            now_ms=self._now_ms(),
            per_query_times=called.form == "apis" or incoming.headers.get("X-Query-V2") == "true",
            width_step=self._config.grafana.max_data_points_step,
        )
        if isinstance(request, Pass):
            return request.reason
        if any(names_the_user(unit.parts) for unit in request.units):
            return Reason.PER_USER
        refs = _refs(request, called.source)
        if isinstance(refs, Reason):
            return refs
        admitted = await visit.admit(list(refs.values()), called.namespace)
        if isinstance(admitted, Reason):
            return admitted
        sources = dict(zip(refs, admitted.sources, strict=True))
        if any(named.id and named.id != source.id for named, source in sources.items()):
            return Reason.SOURCE  # which of the two counts depends on the version of Grafana
        return await self._look_up(visit, request, sources, admitted.identity)

    async def _look_up(
        self, visit: Visit, request: QueryRequest, sources: Mapping[SourceRef, DataSource], identity: Pairs
    ) -> Reply | Reason:
        """For a caller who may query all of the sources."""
        terms = self._terms(request, sources)
        if isinstance(terms, Reason):
            return terms
        extra = form.canonical(form.parse(visit.incoming.query) or (), noise=_NOISE)
        if isinstance(extra, Pass) or accept.accept_class(visit.incoming.headers) != accept.JSON:
            return Reason.PARAMETER
        making = _Making(
            front=self._sources,
            incoming=visit.incoming,
            told=visit.told,
            request=request,
            sources=sources,
            identity=identity,
            terms=terms,
            extra=extra,
            snapshot=self._book.snapshot,
        )
        whole = making.lookup(request.units)
        if whole.ttl_ms <= 0:
            return Reason.TTL_ZERO
        if not any(map(making.may_be_kept, request.units)):
            return Reason.SOURCE
        source = making.runtime(request.units)
        if len(request.units) == 1:
            return await self._pipeline.look_up(source, whole)
        lookups = [making.lookup([unit]) if making.may_be_kept(unit) else None for unit in request.units]
        asked = Asked(source=source, request=request, lookups=lookups, whole=whole, part=making.lookup)
        return await self._units.answer(asked)

    def _terms(self, request: QueryRequest, sources: Mapping[SourceRef, DataSource]) -> Terms | Reason:
        """Every data source must have caching on; the smallest TTL holds."""
        terms: set[Term] = set()
        for unit in request.units:
            for query in unit.queries:
                if query.source is None:
                    continue
                settings = self._book.snapshot.sources.get(sources[query.source].key)
                if settings is None:
                    return Reason.SOURCE
                if not settings.config.enabled:
                    return Reason.DISABLED
                terms.add(Term(settings.uid, settings.generation, query.panel_ttl_ms))
        is_over = request.is_absolute and request.to_ms < self._now_ms() - _OVER_MS
        past_ttl_ms = int(self._config.grafana.past_ttl_ms) if is_over else 0
        return Terms(terms=tuple(terms), past_ttl_ms=past_ttl_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Making:
    """Makes the look-ups of a request's units."""

    front: FrontSources
    incoming: Incoming
    told: Sorted
    request: QueryRequest
    sources: Mapping[SourceRef, DataSource]
    identity: Pairs
    terms: Terms
    extra: tuple[bytes, ...]
    snapshot: Snapshot

    def may_be_kept(self, unit: Unit) -> bool:
        """Not what Grafana's own test data are in, and not what no data source answers: it has no TTL."""
        return any(query.source for query in unit.queries) and not any(query.is_grafana for query in unit.queries)

    def runtime(self, units: Sequence[Unit]) -> SourceRuntime:
        return self.front.asked_for_queries(self._asked(units), self.identity)

    def lookup(self, units: Sequence[Unit]) -> Lookup:
        sources = self._asked(units)
        runtime = self.front.asked_for_queries(sources, self.identity)
        generations = [self.snapshot.sources[source.key].generation for source in sources]
        ref_ids = [(query.ref_id, query.hidden) for unit in units for query in unit.queries]
        call = Call(
            kind=Kind.QUERY,
            parts=(*self.extra, *(part for unit in units for part in (b"%d" % len(unit.parts), *unit.parts))),
            judge=partial(_judge, ref_ids=ref_ids),
            ttl_cap_ms=cap_of(sources),
        )
        return Lookup(
            call=call,
            route="ds_query",
            scope=Scope(
                uid=sources[0].key,
                generation=generations[0],
                fingerprint=source_fingerprint(runtime.fingerprint.hex(), *generations),
                canonical_path=paths.canonical(self.incoming.path),
                identity=(*runtime.identity, *self.told.identity),
            ),
            terms=self.terms,
            ttl_ms=self.terms.ttl_ms(self.snapshot, call) or 0,
            accepts_gzip=accepts_gzip(self.incoming.headers.get("Accept-Encoding")),
            method=self.incoming.method,
            path=self.incoming.path,
            query=self.incoming.query,
            forward=runtime.forwards(self.told.forward),
            body=self.request.body_for(units),
        )

    def _asked(self, units: Sequence[Unit]) -> tuple[DataSource, ...]:
        """Each once, by its key; for a part that asks none, those of the request."""
        asked = {query.source for unit in units for query in unit.queries if query.source is not None}
        found = {source.key: source for named, source in self.sources.items() if not asked or named in asked}
        return tuple(found[key] for key in sorted(found))


def _judge(answer: Answer, *, ref_ids: Sequence[tuple[str, bool]]) -> Reason | None:
    return answers.judge(answer.body, ref_ids)


def _refs(request: QueryRequest, only: Ref | None) -> Mapping[SourceRef, Ref] | Reason:
    """How to find each data source that is asked; `only` is the path's own, where it names one."""
    refs: dict[SourceRef, Ref] = {}
    for unit in request.units:
        for query in unit.queries:
            named = query.source
            if named is not None:
                refs[named] = _ref(named)
                if only is not None and only != refs[named]:
                    return Reason.SOURCE
    return refs or Reason.SOURCE


def _ref(named: SourceRef) -> Ref:
    """A plain text is read as a uid, which wins over a number."""
    if named.uid or not named.id:
        return ByUid(named.uid or named.name)
    return ById(named.id)
