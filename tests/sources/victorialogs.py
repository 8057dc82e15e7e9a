"""VictoriaLogs, its querying API.

Assumed: a query answers `limit` lines of JSON (five without it), each ending with a newline; a stream that breaks off
shows only by its missing last chunk, or, behind a proxy that does not care, by its last line's missing end. Errors are
plain text. The count of requests is a field of each line, a value's hits, or a total.
"""

import orjson
from aiohttp import web

from .recorder import application, broken_off, count, json_answer, number, params, serve, text_answer

_LINES = "application/stream+json"


async def _lines(request: web.Request) -> str:
    asked = await params(request)
    rows = [
        {
            "_msg": f"line {number(asked.get('query'), k)}",
            "_stream": '{app="x"}',
            "_time": f"2024-01-01T00:00:0{k}Z",
            "asked": str(count(request)),
        }
        for k in range(min(int(asked.get("limit", 5)), 10))
    ]
    return "".join(orjson.dumps(row).decode() + "\n" for row in rows)


async def query(request: web.Request) -> web.Response:
    return text_answer(await _lines(request), content_type=_LINES)


async def cut_line(request: web.Request) -> web.Response:
    """A gateway in between ended the body properly where the stream broke off."""
    return text_answer((await _lines(request))[:-2], content_type=_LINES)


async def stats(request: web.Request) -> web.Response:
    asked = await params(request)
    metric = {"__name__": "count(*)", "asked": str(count(request))}
    if request.path.endswith("_range"):
        values = [[60 * k, str(number(asked.get("query"), k))] for k in range(5)]
        result: dict[str, object] = {"resultType": "matrix", "result": [{"metric": metric, "values": values}]}
    else:
        value = [0, str(number(asked.get("query")))]
        result = {"resultType": "vector", "result": [{"metric": metric, "value": value}]}
    return json_answer({"status": "success", "data": result})


async def hits(request: web.Request) -> web.Response:
    bucket = {
        "fields": {},
        "timestamps": ["2024-01-01T00:00:00Z"],
        "values": [count(request)],
        "total": count(request),
    }
    return json_answer({"hits": [bucket]})


async def values(request: web.Request) -> web.Response:
    return json_answer({"values": [{"value": request.path.rpartition("/")[2], "hits": count(request)}]})


async def facets(request: web.Request) -> web.Response:
    level = {"field_name": "level", "values": [{"field_value": "info", "hits": count(request)}]}
    return json_answer({"facets": [level]})


async def tenants(request: web.Request) -> web.Response:
    return json_answer([{"account_id": 0, "project_id": count(request)}])


async def plain_error(request: web.Request) -> web.Response:
    return text_answer("cannot parse query [make_plain_error |]: unexpected end", 400)


async def done(request: web.Request) -> web.Response:
    return text_answer("")


async def health(request: web.Request) -> web.Response:
    return text_answer("OK")


_VALUES = "field_names field_values streams stream_ids stream_field_names stream_field_values"


def make() -> web.Application:
    base = "/select/logsql"
    return application(
        {
            f"GET,POST {base}/query": query,
            f"GET,POST {base}/stats_query": stats,
            f"GET,POST {base}/stats_query_range": stats,
            f"GET,POST {base}/hits": hits,
            f"GET,POST {base}/facets": facets,
            **{f"GET,POST {base}/{name}": values for name in _VALUES.split()},
            "GET,POST /select/tenant_ids": tenants,
            "GET,POST /delete/run_task": done,
            "POST /insert/jsonline": done,
            "GET /health": health,
        },
        {"make_cut": cut_line, "make_plain_error": plain_error, "make_broken": broken_off},
    )


if __name__ == "__main__":
    serve(make, 9428)
