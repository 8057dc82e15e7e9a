"""InfluxDB 2: Flux over /api/v2/query.

Assumed: the answer is annotated CSV of one table whose values follow from the query's text; the count of requests is
the column `asked`. An error that shows after the 200 has gone out is a second, error table at the end. A query that
does not parse is a 400 in JSON.
"""

import orjson
from aiohttp import web

from .recorder import application, broken_off, count, json_answer, number, serve, text_answer

_HEAD = (
    "#datatype,string,long,dateTime:RFC3339,double,long\r\n"
    "#group,false,false,false,false,false\r\n"
    "#default,_result,,,,\r\n"
    ",result,table,_time,_value,asked\r\n"
)
_ERROR = (
    "#datatype,string,long\r\n"
    "#group,true,true\r\n"
    "#default,,\r\n"
    ",error,reference\r\n"
    ",the storage engine went away,897\r\n"
)


async def _table(request: web.Request) -> str:
    body = await request.read()
    text = body.decode() if request.content_type == "application/vnd.flux" else orjson.loads(body)["query"]
    rows = (f",,0,2024-01-01T00:0{minute}:00Z,{number(text, minute)},{count(request)}\r\n" for minute in range(5))
    return _HEAD + "".join(rows) + "\r\n"


async def query(request: web.Request) -> web.Response:
    return text_answer(await _table(request), content_type="text/csv")


async def error(request: web.Request) -> web.Response:
    return text_answer(await _table(request) + _ERROR + "\r\n", content_type="text/csv")


async def plain_error(request: web.Request) -> web.Response:
    return json_answer({"code": "invalid", "message": "compilation failed: undefined identifier"}, 400)


async def written(request: web.Request) -> web.Response:
    return web.Response(status=204)


async def health(request: web.Request) -> web.Response:
    return json_answer({"name": "influxdb", "status": "pass", "checks": []})


def make() -> web.Application:
    return application(
        {
            "POST /api/v2/query": query,
            "POST /api/v2/write": written,
            "POST /api/v2/delete": written,
            "GET /health": health,
            "GET /ping": written,
        },
        {"make_error": error, "make_plain_error": plain_error, "make_broken": broken_off},
    )


if __name__ == "__main__":
    serve(make, 8086)
