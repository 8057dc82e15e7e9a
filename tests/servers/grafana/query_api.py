"""Queries by /api/ds/query, and by the query service below /apis."""

import re
from typing import Any

from aiohttp import web

from . import expressions
from .errors import Failure, failure
from .frames import execute
from .model import Caller
from .permissions import QUERY, holds, require
from .query_request import Query, parse
from .wire import answer, caller_of, json_body, signed_in
from .world import World


def routes(world: World, prefix: str) -> list[web.RouteDef]:
    async def ds_query(request: web.Request, caller: Caller) -> web.StreamResponse:
        require(world, caller, QUERY)
        body = await json_body(request)
        queries = parse(world, caller, body, time_in_query=request.headers.get("X-Query-V2") == "true")
        results = await run(world, caller, queries, request)
        return query_answer(results, 207 if world.flags.multi_status else 400)

    async def service(request: web.Request) -> web.StreamResponse:
        return await _service(world, request, uid="")

    async def of_source(request: web.Request) -> web.StreamResponse:
        return await _service(world, request, uid=request.match_info["uid"])

    namespace = f"{prefix}/apis/{{group}}/v0alpha1/namespaces/{{namespace}}"
    return [
        web.post(f"{prefix}/api/ds/query", signed_in(world, ds_query)),
        web.post(f"{namespace}/query", service),
        web.post(f"{namespace}/query/name", service),
        web.post(f"{namespace}/datasources/{{uid}}/query", of_source),
    ]


async def run(world: World, caller: Caller, queries: list[Query], request: web.Request) -> dict[str, dict[str, Any]]:
    """The sources first, one after the other, then the expressions; hidden refIds of a request with expressions go."""
    calculated = expressions.in_order(queries)
    results = {}
    for query in queries:
        if query.source is not None:
            results[query.ref_id] = await execute(world, caller, query, request)
    for query in calculated:
        results[query.ref_id] = expressions.evaluate(query, results)
    hidden = {query.ref_id for query in queries if calculated and query.model.get("hide") is True}
    return {ref_id: result for ref_id, result in sorted(results.items()) if ref_id not in hidden}


def query_answer(results: dict[str, dict[str, Any]], failed_status: int) -> web.Response:
    failed = any("error" in result for result in results.values())
    return answer({"results": results}, failed_status if failed else 200, newline=True)


def namespace_org(namespace: str) -> int:
    """`default` is org 1, `org-<id>` another; 0: none."""
    named = re.fullmatch(r"org-(\d+)", namespace)
    return 1 if namespace == "default" else int(named[1]) if named else 0


async def _service(world: World, request: web.Request, uid: str) -> web.StreamResponse:
    group = request.match_info["group"]
    if world.flags.edition == "legacy" or not _serves(group, uid):
        raise failure(404, "Not found")
    try:
        caller = caller_of(world, request)
        if namespace_org(request.match_info["namespace"]) != caller.org_id or not holds(world, caller, QUERY):
            raise failure(
                403, f"query is forbidden: User {caller.login!r} cannot create resource in API group {group!r}"
            )
        body = await json_body(request)
        if uid and isinstance(body, dict) and isinstance(body.get("queries"), list):
            kind = group.removesuffix(".datasource.grafana.app")
            reference = {"type": kind, "uid": uid}
            body = {**body, "queries": [{**query, "datasource": reference} for query in body["queries"]]}
        queries = parse(world, caller, body, time_in_query=True)
    except Failure as error:
        return status_object(error)
    return query_answer(await run(world, caller, queries, request), 207)


def _serves(group: str, uid: str) -> bool:
    if uid:
        return group.endswith(".datasource.grafana.app")
    return group in ("query.grafana.app", "datasource.grafana.app")


_REASONS = {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound"}


def status_object(error: Failure) -> web.Response:
    """A refusal as the servers below /apis write it."""
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": error.body["message"],
        "reason": _REASONS[error.status],
        "code": error.status,
    }
    return answer(status, error.status, newline=True)
