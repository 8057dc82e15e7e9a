"""Loki, its read API.

Assumed: a query with a parenthesis is a metric query, any other selects streams. Streams have one line a second at
most, `limit` of them; a matrix is evaluated by `loki_metrics`, at start + k·step. Errors are plain text with status 400; a
result that hit the series limit is a 200 with `warnings`. `stats` differ with every run: the count is there, as execution
time. Flags that were sent are repeated in `encodingFlags`, as a querier does.

`ways` of a running one can be changed: `aligns` is `align_queries_with_step`, `warns` is a limit that is always hit.
"""

from dataclasses import dataclass

from aiohttp import web

from .loki_metrics import matrix, parse
from .recorder import Handler, application, broken_off, count, json_answer, number, params, serve, text_answer

_NS = 10**9
_FLAGS = "X-Loki-Response-Encoding-Flags"
_WARNING = "maximum number of series (500) reached; returning partial results"


@dataclass(slots=True)
class Ways:
    aligns: bool = False
    warns: bool = False


WAYS = web.AppKey("ways", Ways)


def _success(request: web.Request, data: object, **more: object) -> web.Response:
    return json_answer({"status": "success", "data": data, **more})


def _result(request: web.Request, kind: str, result: object, **more: object) -> web.Response:
    summary = {"execTime": count(request), "totalBytesProcessed": 0}
    flags = {"encodingFlags": request.headers[_FLAGS].split(",")} if _FLAGS in request.headers else {}
    return _success(request, {"resultType": kind, **flags, "result": result, "stats": {"summary": summary}}, **more)


def _step_ns(text: str) -> int:
    if text.endswith("ms"):
        return int(text[:-2]) * 1_000_000
    return int(float(text.removesuffix("s")) * _NS)


async def query_range(request: web.Request, **more: object) -> web.Response:
    asked = await params(request)
    query, start, end = asked.get("query", ""), int(asked.get("start", 0)), int(asked.get("end", 3600 * _NS))
    if not query:
        return text_answer("parse error : syntax error: unexpected $end", 400)
    if "(" in query:
        return _metric(request, query, start, end, _step_ns(asked.get("step", "60s")), **more)
    limit = int(asked.get("limit", 100))
    moments = range(start, end, _NS)[:limit]
    lines = [[str(at), f"line {number(query, at)}"] for at in moments]
    if asked.get("direction", "backward").lower() == "backward":
        lines.reverse()
    return _result(request, "streams", [{"stream": {"job": "x"}, "values": lines}] if lines else [], **more)


def _metric(request: web.Request, query: str, start: int, end: int, step: int, **more: object) -> web.Response:
    if end < start:
        return text_answer("end timestamp must not be before or equal to start time", 400)
    if (end - start) // step > 11_000:
        return text_answer("exceeded maximum resolution of 11,000 points per time series", 400)
    try:
        parsed = parse(query)
    except ValueError:
        return text_answer("parse error at line 1, col 1: syntax error: unexpected IDENTIFIER", 400)
    ways = request.app[WAYS]
    if ways.aligns:
        start, end = start // step * step, end // step * step
    if ways.warns:
        more = {"warnings": [_WARNING], **more}
    return _result(request, "matrix", matrix(parsed, start, end, step), **more)


async def query(request: web.Request) -> web.Response:
    asked = await params(request)
    text, at = asked.get("query", ""), int(asked.get("time", 4 * _NS))
    value = [at / _NS, str(number(text, at))]
    return _result(request, "vector", [{"metric": {}, "value": value}])


async def partial(request: web.Request) -> web.Response:
    return await query_range(request, warnings=[_WARNING])


async def plain_error(request: web.Request) -> web.Response:
    return text_answer("parse error at line 1, col 7: syntax error: unexpected IDENTIFIER", 400)


async def labels(request: web.Request) -> web.Response:
    return _success(request, ["job", f"asked_{count(request)}"])


async def label_values(request: web.Request) -> web.Response:
    return _success(request, [f"{request.match_info['name']}_a", f"asked_{count(request)}"])


async def series(request: web.Request) -> web.Response:
    return _success(request, [{"job": "x", "asked": str(count(request))}])


def _document(name: str, value: object) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return json_answer({name: value, "asked": count(request)})

    return handler


_DOCUMENTS = {
    "index/stats": _document("streams", 1),
    "detected_labels": _document("detectedLabels", [{"label": "job", "cardinality": 1}]),
    "detected_fields": _document("fields", [{"label": "level", "type": "string", "cardinality": 2}]),
    "detected_field/{name}/values": _document("values", ["info", "error"]),
    "patterns": _document("data", [{"pattern": "line <_>", "samples": []}]),
    "drilldown-limits": _document("limits", {"max_entries_limit": 5000}),
}


async def volume(request: web.Request) -> web.Response:
    return _result(request, "vector", [{"metric": {"job": "x"}, "value": [0, "1"]}])


async def ready(request: web.Request) -> web.Response:
    return text_answer("ready\n")


async def accepted(request: web.Request) -> web.Response:
    return web.Response(status=204)


def make() -> web.Application:
    base = "/loki/api/v1"
    app = application(
        {
            f"GET,POST {base}/query_range": query_range,
            f"GET,POST {base}/query": query,
            "GET,POST /api/prom/query": query_range,
            f"GET,POST {base}/labels": labels,
            f"GET,POST {base}/label": labels,
            f"GET,POST {base}/label/{{name}}/values": label_values,
            f"GET,POST {base}/series": series,
            f"GET,POST {base}/index/volume": volume,
            f"GET,POST {base}/index/volume_range": volume,
            **{f"GET,POST {base}/{path}": handler for path, handler in _DOCUMENTS.items()},
            "GET,POST /flush": accepted,
            f"POST {base}/push": accepted,
            f"POST,PUT,DELETE {base}/delete": accepted,
            "GET /ready": ready,
        },
        {"make_partial": partial, "make_plain_error": plain_error, "make_broken": broken_off},
    )
    app[WAYS] = Ways()
    return app


if __name__ == "__main__":
    serve(make, 3100)
