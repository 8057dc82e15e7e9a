"""Grafana's Query and Resource Caching HTTP API: five operations on a data source, and their aliases.

A request is checked in one order: who asks, whether they may, whether the source is there, what they say. Whoever may
do nothing learns nothing.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from json import dumps

from aiohttp import hdrs, web

from ..errors import BadRequest, BodyTooLarge, NotFound, UnsupportedMediaType
from ..settings.book import Book
from ..settings.model import CacheConfig, SourceSettings
from .access import Access, Action
from .cleaning import Cleaner
from .strict_json import parse_object

_log = logging.getLogger(__name__)

PREFIXES = ("/api/datasources/{uid}", "/api/datasources/uid/{uid}")
MAX_BODY_BYTES = 64 * 1024
MAX_TTL_MS = 31_536_000_000  # 365 days

LOADED = "Data source cache settings loaded"
UPDATED = "Data source cache settings updated"
ENABLED = "Data source cache enabled"
DISABLED = "Data source cache disabled"
CLEANED = "Data source cache cleaned"

SETTER: dict[str, type] = {
    "dataSourceID": int,
    "dataSourceUID": str,
    "enabled": bool,
    "useDefaultTTL": bool,
    "ttlQueriesMs": int,
    "ttlResourcesMs": int,
}
"""The body's fields, none required: what is absent is false, 0 or "", as Go's clients leave out what is zero."""
_NAMES = {int: "a whole number", str: "a string", bool: "true or false"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Api:
    book: Book
    cleaner: Cleaner


_Operation = Callable[[_Api, web.Request, SourceSettings], Awaitable[web.Response]]


def routes(book: Book, cleaner: Cleaner, access: Access) -> list[web.RouteDef]:
    """For the admin listener's application, under `errors.json_errors`."""
    api = _Api(book=book, cleaner=cleaner)
    made: list[web.RouteDef] = []
    for prefix in PREFIXES:
        for method, path, action, operation in _OPERATIONS:
            handler = partial(_handle, api, access, action, operation)
            options = {"allow_head": False} if method == hdrs.METH_GET else {}
            made.append(web.RouteDef(method, prefix + path, handler, options))
    return made


async def _handle(
    api: _Api, access: Access, action: Action, operation: _Operation, request: web.Request
) -> web.Response:
    caller = access.caller(request)
    segment = request.match_info["uid"]
    source = api.book.snapshot.find(segment)
    caller.require(action, None if _affects_all(operation, request) else source.uid if source else segment)
    if source is None:
        raise NotFound("Data source not found")
    _check_content_type(request)
    answer = await operation(api, request, source)
    if action is Action.WRITE:
        extra = {"datasource": "all" if _affects_all(operation, request) else source.uid, "token": caller.name}
        _log.info(_MESSAGES[operation], extra=extra)
    return answer


def _affects_all(operation: _Operation, request: web.Request) -> bool:
    return operation is _clean and _scope(request) is None


def _scope(request: web.Request) -> str | None:
    match request.query.getall("scope", []):
        case []:
            return None
        case ["datasource"]:
            return "datasource"
        case _:
            raise BadRequest("The query parameter scope is either absent (all data sources) or datasource.")


def _check_content_type(request: web.Request) -> None:
    """JSON, or no body: a page's form cannot pass for a client (a body without a type is taken for JSON)."""
    if request.body_exists and hdrs.CONTENT_TYPE in request.headers and request.content_type != "application/json":
        raise UnsupportedMediaType("The request's body must be of the content type application/json.")


async def _get(api: _Api, request: web.Request, source: SourceSettings) -> web.Response:
    return _answer(LOADED, source)


async def _set(api: _Api, request: web.Request, source: SourceSettings) -> web.Response:
    config = _config(parse_object(await _body(request)), source)
    changed = await api.book.change(source.uid, config)
    if not config.enabled:
        await api.cleaner.clean()
    return _answer(UPDATED, changed)


async def _enable(api: _Api, request: web.Request, source: SourceSettings) -> web.Response:
    return _answer(ENABLED, await api.book.set_enabled(source.uid, True))


async def _disable(api: _Api, request: web.Request, source: SourceSettings) -> web.Response:
    changed = await api.book.set_enabled(source.uid, False)
    await api.cleaner.clean()
    return _answer(DISABLED, changed)


async def _clean(api: _Api, request: web.Request, source: SourceSettings) -> web.Response:
    """The generation first, durably: from then on nothing kept before is read. Then the keys are deleted."""
    uid = source.uid if _scope(request) else None
    await api.book.move_generation(uid)
    await api.cleaner.clean()
    return _answer(CLEANED, source)


_MESSAGES: dict[_Operation, str] = {_set: UPDATED, _enable: ENABLED, _disable: DISABLED, _clean: CLEANED}
_OPERATIONS: tuple[tuple[str, str, Action, _Operation], ...] = (
    (hdrs.METH_GET, "/cache", Action.READ, _get),
    (hdrs.METH_POST, "/cache", Action.WRITE, _set),
    (hdrs.METH_POST, "/cache/enable", Action.WRITE, _enable),
    (hdrs.METH_POST, "/cache/disable", Action.WRITE, _disable),
    (hdrs.METH_POST, "/cache/clean", Action.WRITE, _clean),
)


def _answer(message: str, source: SourceSettings) -> web.Response:
    return web.json_response(
        {
            "message": message,
            "dataSourceID": source.id,
            "dataSourceUID": source.uid,
            "enabled": source.config.enabled,
            "useDefaultTTL": source.config.use_default_ttl,
            "ttlQueriesMs": source.ttl_queries_ms,
            "ttlResourcesMs": source.ttl_resources_ms,
            "defaultTTLMs": source.default_ttl_ms,
            "created": source.created,
            "updated": source.updated,
        },
        headers={hdrs.CACHE_CONTROL: "no-store"},
    )


async def _body(request: web.Request) -> bytes:
    """The whole body, decoded where it has a content encoding; refused as soon as it is too large."""
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge(f"The request's body is larger than {MAX_BODY_BYTES} bytes.")
    return bytes(body)


def _config(fields: dict[str, object], source: SourceSettings) -> CacheConfig:
    """The body as settings. Raises `BadRequest` that names the field. Unknown fields are ignored."""
    for name, kind in SETTER.items():
        if name in fields and type(fields[name]) is not kind:  # not isinstance: true is an int in Python
            raise BadRequest(f"Invalid body: {name} must be {_NAMES[kind]}, not {_shown(fields[name])}.")
    if fields.get("dataSourceUID") not in (None, "", source.uid):
        raise BadRequest("Invalid body: dataSourceUID is not that of the data source in the path.")
    if fields.get("dataSourceID") not in (None, 0, source.id):
        raise BadRequest("Invalid body: dataSourceID is not that of the data source in the path.")
    return CacheConfig(
        enabled=bool(fields.get("enabled", False)),
        use_default_ttl=bool(fields.get("useDefaultTTL", False)),
        ttl_queries_ms=_ttl(fields, "ttlQueriesMs"),
        ttl_resources_ms=_ttl(fields, "ttlResourcesMs"),
    )


def _ttl(fields: dict[str, object], name: str) -> int:
    value = fields.get(name, 0)
    if not isinstance(value, int) or not 0 <= value <= MAX_TTL_MS:
        raise BadRequest(f"Invalid body: {name} must be between 0 and {MAX_TTL_MS} (365 days).")
    return value


def _shown(value: object) -> str:
    text = dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
