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

from ..config.schema import MAX_TTL_MS, Action
from ..dialects.grafana import routes as grafana
from ..errors import BadRequest, BodyTooLarge, UnsupportedMediaType
from ..settings.book import Book
from ..settings.model import CacheConfig, SourceSettings
from .access import Admission
from .cleaning import Cleaner
from .guard import GuardedHandler
from .strict_json import parse_object

_log = logging.getLogger(__name__)

PREFIXES = ("/api/datasources/{uid}", "/api/datasources/uid/{uid}")
MAX_BODY_BYTES = 64 * 1024

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


async def _read(request: web.BaseRequest, limit_bytes: int) -> bytes | None:
    connection = request.protocol
    assert isinstance(connection, GuardedHandler)
    body = bytearray()
    with connection.waiting_for_body():
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > limit_bytes:
                return None
    return bytes(body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """`admission` says who a caller is and which data source a path's segment names. `read` gives the request's body,
    decoded where it has a content encoding; None as soon as it has more bytes than that.
    """

    book: Book
    cleaner: Cleaner
    admission: Admission
    read: Callable[[web.BaseRequest, int], Awaitable[bytes | None]] = _read


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One of the five: its route, what it needs and does, and its words in the answer and in the OpenAPI document."""

    called: grafana.Operation
    method: str
    path: str
    action: Action
    id: str
    summary: str
    message: str
    perform: Callable[[Api, web.BaseRequest, SourceSettings], Awaitable[SourceSettings]]
    """Returns what the answer shows."""
    has_body: bool = False
    """`SETTER`'s fields."""
    has_scope: bool = False
    """Acts on all data sources unless the query says otherwise."""


def routes(api: Api) -> list[web.RouteDef]:
    """For the admin listener's application, under `errors.json_errors`."""

    async def handle(operation: Operation, request: web.Request) -> web.Response:
        return await answer(api, operation, request, request.match_info["uid"])

    made: list[web.RouteDef] = []
    for prefix in PREFIXES:
        for operation in OPERATIONS:
            handler = partial(handle, operation)
            options = {"allow_head": False} if operation.method == hdrs.METH_GET else {}
            made.append(web.RouteDef(operation.method, prefix + operation.path, handler, options))
    return made


async def answer(api: Api, operation: Operation, request: web.BaseRequest, segment: str) -> web.Response:
    """`segment` of the path names the data source. Raises MillpondError."""
    of_all = operation.has_scope and "scope" not in request.query
    caller, source = await api.admission.admit(request, segment, operation.action, of_all=of_all)
    _check_content_type(request)
    settings = await operation.perform(api, request, source)
    if operation.action is Action.WRITE:
        _log.info(operation.message, extra={"datasource": "all" if of_all else source.uid, "token": caller})
    return _answer(operation.message, settings)


def _scope(request: web.BaseRequest) -> str | None:
    match request.query.getall("scope", []):
        case []:
            return None
        case ["datasource"]:
            return "datasource"
        case _:
            raise BadRequest("The query parameter scope is either absent (all data sources) or datasource.")


def _check_content_type(request: web.BaseRequest) -> None:
    """JSON, or no body: a page's form cannot pass for a client (a body without a type is taken for JSON)."""
    if request.body_exists and hdrs.CONTENT_TYPE in request.headers and request.content_type != "application/json":
        raise UnsupportedMediaType("The request's body must be of the content type application/json.")


async def _get(api: Api, request: web.BaseRequest, source: SourceSettings) -> SourceSettings:
    return source


async def _set(api: Api, request: web.BaseRequest, source: SourceSettings) -> SourceSettings:
    body = await api.read(request, MAX_BODY_BYTES)
    if body is None:
        raise BodyTooLarge(f"The request's body is larger than {MAX_BODY_BYTES} bytes.")
    config = _config(parse_object(body), source)
    changed = await api.book.change(source.uid, config)
    if not config.enabled:
        await api.cleaner.clean()
    return changed


async def _enable(api: Api, request: web.BaseRequest, source: SourceSettings) -> SourceSettings:
    return await api.book.set_enabled(source.uid, True)


async def _disable(api: Api, request: web.BaseRequest, source: SourceSettings) -> SourceSettings:
    changed = await api.book.set_enabled(source.uid, False)
    await api.cleaner.clean()
    return changed


async def _clean(api: Api, request: web.BaseRequest, source: SourceSettings) -> SourceSettings:
    """The generation first, durably: from then on nothing kept before is read. Then the keys are deleted."""
    await api.book.move_generation(source.uid if _scope(request) else None)
    await api.cleaner.clean()
    return source


OPERATIONS = (
    Operation(
        called=grafana.Operation.READ,
        method=hdrs.METH_GET,
        path="/cache",
        action=Action.READ,
        id="getDataSourceCacheConfig",
        summary="Get the cache configuration of a data source",
        message="Data source cache settings loaded",
        perform=_get,
    ),
    Operation(
        called=grafana.Operation.SET,
        method=hdrs.METH_POST,
        path="/cache",
        action=Action.WRITE,
        id="setDataSourceCacheConfig",
        summary="Replace the cache configuration of a data source",
        message="Data source cache settings updated",
        perform=_set,
        has_body=True,
    ),
    Operation(
        called=grafana.Operation.ENABLE,
        method=hdrs.METH_POST,
        path="/cache/enable",
        action=Action.WRITE,
        id="enableDataSourceCache",
        summary="Enable caching for a data source",
        message="Data source cache enabled",
        perform=_enable,
    ),
    Operation(
        called=grafana.Operation.DISABLE,
        method=hdrs.METH_POST,
        path="/cache/disable",
        action=Action.WRITE,
        id="disableDataSourceCache",
        summary="Disable caching for a data source",
        message="Data source cache disabled",
        perform=_disable,
    ),
    Operation(
        called=grafana.Operation.CLEAN,
        method=hdrs.METH_POST,
        path="/cache/clean",
        action=Action.WRITE,
        id="cleanDataSourceCache",
        summary="Clean the cache of all data sources, or of this one",
        message="Data source cache cleaned",
        perform=_clean,
        has_scope=True,
    ),
)

BY_CALL = {operation.called: operation for operation in OPERATIONS}


def _answer(message: str, source: SourceSettings) -> web.Response:
    return web.json_response(
        {
            "message": message,
            "dataSourceID": source.id,
            "dataSourceUID": source.own_uid,
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


def _config(fields: dict[str, object], source: SourceSettings) -> CacheConfig:
    """The body as settings. Raises `BadRequest` that names the field. Unknown fields are ignored."""
    for name, kind in SETTER.items():
        if name in fields and type(fields[name]) is not kind:  # not isinstance: true is an int in Python
            raise BadRequest(f"Invalid body: {name} must be {_NAMES[kind]}, not {_shown(fields[name])}.")
    if fields.get("dataSourceUID") not in (None, "", source.own_uid):
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
