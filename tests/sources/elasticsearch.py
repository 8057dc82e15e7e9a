"""Elasticsearch, and OpenSearch with `--opensearch`: the reads of Grafana's plugins.

Assumed: `_msearch` answers its pairs of lines in order; one histogram named like the request's first aggregation. The
count of requests is `took`. A shard that failed, a time-out and an error of one of several searches are all 200.
"""

import sys

import orjson
from aiohttp import web

from .recorder import Handler, application, broken_off, count, json_answer, number, serve

_SHARDS = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}
_ERROR = {
    "error": {"type": "search_phase_execution_exception", "reason": "all shards failed", "root_cause": []},
    "status": 400,
}


def _search(request: web.Request, header: dict[str, object], body: dict[str, object]) -> dict[str, object]:
    answer: dict[str, object] = {
        "took": count(request),
        "timed_out": False,
        "_shards": _SHARDS,
        "hits": {"total": {"value": number(header, body), "relation": "eq"}, "max_score": None, "hits": []},
        "status": 200,
    }
    aggregations = body.get("aggs")
    if isinstance(aggregations, dict):
        buckets = [{"key": 60_000 * k, "doc_count": number(body, k)} for k in range(5)]
        answer["aggregations"] = {name: {"buckets": buckets} for name in aggregations}
    return answer


async def _searches(request: web.Request) -> list[dict[str, object]]:
    lines = [orjson.loads(line) for line in (await request.read()).split(b"\n") if line]
    return [_search(request, *pair) for pair in zip(lines[::2], lines[1::2], strict=True)]


def _with_first(**changed: object) -> Handler:
    """An `_msearch` whose first answer has these fields instead."""

    async def handler(request: web.Request) -> web.Response:
        first, *rest = await _searches(request)
        return json_answer({"took": count(request), "responses": [{**first, **changed}, *rest]})

    return handler


async def msearch(request: web.Request) -> web.Response:
    body = await request.read()
    if not body.endswith(b"\n"):
        reason = "The msearch request must be terminated by a newline [\\n]"
        return json_answer({"error": {"type": "illegal_argument_exception", "reason": reason}, "status": 400}, 400)
    return json_answer({"took": count(request), "responses": await _searches(request)})


async def search(request: web.Request) -> web.Response:
    body = orjson.loads(await request.read() or b"{}")
    return json_answer(_search(request, {"index": request.match_info.get("index", "")}, body))


async def documents(request: web.Request) -> web.Response:
    return json_answer({"count": count(request), "_shards": _SHARDS})


async def sql(request: web.Request) -> web.Response:
    """Both kinds' answers; more rows than fit come with a cursor."""
    asked = orjson.loads(await request.read())
    rows = [[count(request), number(asked)]]
    columns = [{"name": "asked", "type": "long"}, {"name": "count", "type": "long"}]
    more = {"cursor": "d:eyJhIjo"} if "make_cursor" in asked["query"] else {}
    return json_answer({"columns": columns, "rows": rows, "schema": columns, "datarows": rows, **more})


async def error(request: web.Request) -> web.Response:
    _, *rest = await _searches(request)
    return json_answer({"took": count(request), "responses": [_ERROR, *rest]})


async def esql(request: web.Request) -> web.Response:
    asked = orjson.loads(await request.read())
    partial = "make_esql_partial" in asked["query"]
    columns = [{"name": "count", "type": "long"}]
    return json_answer({"took": count(request), "is_partial": partial, "columns": columns, "values": [[number(asked)]]})


async def ppl(request: web.Request) -> web.Response:
    asked = orjson.loads(await request.read())
    schema = [{"name": "asked", "type": "long"}, {"name": "count", "type": "long"}]
    return json_answer({"schema": schema, "datarows": [[count(request), number(asked)]], "total": 1, "size": 1})


async def mapping(request: web.Request) -> web.Response:
    fields = {"@timestamp": {"type": "date"}, f"asked_{count(request)}": {"type": "long"}}
    return json_answer({request.match_info.get("index", "logs"): {"mappings": {"properties": fields}}})


async def field_caps(request: web.Request) -> web.Response:
    caps = {"date": {"type": "date", "searchable": True, "aggregatable": True}}
    fields = {"@timestamp": caps, f"asked_{count(request)}": caps}
    return json_answer({"indices": [request.match_info.get("index", "logs")], "fields": fields})


async def indices(request: web.Request) -> web.Response:
    return json_answer([{"index": "logs", "health": "green", "docs.count": str(count(request))}])


async def health(request: web.Request) -> web.Response:
    return json_answer({"cluster_name": "c", "status": "green", "timed_out": False})


async def bulk(request: web.Request) -> web.Response:
    return json_answer({"took": count(request), "errors": False, "items": []})


def make(*, opensearch: bool = False) -> web.Application:
    version = {"distribution": "opensearch", "number": "2.19.0"} if opensearch else {"number": "8.19.0"}

    async def root(request: web.Request) -> web.Response:
        return json_answer({"name": f"node-{count(request)}", "cluster_name": "c", "version": version})

    return application(
        {
            "GET /": root,
            "GET,POST /_msearch": msearch,
            "GET,POST /_search": search,
            "GET,POST /{index}/_search": search,
            "GET,POST /_count": documents,
            "GET,POST /{index}/_count": documents,
            "POST /_query": esql,
            "POST /_sql": sql,
            "POST /_plugins/_sql": sql,
            "POST /_opendistro/_sql": sql,
            "POST /_plugins/_ppl": ppl,
            "POST /_opendistro/_ppl": ppl,
            "GET /_mapping": mapping,
            "GET /_mapping/field/{field}": mapping,
            "GET /{index}/_mapping": mapping,
            "GET,POST /_field_caps": field_caps,
            "GET,POST /{index}/_field_caps": field_caps,
            "GET /_cat/indices": indices,
            "GET /_cluster/health": health,
            "GET /_cluster/health/{index}": health,
            "POST /_bulk": bulk,
            "POST /{index}/_delete_by_query": bulk,
        },
        {
            "make_error": error,
            "make_timed_out": _with_first(timed_out=True),
            "make_partial": _with_first(_shards={**_SHARDS, "successful": 0, "failed": 1}),
            "make_broken": broken_off,
        },
    )


if __name__ == "__main__":
    flag = "--opensearch"
    opensearch = flag in sys.argv
    sys.argv = [each for each in sys.argv if each != flag]
    serve(lambda: make(opensearch=opensearch), 9200)
