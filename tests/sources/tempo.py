"""Tempo's query-frontend.

Assumed: a trace of one span whose name has the count of requests; protobuf where Accept asks for it, JSON otherwise
(tempopb: TraceByIDResponse{trace 1, status 3, message 4}, Trace{resource_spans 1}). An id of zeros is unknown: 404.
"""

from aiohttp import web

from .recorder import Handler, application, broken_off, count, json_answer, number, serve, text_answer

_PROTOBUF = "application/protobuf"


def _field(number: int, value: bytes) -> bytes:
    assert len(value) < 128
    return bytes([number << 3 | 2, len(value)]) + value


def _span(request: web.Request) -> str:
    return f"asked {count(request)}"


def _trace_protobuf(request: web.Request) -> bytes:
    """Trace > ResourceSpans > ScopeSpans (2) > Span (2) > name (5)."""
    span = _field(1, bytes(16)) + _field(5, _span(request).encode())
    return _field(1, _field(2, _field(2, span)))


def _trace_json(request: web.Request) -> dict[str, object]:
    spans = [{"traceId": request.match_info["id"], "spanId": "1", "name": _span(request)}]
    return {"batches": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": spans}]}]}


def _is_unknown(request: web.Request) -> bool:
    return not request.match_info["id"].strip("0")


async def trace(request: web.Request) -> web.Response:
    if _is_unknown(request):
        return text_answer("trace not found", 404)
    if request.headers.get("Accept") == _PROTOBUF:
        return web.Response(body=_trace_protobuf(request), content_type=_PROTOBUF)
    return json_answer(_trace_json(request))


def _trace_v2(*, partial: bool) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        if _is_unknown(request):
            return text_answer("trace not found", 404)
        if request.headers.get("Accept") == _PROTOBUF:
            mark = b"\x18\x01" + _field(4, b"trace exceeds max size") if partial else b""
            return web.Response(body=_field(1, _trace_protobuf(request)) + mark, content_type=_PROTOBUF)
        told = {"status": "PARTIAL", "message": "trace exceeds max size"} if partial else {}
        return json_answer({"trace": _trace_json(request), **told})

    return handler


async def search(request: web.Request) -> web.Response:
    found = {"traceID": f"{number(request.query_string):032x}", "rootServiceName": "shop", "durationMs": 5}
    return json_answer({"traces": [found], "metrics": {"inspectedTraces": count(request)}})


async def metrics(request: web.Request) -> web.Response:
    start = int(request.query.get("start", 0))
    samples = [
        {"timestampMs": str((start + 60 * k) * 1000), "value": number(request.query_string, k)} for k in range(5)
    ]
    series = [{"labels": [{"key": "job", "value": {"stringValue": "x"}}], "samples": samples}]
    return json_answer({"series": series, "metrics": {"inspectedTraces": count(request)}})


async def tags(request: web.Request) -> web.Response:
    return json_answer({"tagNames": ["service.name"], "metrics": {"inspectedBytes": str(count(request))}})


async def tags_v2(request: web.Request) -> web.Response:
    scopes = [{"name": "resource", "tags": ["service.name"]}]
    return json_answer({"scopes": scopes, "metrics": {"inspectedBytes": str(count(request))}})


async def tag_values(request: web.Request) -> web.Response:
    return json_answer({"tagValues": ["shop"], "metrics": {"inspectedBytes": str(count(request))}})


async def tag_values_v2(request: web.Request) -> web.Response:
    values = [{"type": "string", "value": "shop"}]
    return json_answer({"tagValues": values, "metrics": {"inspectedBytes": str(count(request))}})


async def buildinfo(request: web.Request) -> web.Response:
    return json_answer({"version": "2.9.0", "revision": str(count(request)), "goVersion": "go1.25"})


async def echo(request: web.Request) -> web.Response:
    return text_answer("echo")


async def plain_error(request: web.Request) -> web.Response:
    return text_answer("invalid TraceQL query: parse error at line 1, col 3", 400)


async def overrides(request: web.Request) -> web.Response:
    return json_answer({"asked": count(request)})


async def done(request: web.Request) -> web.Response:
    return web.Response(status=204)


def make() -> web.Application:
    return application(
        {
            "GET /api/traces/{id}": trace,
            "GET /api/v2/traces/{id}": _trace_v2(partial=False),
            "GET /api/search": search,
            "GET /api/metrics/query_range": metrics,
            "GET /api/metrics/query": metrics,
            "GET /api/search/tags": tags,
            "GET /api/v2/search/tags": tags_v2,
            "GET /api/search/tag/{tag}/values": tag_values,
            "GET /api/v2/search/tag/{tag}/values": tag_values_v2,
            "GET /api/status/buildinfo": buildinfo,
            "GET /api/echo": echo,
            "GET,POST,PATCH,DELETE /api/overrides": overrides,
            "GET /flush": done,
            "GET /shutdown": done,
        },
        {
            "make_partial": _trace_v2(partial=True),
            "make_plain_error": plain_error,
            "make_broken": broken_off,
        },
    )


if __name__ == "__main__":
    serve(make, 3200)
