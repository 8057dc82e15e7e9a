"""Pyroscope's querier over the Connect protocol, unary.

Assumed: the answer has the request's codec; in protobuf it is one string field with the count of requests, which is
the shape of LabelNames and LabelValues and well-formed for the others. Errors are JSON with a status of their own.
"""

from aiohttp import web

from .recorder import Handler, application, broken_off, count, json_answer, number, serve

_PROTOBUF = "application/proto"


def _method(name: str, field: str) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        if request.content_type == _PROTOBUF:
            text = f"{name} asked {count(request)}".encode()
            return web.Response(body=bytes([0x0A, len(text)]) + text, content_type=_PROTOBUF)
        body = (await request.read()).decode()
        return json_answer({field: [f"{number(body)}", f"asked {count(request)}"]})

    return handler


_METHODS = {
    "ProfileTypes": "profileTypes",
    "LabelNames": "names",
    "LabelValues": "names",
    "Series": "labelsSet",
    "SelectSeries": "series",
    "SelectMergeStacktraces": "flamegraph",
    "SelectMergeProfile": "sample",
    "SelectMergeSpanProfile": "flamegraph",
}


async def error(request: web.Request) -> web.Response:
    return json_answer({"code": "invalid_argument", "message": "parse error: unexpected end of input"}, 400)


async def done(request: web.Request) -> web.Response:
    return json_answer({})


def make() -> web.Application:
    service = "/querier.v1.QuerierService"
    return application(
        {
            **{f"POST {service}/{name}": _method(name, field) for name, field in _METHODS.items()},
            "POST /push.v1.PusherService/Push": done,
            "POST /ingest": done,
        },
        {"make_error": error, "make_broken": broken_off},
    )


if __name__ == "__main__":
    serve(make, 4040)
