"""Public dashboards: whoever has the link may ask for their panels, for as long as Grafana serves the dashboard itself.

A request names neither data sources nor an organisation. Which data sources a panel asks, the dashboard says; where two
organisations have one of that uid, caching has to be on for both.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from ...config.schema import Config
from ...core import paths
from ...core.codings import accepts_gzip
from ...core.headers import Sorted, without_session_cookies
from ...core.key import Scope, source_fingerprint
from ...core.model import Call, Kind, Pairs, Pass, Reason
from ...dialects.grafana import public
from ...dialects.grafana.public import PanelQuery, PublicDashboard
from ...dialects.grafana.routes import PublicQuery
from ...dialects.media_types import JSON, media_type
from ...settings.book import Book
from ...settings.model import SourceSettings, is_of_grafana
from ..exchange import Reply
from ..pipeline import Pipeline
from ..plan import Lookup
from ..terms import Term, Terms
from .asking import Asking
from .facts import Fact, Facts
from .sources import UNSEEN_MS, FrontSources
from .visit import Visit

_MOST_BODY_BYTES = 64 * 1024
"""Of what anybody may send, and says no more than a range and a width."""


class PublicDashboards:
    def __init__(
        self,
        config: Config,
        *,
        asking: Asking,
        pipeline: Pipeline,
        book: Book,
        sources: FrontSources,
        monotonic: Callable[[], float],
        now_ms: Callable[[], int],
    ) -> None:
        self._width_step = config.grafana.max_data_points_step
        self._asking = asking
        self._pipeline = pipeline
        self._book = book
        self._sources = sources
        self._now_ms = now_ms
        seconds = config.grafana.permission_ttl_ms / 1000
        self._dashboards: Facts[str, PublicDashboard] = Facts(monotonic, seconds=seconds)

    async def answer(self, visit: Visit, called: PublicQuery) -> Reply | Reason:
        incoming = visit.incoming
        if _is_somebodys(visit.told):
            return Reason.PER_USER  # needless, perhaps refused, and perhaps handed on to the data source
        if media_type(incoming.headers) != JSON:  # none is a bad request to Grafana, too
            return Reason.CONTENT_TYPE
        body = await incoming.read(min(_MOST_BODY_BYTES, self._sources.limits.max_body_bytes))
        if body is None or incoming.query:
            return Reason.BODY if body is None else Reason.PARAMETER
        query = public.read(body, now_ms=self._now_ms(), width_step=self._width_step)
        if isinstance(query, Pass):
            return query.reason
        of_somebody = self._sources.rules.credentials - {"host"}
        anybody = tuple(pair for pair in visit.credentials.headers if pair[0].lower() not in of_somebody)
        fact = await self._dashboards.get(called.access_token, partial(self._ask, called.access_token, anybody))
        if fact.value is None:
            return Reason.PERMISSION
        settings = self._settings(fact.value, called.panel_id)
        if isinstance(settings, Reason):
            return settings
        lookup = self._lookup(visit, called, query, fact.value, settings, body)
        if lookup.ttl_ms <= 0:
            return Reason.TTL_ZERO
        reply = await self._pipeline.look_up(self._sources.public(settings[0].uid), lookup)
        return replace(reply, query_type="pubdash")

    def forget(self) -> None:
        self._dashboards.forget()

    async def close(self) -> None:
        await self._dashboards.close()

    async def _ask(self, access_token: str, headers: Pairs) -> Fact[PublicDashboard]:
        told = await self._asking.get(f"/api/public/dashboards/{access_token}", headers, "dashboard")
        return Fact(public.read_dashboard(told.json()))

    def _settings(self, dashboard: PublicDashboard, panel_id: int) -> Sequence[SourceSettings] | Reason:
        uids = dashboard.panels.get(panel_id)
        if not uids:
            return Reason.SOURCE
        found = [
            settings
            for settings in self._book.snapshot.sources.values()
            if is_of_grafana(settings.uid) and settings.own_uid in uids
        ]
        if {settings.own_uid for settings in found} != uids:
            return Reason.DISABLED  # nobody has ever turned it on
        if not all(settings.config.enabled for settings in found):
            return Reason.DISABLED
        return sorted(found, key=lambda settings: settings.uid)

    def _lookup(
        self,
        visit: Visit,
        called: PublicQuery,
        query: PanelQuery,
        dashboard: PublicDashboard,
        settings: Sequence[SourceSettings],
        body: bytes,
    ) -> Lookup:
        incoming = visit.incoming
        terms = Terms(terms=tuple(Term(each.uid, each.generation, query.panel_ttl_ms) for each in settings))
        call = Call(kind=Kind.QUERY, parts=query.parts, judge=public.judge, ttl_cap_ms=UNSEEN_MS)
        told = visit.told
        states = [text for each in settings for text in (each.uid, each.generation)]
        return Lookup(
            call=call,
            route="public_query",
            scope=Scope(
                uid=settings[0].uid,
                generation=settings[0].generation,
                fingerprint=source_fingerprint("public", called.access_token, str(dashboard.version), *states),
                canonical_path=paths.canonical(incoming.path),
                identity=(*told.identity, *_cookies(told)),
            ),
            terms=terms,
            ttl_ms=terms.ttl_ms(self._book.snapshot, call) or 0,
            accepts_gzip=accepts_gzip(incoming.headers.get("Accept-Encoding")),
            method=incoming.method,
            path=incoming.path,
            query=incoming.query,
            forward=told.forward,
            body=body,
        )


def _is_somebodys(told: Sorted) -> bool:
    """Whether the visitor may be signed in. Cookies that are not Grafana's do not say so."""
    return any(
        name not in ("cookie", "host") or without_session_cookies(value) != value for name, value in told.credentials
    )


def _cookies(told: Sorted) -> Pairs:
    """A data source may be given them, whoever the visitor is."""
    return tuple(pair for pair in told.credentials if pair[0] == "cookie")
