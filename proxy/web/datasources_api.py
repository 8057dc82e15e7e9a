"""The one call of Grafana's data source API that clients of the Caching API make on the same address: Terraform's
provider looks a data source up by its uid before it believes in its cache configuration.
"""

from collections.abc import Callable

from aiohttp import web

from ..config.schema import Action, Source
from ..engine.sources import Sources
from ..errors import NotFound
from ..settings.book import Book
from ..settings.model import SourceSettings
from .access import Access

PATH = "/api/datasources/uid/{uid}"


def routes(book: Book, sources: Callable[[], Sources], access: Access) -> list[web.RouteDef]:
    """For the admin listener's application, under `errors.json_errors`."""

    async def get(request: web.Request) -> web.Response:
        settings = access.caller(request).source(request.match_info["uid"], book.snapshot, Action.READ)
        source = sources().by_uid.get(settings.uid)
        if source is None:  # a reload has taken it away a moment ago
            raise NotFound("Data source not found")
        return web.json_response(_described(source.config, settings))

    return [web.RouteDef("GET", PATH, get, {"allow_head": False})]


def _described(source: Source, settings: SourceSettings) -> dict[str, object]:
    """Grafana's data transfer object, as far as it is true here. The source's address and credentials stay ours."""
    return {
        "id": settings.id,
        "uid": source.uid,
        "orgId": source.org_id,
        "name": source.name or source.uid,
        "type": source.type,
        "access": "proxy",
        "url": f"/ds/{source.uid}",
        "isDefault": False,
        "readOnly": True,
        "jsonData": {},
    }
