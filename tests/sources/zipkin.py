"""Zipkin's API v2. Assumed: lists everywhere; the count of requests is a tag or a name; an id of zeros is unknown."""

from aiohttp import web

from .recorder import application, broken_off, count, json_answer, number, serve, text_answer


def _trace(request: web.Request, trace_id: str) -> list[dict[str, object]]:
    span: dict[str, object] = {"traceId": trace_id, "id": "1", "name": "get", "timestamp": 1}
    span["duration"] = number(request.raw_path)
    span["tags"] = {"asked": str(count(request))}
    return [span]


async def trace(request: web.Request) -> web.Response:
    trace_id = request.match_info["id"]
    if not trace_id.strip("0"):
        return text_answer(f"{trace_id} not found", 404)
    return json_answer(_trace(request, trace_id))


async def traces(request: web.Request) -> web.Response:
    return json_answer([_trace(request, "a1")])


async def services(request: web.Request) -> web.Response:
    return json_answer(["shop", f"asked_{count(request)}"])


async def spans(request: web.Request) -> web.Response:
    return json_answer([f"get {request.query.get('serviceName')}", f"asked_{count(request)}"])


async def collected(request: web.Request) -> web.Response:
    return web.Response(status=202)


async def health(request: web.Request) -> web.Response:
    return json_answer({"status": "UP", "asked": count(request)})


async def plain_error(request: web.Request) -> web.Response:
    return text_answer("lookback <= 0", 400)


def make() -> web.Application:
    return application(
        {
            "GET /api/v2/trace/{id}": trace,
            "GET /api/v2/traces": traces,
            "GET /api/v2/services": services,
            "GET /api/v2/spans": spans,
            "POST /api/v2/spans": collected,
            "GET /health": health,
        },
        {"make_plain_error": plain_error, "make_broken": broken_off},
    )


if __name__ == "__main__":
    serve(make, 9411)
