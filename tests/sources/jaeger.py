"""Jaeger's query service: the API of its UI and /api/v3.

Assumed: `errors` beside `data` in a 200 for a trace that could be read in part only; 404 with the same shape for an
unknown trace (an id of zeros). The count of requests is `total`, in /api/v3 the span's name.
"""

from aiohttp import web

from .recorder import application, broken_off, count, json_answer, number, serve, text_answer


def _data(request: web.Request, data: object, errors: object = None, status: int = 200) -> web.Response:
    body = {"data": data, "total": count(request), "limit": 0, "offset": 0, "errors": errors}
    return json_answer(body, status)


def _trace(request: web.Request, trace_id: str) -> dict[str, object]:
    duration = number(request.raw_path)
    span = {"traceID": trace_id, "spanID": "1", "operationName": "get", "startTime": 1, "duration": duration}
    return {"traceID": trace_id, "spans": [span], "processes": {"p1": {"serviceName": "shop", "tags": []}}}


async def services(request: web.Request) -> web.Response:
    return _data(request, ["shop"])


async def operations(request: web.Request) -> web.Response:
    return _data(request, [f"get {request.match_info.get('service', 'any')}"])


async def traces(request: web.Request) -> web.Response:
    ids = request.query.getall("traceID", ["a1"])
    return _data(request, [_trace(request, trace_id) for trace_id in ids])


async def trace(request: web.Request) -> web.Response:
    trace_id = request.match_info["id"]
    if not trace_id.strip("0"):
        return _data(request, None, [{"code": 404, "msg": "trace not found"}], 404)
    return _data(request, [_trace(request, trace_id)])


async def error(request: web.Request) -> web.Response:
    return _data(request, [_trace(request, "a1")], [{"code": 500, "msg": "a shard is away", "traceID": "a2"}])


async def plain_error(request: web.Request) -> web.Response:
    return text_answer("unable to parse param 'start'", 400)


async def dependencies(request: web.Request) -> web.Response:
    return _data(request, [{"parent": "front", "child": "shop", "callCount": number(request.raw_path)}])


async def services_v3(request: web.Request) -> web.Response:
    return json_answer({"services": ["shop", f"asked_{count(request)}"]})


async def operations_v3(request: web.Request) -> web.Response:
    return json_answer({"operations": [{"name": f"asked {count(request)}", "spanKind": "server"}]})


async def traces_v3(request: web.Request) -> web.Response:
    spans = [{"traceId": "a1", "spanId": "1", "name": f"asked {count(request)}"}]
    return json_answer({"result": {"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": spans}]}]}})


async def collected(request: web.Request) -> web.Response:
    return web.Response(status=202)


async def sampling(request: web.Request) -> web.Response:
    return json_answer({"strategyType": "PROBABILISTIC", "asked": count(request)})


def make() -> web.Application:
    return application(
        {
            "GET /api/services": services,
            "GET /api/services/{service}/operations": operations,
            "GET /api/operations": operations,
            "GET /api/traces": traces,
            "GET /api/traces/{id}": trace,
            "GET /api/dependencies": dependencies,
            "GET /api/v3/services": services_v3,
            "GET /api/v3/operations": operations_v3,
            "GET /api/v3/traces": traces_v3,
            "GET /api/v3/traces/{id}": traces_v3,
            "POST /api/traces": collected,
            "GET /api/sampling": sampling,
        },
        {"make_error": error, "make_plain_error": plain_error, "make_broken": broken_off},
    )


if __name__ == "__main__":
    serve(make, 16686)
