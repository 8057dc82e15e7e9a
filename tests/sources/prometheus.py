"""Prometheus' API in a few lines, for what a real one cannot be made to show: which request an answer was given to.

Assumed: every path answers with the envelope of success; the count of requests is in `data`. Bad answers are those that
Prometheus, Thanos and VictoriaMetrics mark inside a 200.
"""

from aiohttp import web

from .recorder import Handler, application, broken_off, count, json_answer, serve


def _reply(**changed: object) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        data = {"resultType": "matrix", "result": [], "asked": count(request)}
        return json_answer({"status": "success", "data": data, **changed})

    return handler


def make() -> web.Application:
    return application(
        {"* /{any:.*}": _reply()},
        {
            "make_error": _reply(status="error", errorType="execution", error="it broke"),
            "make_warning": _reply(warnings=["a store is away"]),
            "make_partial": _reply(isPartial=True),
            "make_info": _reply(infos=["PromQL info: metric might not be a counter"]),
            "make_broken": broken_off,
        },
    )


if __name__ == "__main__":
    serve(make, 9090)
