"""The Caching API in front of Grafana: who may do what is what Grafana says of the caller's own credentials. A token of
the configuration works here too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from aiohttp import hdrs, web

from ..config.schema import Action
from ..dialects.grafana import permissions
from ..dialects.grafana.permissions import Scopes
from ..dialects.grafana.routes import ById, ByUid, CachingApi
from ..engine.exchange import Incoming
from ..engine.front.callers import Caller, Callers
from ..engine.front.directory import DataSource
from ..engine.front.front import Front
from ..engine.front.visit import Visit, is_of_its_own_page
from ..errors import Forbidden, MillpondError, NotFound, Unauthorized
from ..settings.book import Book
from ..settings.model import Snapshot, SourceSettings
from . import caching_api
from .access import Access, forbidden, org_of
from .cleaning import Cleaner
from .guard import SERVER


class GrafanaUnclear(MillpondError):
    """Grafana did not say who is asking, or for what."""

    status = 502


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontApi:
    """Answers the Caching API on Grafana's own address."""

    front: Front
    access: Access
    book: Book
    cleaner: Cleaner

    async def answer(self, request: web.BaseRequest, incoming: Incoming, called: CachingApi) -> web.Response:
        """Raises MillpondError."""
        visit = self.front.visit(incoming)
        admission = ByGrafana(
            visit=visit, callers=self.front.callers, access=self.access, settings=lambda: self.book.snapshot
        )
        api = caching_api.Api(
            book=self.book,
            cleaner=self.cleaner,
            admission=admission,
            read=lambda _, limit_bytes: incoming.read(limit_bytes),
        )
        operation = caching_api.BY_CALL[called.operation]
        response = await caching_api.answer(api, operation, request, called.segment)
        response.headers[hdrs.SERVER] = SERVER
        response.headers.extend(visit.cookies)
        return response


class ByGrafana:
    """An `Admission` for the request of a `visit`."""

    def __init__(self, *, visit: Visit, callers: Callers, access: Access, settings: Callable[[], Snapshot]) -> None:
        self._visit = visit
        self._callers = callers
        self._access = access
        self._settings = settings

    async def admit(
        self, request: web.BaseRequest, segment: str, action: Action, *, of_all: bool
    ) -> tuple[str, SourceSettings]:
        if self._access.knows(request.headers.getall(hdrs.AUTHORIZATION, [])):
            return self._by_token(request, segment, action, of_all=of_all)
        if not is_of_its_own_page(request.headers):
            raise Forbidden("Requests from another origin are not allowed.")
        caller = await self._visit.caller()
        if caller is None:
            raise await self._why_not(action)
        source = await self._source(caller, segment, action, of_all=of_all)
        settings = self._settings().sources.get(source.key)
        if settings is None:
            raise NotFound("Data source not found")
        return f"grafana org {caller.org_id}", settings

    def _by_token(
        self, request: web.BaseRequest, segment: str, action: Action, *, of_all: bool
    ) -> tuple[str, SourceSettings]:
        """On Grafana's own address a data source of the file is none."""
        caller = self._access.caller(request)
        found = self._settings().find_in_org(org_of(request.headers), segment)
        return caller.name, caller.admit(found, segment, action, of_all=of_all)

    async def _why_not(self, action: Action) -> MillpondError:
        match await self._visit.status("/api/org"):
            case 401:
                return Unauthorized("Unauthorized")
            case 403:
                return forbidden(self._needed({}, action))
            case _:
                return GrafanaUnclear("Grafana did not say who is asking; try again when it answers.")

    def _needed(self, scopes: Scopes, action: Action) -> str:
        known = True if self._callers.knows_caching_actions else None
        return permissions.caching_action(scopes, write=action is Action.WRITE, known=known)

    async def _source(self, caller: Caller, segment: str, action: Action, *, of_all: bool) -> DataSource:
        """Whether they may comes before whether it is there."""
        source = await self._visit.source(ByUid(segment))
        if source is None and segment.isdecimal():
            source = await self._visit.source(ById(int(segment)))
        if caller.scopes is None:
            await self._require_admin(action)
        else:
            uid, id_ = (source.uid, source.id) if source is not None else (segment, 0)
            needed = self._needed(caller.scopes, action)
            may = permissions.allows_on_all if of_all else partial(permissions.allows, uid=uid, number=id_)
            if not may(caller.scopes, needed):
                raise forbidden(needed)
        if source is None:
            raise await self._why_absent(segment)
        return source

    async def _why_absent(self, segment: str) -> MillpondError:
        """To clients, Terraform among them, a 404 says that it is gone: only Grafana can say so."""
        match await self._visit.status(f"/api/datasources/uid/{segment}"):
            case 401:
                return Unauthorized("Unauthorized")
            case 403 | 404:
                return NotFound("Data source not found")
            case _:
                return GrafanaUnclear("Grafana did not say whether there is such a data source; try again.")

    async def _require_admin(self, action: Action) -> None:
        """Before permissions there were roles: an organisation's admins alone could list its data sources."""
        if await self._visit.status("/api/datasources") != 200:
            raise forbidden(action)
