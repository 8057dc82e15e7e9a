"""Graphite's render and find API, for what the packaged graphite-web cannot be made to do on demand.

Assumed: one series for every target, in order; the count of requests is a tag. `/functions` has an Infinity in it, as
older versions write it: no JSON, and to be passed on byte for byte.
"""

from urllib.parse import parse_qsl

from aiohttp import web

from .recorder import application, broken_off, count, json_answer, number, serve, text_answer


async def render(request: web.Request) -> web.Response:
    pairs = [*request.query.items(), *parse_qsl((await request.read()).decode())]
    targets = [value for name, value in pairs if name == "target"]
    tags = {"asked": str(count(request))}
    return json_answer(
        [
            {"target": target, "tags": tags, "datapoints": [[number(target, k), 60 * k] for k in range(5)]}
            for target in targets
        ]
    )


async def find(request: web.Request) -> web.Response:
    found = {"text": f"asked_{count(request)}", "id": "a", "leaf": 1, "expandable": 0, "allowChildren": 0}
    return json_answer([found])


async def expand(request: web.Request) -> web.Response:
    return json_answer({"results": [f"a.asked_{count(request)}"]})


async def functions(request: web.Request) -> web.Response:
    text = f'{{"asked": {count(request)}, "delay": {{"default": Infinity}}}}'
    return text_answer(text, content_type="application/json")


async def names(request: web.Request) -> web.Response:
    return json_answer(["a", f"asked_{count(request)}"])


async def events(request: web.Request) -> web.Response:
    return json_answer([{"what": "deployed", "when": 0, "id": count(request)}])


async def error(request: web.Request) -> web.Response:
    return text_answer("Traceback (most recent call last): make_error", 500)


async def done(request: web.Request) -> web.Response:
    return json_answer({"success": True})


def make() -> web.Application:
    return application(
        {
            "GET,POST /render": render,
            "GET,POST /metrics/find": find,
            "GET /metrics/expand": expand,
            "GET /functions": functions,
            "GET /tags": names,
            "GET /tags/autoComplete/tags": names,
            "GET /tags/autoComplete/values": names,
            "GET /tags/{tag}": names,
            "GET /version": names,
            "GET /events/get_data": events,
            "POST /events/": done,
            "GET,POST /tags/delSeries": done,
            "POST /tags/tagSeries": done,
        },
        {"make_error": error, "make_broken": broken_off},
    )


if __name__ == "__main__":
    serve(make, 8080)
