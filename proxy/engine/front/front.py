"""In front of Grafana: which of its calls may be answered from the cache, by whom, and what becomes of those.

A call is looked up only when Grafana says that this caller may query its data sources (`Visit`); whatever is in doubt is
passed on, and Grafana decides. What it is about then takes the way of every cached call (`engine.pipeline`).
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from ...cache.store import Store
from ...config.schema import Config
from ...core import paths, policy
from ...core.headers import pass_headers
from ...core.model import Kind, Reason
from ...dialects import form
from ...dialects.grafana.routes import (
    ById,
    ByName,
    ByUid,
    DashboardChanged,
    Edited,
    IdentityChanged,
    Meaning,
    Proxied,
    PublicQuery,
    Queries,
    Ref,
    Resource,
    SessionRenewed,
)
from ...errors import SettingsNotDurable
from ...settings.book import Book
from ...settings.model import SourceSettings, is_of_grafana, uid_in_org
from ...telemetry.metrics import Metrics
from ...upstream.client import Outgoing, Upstream
from ..exchange import Incoming, Payload, Reply
from ..pipeline import Pipeline
from ..plan import PassThrough
from .asking import Asking
from .below import Below
from .callers import Callers
from .directory import DataSource, Directory
from .public import PublicDashboards
from .queries import QueryCalls
from .sources import FrontSources
from .units import Units
from .visit import Visit, is_of_its_own_page

_CHOOSE_THE_CALLER = frozenset(("orgId", "targetOrgId", "auth_token"))
"""Parameters by which Grafana takes a request for somebody else's, or for another organisation's."""

Cached = Queries | PublicQuery | Resource | Proxied


class Front:
    """`questions` is Grafana's upstream for our own, beside that of its users' calls."""

    def __init__(
        self,
        config: Config,
        *,
        upstream: Upstream,
        questions: Upstream,
        pipeline: Pipeline,
        book: Book,
        store: Store,
        metrics: Metrics,
        monotonic: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        seconds = config.grafana.permission_ttl_ms / 1000
        asking = self._asking = Asking(questions, metrics)
        self._config = config
        self._book = book
        self._pipeline = pipeline
        self.sources = FrontSources(config, upstream)
        self.callers = Callers(asking, monotonic, seconds=seconds)
        self.directory = Directory(asking, monotonic, token=config.grafana.token, met=self._met)
        self._units = Units(store=store, pipeline=pipeline, metrics=metrics)
        self._queries = QueryCalls(
            config, pipeline=pipeline, units=self._units, book=book, sources=self.sources, now_ms=now_ms
        )
        self._public = PublicDashboards(
            config,
            asking=asking,
            pipeline=pipeline,
            book=book,
            sources=self.sources,
            monotonic=monotonic,
            now_ms=now_ms,
        )

    def visit(self, incoming: Incoming) -> Visit:
        return Visit(incoming, self.sources.rules, asking=self._asking, callers=self.callers, directory=self.directory)

    async def answer(self, incoming: Incoming, found: Meaning) -> Reply | None:
        """None for what is not the cache's to answer. Raises MillpondError."""
        match found:
            case Queries() | PublicQuery() | Resource() | Proxied() as cached:
                visit = self.visit(incoming)
                reply = await self._answer(visit, cached)
                return replace(reply, cookies=(*reply.cookies, *visit.cookies))
            case _:
                return None

    async def passed(self, incoming: Incoming, found: Meaning, status: int) -> None:
        """Grafana has answered what passed, or (0) may have done it without an answer: what it may have changed is
        forgotten, what it changed unreachable, before the client knows.
        """
        match found:
            case IdentityChanged() if not 400 <= status < 500:  # a wrong password changes nobody
                self.callers.forget()
            case DashboardChanged():
                self._public.forget()
            case SessionRenewed():
                self.callers.forget(self.visit(incoming).credentials.session)
            case Edited(ref=ref) if status < 400:
                self.callers.forget()
                await self._edited(ref)
        if (not status or 300 <= status < 400) and _chooses_the_caller(incoming.query):
            self.callers.forget()  # the user has moved into another organisation, with all of their sessions

    def configure(self, config: Config) -> None:
        """Bring in a reloaded configuration: what is said for all sources. The section of Grafana is as it was."""
        self._config = config
        self.sources.configure(config)

    @property
    def caches_anything(self) -> bool:
        return self._config.caching.enabled and any(
            is_of_grafana(uid) and settings.config.enabled for uid, settings in self._book.snapshot.sources.items()
        )

    def shown(self, org_id: int) -> dict[str, tuple[bool, int]]:
        """What Grafana's pages are to show of an organisation's caching data sources: by uid, that they cache, and for how
        many ms.
        """
        return {
            settings.own_uid: (True, policy.capped(settings.ttl_queries_ms, settings.max_ttl_ms))
            for settings in self._book.snapshot.sources.values()
            if settings.config.enabled and settings.uid == uid_in_org(org_id, settings.own_uid)
        }

    async def close(self) -> None:
        await self.callers.close()
        await self.directory.close()
        await self._units.close()
        await self._public.close()

    async def _answer(self, visit: Visit, cached: Cached) -> Reply:
        incoming = visit.incoming
        kind = Kind.RESOURCE if isinstance(cached, Resource) else Kind.QUERY
        refusal = self._refusal(incoming)
        if refusal is not None:
            return await self._pass(incoming, cached, refusal, kind)
        match cached:
            case Queries():
                outcome = await self._queries.answer(visit, cached)
            case PublicQuery():
                outcome = await self._public.answer(visit, cached)
            case Resource(ref=ref, path=path, namespace=namespace):
                outcome = await self._of_one(visit, ref, namespace, path)
            case Proxied(ref=ref, path=path):
                outcome = await self._of_one(visit, ref, None, path, proxied=True)
        return outcome if isinstance(outcome, Reply) else await self._pass(incoming, cached, outcome, kind)

    def _refusal(self, incoming: Incoming) -> Reason | None:
        """Why nobody need be asked who this is."""
        if not self._config.caching.enabled:
            return Reason.DISABLED
        wish = policy.lookup_refusal(incoming.headers, incoming.query, honour_no_cache=True)
        if wish is not None:
            return wish
        if _chooses_the_caller(incoming.query):
            return Reason.PARAMETER
        return None if is_of_its_own_page(incoming.headers) else Reason.ORIGIN

    async def _of_one(
        self, visit: Visit, ref: Ref, namespace: str | None, path: str, *, proxied: bool = False
    ) -> Reply | Reason:
        admitted = await visit.admit([ref], namespace)
        if isinstance(admitted, Reason):
            return admitted
        whole = paths.canonical(visit.incoming.path)
        base, below = Below.of(visit.incoming, whole[: len(whole) - len(path)])
        make = self.sources.proxied if proxied else self.sources.asked_for_resources
        return await self._pipeline.answer(make(admitted.sources[0], admitted.identity, base), below)

    async def _pass(self, incoming: Incoming, found: Meaning, reason: Reason, kind: Kind) -> Reply:
        outgoing = Outgoing(
            method=incoming.method,
            target=f"{incoming.path}?{incoming.query}" if incoming.query else incoming.path,
            headers=pass_headers(incoming.headers, self.sources.rules),
            body=incoming.stream(),
            read_only=incoming.method in ("GET", "HEAD"),
        )
        step = PassThrough(reason=reason, outgoing=outgoing, kind=kind)
        reply = await self._pipeline.pass_on(self.sources.grafana, step)
        if isinstance(reply.payload, Payload):
            await self.passed(incoming, found, reply.payload.status)
        return reply

    async def _met(self, source: DataSource) -> None:
        await self._book.add(self.sources.described(source))

    async def _edited(self, ref: Ref | None) -> None:
        """Which organisation it is of is not asked: another's data source of that name loses a few answers."""
        self.directory.forget()
        known = self._book.snapshot.sources.values()
        moved = [each.uid for each in known if is_of_grafana(each.uid) and _may_be(each, ref)]
        with suppress(SettingsNotDurable):  # counted; what is read of it next has another version anyway
            await self._book.move_generations(moved)


def _chooses_the_caller(query: str) -> bool:
    """Also of a query that cannot be told."""
    if not query:
        return False
    parameters = form.parse(query)
    return parameters is None or any(name in _CHOOSE_THE_CALLER for name, _ in parameters)


def _may_be(settings: SourceSettings, ref: Ref | None) -> bool:
    match ref:
        case ByUid(uid):
            return settings.own_uid == uid
        case ById(id_):
            return settings.id == id_
        case ByName() | None:
            return True
