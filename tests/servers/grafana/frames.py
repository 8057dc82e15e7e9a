"""The answer of a data source: frames whose one row says who asked what, and for which time it was asked.

Fields of a query that are for the tests: `fail` (its message; `failStatus`), `channel`, `asyncStatus`, `notice`,
`gate` (waits for it), `kilobytes` (of padding), `series` (so many frames).
"""

import hashlib
from typing import Any

from aiohttp import web

from .cookie_header import kept
from .go_time import epoch_ms
from .model import Caller, DataSource
from .query_request import Query
from .world import World

_TEXTS = ("rawSql", "expr", "rawQuery", "query", "expression", "target", "text")
_HEADERS = (
    "X-Grafana-From-Expr",
    "X-Query-V2",
    "X-Cache-Skip",
    "FromAlert",
    "X-Dashboard-Uid",
    "X-Panel-Id",
    "X-Query-Group-Id",
    "Accept-Language",
)


async def execute(world: World, caller: Caller, query: Query, request: web.Request) -> dict[str, Any]:
    """The result of one refId; one execution more on its counter, whatever comes of it."""
    source = query.source
    assert source is not None
    key = f"{source.org_id}/{source.uid}/{query.ref_id}"
    world.executions[key] += 1
    result = _result(world, caller, query, source, world.executions[key], request)
    async with world.behind(str(query.model.get("gate", ""))):
        return result


def _result(
    world: World, caller: Caller, query: Query, source: DataSource, execution: int, request: web.Request
) -> dict[str, Any]:
    model = query.model
    if message := model.get("fail"):
        return {"error": str(message), "errorSource": "downstream", "status": int(model.get("failStatus", 400))}
    row = _row(world, caller, query, source, execution, request)
    frames = [_frame(query, row, number) for number in range(int(model.get("series", 1)))]
    return {"status": 200, "frames": frames}


def _row(
    world: World, caller: Caller, query: Query, source: DataSource, execution: int, request: web.Request
) -> dict[str, Any]:
    seen = {name: request.headers[name] for name in _HEADERS if name in request.headers}
    row = {
        "time": epoch_ms(query.from_, world.now_s),
        "execution": execution,
        "org": caller.org_id,
        "user": caller.login or caller.kind,
        "uid": source.uid,
        "source": source.id,
        "version": source.version,
        "text": next((str(query.model[name]) for name in _TEXTS if query.model.get(name)), ""),
        "from": query.from_,
        "to": query.to,
        "maxDataPoints": int(query.model.get("maxDataPoints") or 100),
        "intervalMs": int(query.model.get("intervalMs") or 1000),
        "headers": " ".join(f"{name}={value}" for name, value in seen.items()),
        "forwarded": _forwarded(caller, source, request),
    }
    if kilobytes := int(query.model.get("kilobytes", 0)):
        row["pad"] = hashlib.sha256(f"{row}".encode()).hexdigest() * 16 * kilobytes
    return row


def _forwarded(caller: Caller, source: DataSource, request: web.Request) -> str:
    """What of the caller's own identity goes to the source: the OAuth token, the ID token, cookies to keep."""
    settings, parts = source.json_data, []
    if settings.get("oauthPassThru"):
        parts.append(f"Authorization=Bearer oauth-of-{caller.login}")
    if settings.get("forwardGrafanaIdToken"):
        parts.append(f"X-Grafana-Id=id-of-{caller.login}")
    if cookies := kept(request, settings.get("keepCookies") or []):
        parts.append(f"Cookie={cookies}")
    return " ".join(parts)


def _frame(query: Query, row: dict[str, Any], number: int) -> dict[str, Any]:
    fields = [_field(name, value) for name, value in row.items()]
    fields[1]["labels"] = {"series": str(number)}
    schema = {"refId": query.ref_id, "meta": _meta(query.model, row), "fields": fields}
    return {"schema": schema, "data": {"values": [[value] for value in row.values()]}}


def _field(name: str, value: Any) -> dict[str, Any]:
    if name == "time":
        return {"name": name, "type": "time", "typeInfo": {"frame": "time.Time"}}
    if isinstance(value, int):
        return {"name": name, "type": "number", "typeInfo": {"frame": "int64"}}
    return {"name": name, "type": "string", "typeInfo": {"frame": "string"}}


def _meta(model: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """In the order of the struct; what is empty is left out."""
    notice = [{"severity": "warning", "text": str(model["notice"])}] if model.get("notice") else None
    meta = {
        "type": "table",
        "typeVersion": [0, 0],
        "custom": {"queryID": "q-1", "status": model["asyncStatus"]} if model.get("asyncStatus") else None,
        "notices": notice,
        "channel": model.get("channel"),
        "executedQueryString": row["text"],
    }
    return {name: value for name, value in meta.items() if value}
