"""Any HTTP server: it says what a test has scripted, and without a script repeats what it was asked.

A scripted answer is for the next request, whatever that is. `closed_gate()` holds every request from then on until the
gate is set, so that a test can have many of them under way.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson
from aiohttp import web

from .recorder import RECORDER, application, count, serve


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripted:
    """`chunks` are sent one by one; with `breaks_off` the connection is cut after them."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: tuple[bytes, ...] = (b"{}",)
    breaks_off: bool = False


@dataclass(slots=True)
class Script:
    answers: deque[Scripted] = field(default_factory=deque)
    gate: asyncio.Event | None = None

    def say(self, *answers: Scripted) -> None:
        self.answers.extend(answers)

    def closed_gate(self) -> asyncio.Event:
        self.gate = asyncio.Event()
        return self.gate


SCRIPT = web.AppKey("script", Script)


async def answer(request: web.Request) -> web.StreamResponse:
    script = request.app[SCRIPT]
    # Taken before the gate: the first request gets the first answer, whoever is let through first.
    scripted = script.answers.popleft() if script.answers else await _echo(request)
    if script.gate is not None:
        await script.gate.wait()
    response = web.StreamResponse(status=scripted.status, headers=scripted.headers)
    if "Content-Length" not in scripted.headers:
        if len(scripted.chunks) == 1 and not scripted.breaks_off:
            response.content_length = len(scripted.chunks[0])
        else:
            response.enable_chunked_encoding()
    await response.prepare(request)
    for chunk in scripted.chunks if request.method != "HEAD" else ():
        await response.write(chunk)
    if scripted.breaks_off and request.transport is not None:
        request.transport.abort()
    else:
        await response.write_eof()
    return response


async def _echo(request: web.Request) -> Scripted:
    said = {
        "asked": count(request),
        "method": request.method,
        "target": request.raw_path,
        "body": (await request.read()).decode("utf-8", "replace"),
    }
    return Scripted(headers={"Content-Type": "application/json"}, chunks=(orjson.dumps(said),))


def make() -> web.Application:
    app = application({"* /{any:.*}": answer})
    app[SCRIPT] = Script()
    return app


__all__ = ["RECORDER", "SCRIPT", "Script", "Scripted", "make"]

if __name__ == "__main__":
    serve(make, 8000)
