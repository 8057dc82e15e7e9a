"""OpenTSDB 2.4.

Assumed: one series for every query of the body (or `m` of the URL), its `dps` following from the query, and the count
of requests as a tag. Errors are JSON with a status of their own; DELETE and `"delete": true` remove what they read.
"""

import orjson
from aiohttp import web

from .recorder import application, broken_off, count, json_answer, number, serve


def _series(request: web.Request, metric: str, what: object) -> dict[str, object]:
    points = {str(1_700_000_000 + 60 * k): number(what, k) for k in range(5)}
    return {"metric": metric, "tags": {"asked": str(count(request))}, "aggregateTags": [], "dps": points}


async def query(request: web.Request) -> web.Response:
    if request.method == "GET":
        asked = request.query.getall("m", [])
        return json_answer([_series(request, m.rpartition(":")[2], m) for m in asked])
    body = orjson.loads(await request.read())
    return json_answer([_series(request, each["metric"], each) for each in body["queries"]])


async def error(request: web.Request) -> web.Response:
    message = "No such name for 'metrics': 'make_error'"
    return json_answer({"error": {"code": 400, "message": message, "details": message}}, 400)


async def last(request: web.Request) -> web.Response:
    return json_answer([{"metric": "cpu", "timestamp": 1_700_000_000_000, "value": str(count(request)), "tags": {}}])


async def expression(request: web.Request) -> web.Response:
    return json_answer({"outputs": [{"id": "e", "dps": [[1_700_000_000_000, count(request)]]}], "query": {}})


async def names(request: web.Request) -> web.Response:
    return json_answer(["cpu", f"asked_{count(request)}"])


async def filters(request: web.Request) -> web.Response:
    return json_answer({"iliteral_or": {"examples": "", "description": f"asked {count(request)}"}})


async def lookup(request: web.Request) -> web.Response:
    results = [{"metric": "cpu", "tags": {"host": "a"}, "tsuid": "01"}]
    return json_answer({"type": "LOOKUP", "totalResults": 1, "time": count(request), "results": results})


async def done(request: web.Request) -> web.Response:
    return web.Response(status=204)


async def dropped(request: web.Request) -> web.Response:
    return json_answer({"status": "200", "message": "Caches dropped"})


def make() -> web.Application:
    return application(
        {
            "GET,POST,DELETE /api/query": query,
            "GET,POST /api/query/last": last,
            "POST /api/query/exp": expression,
            "GET /api/suggest": names,
            "GET /api/aggregators": names,
            "GET /api/config/filters": filters,
            "GET,POST /api/search/lookup": lookup,
            "POST /api/put": done,
            "GET /api/dropcaches": dropped,
        },
        {"make_error": error, "make_broken": broken_off},
    )


if __name__ == "__main__":
    serve(make, 4242)
