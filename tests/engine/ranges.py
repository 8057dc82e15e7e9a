"""A Prometheus of a few lines, whose answer to a range query is a function of time, so that any part of it is known: what
it was asked is written down, and its answers can be spoilt.

It writes as Prometheus does (util/jsonutil/marshal.go), by code of its own: nothing of Millpond's is called.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from multidict import CIMultiDict

from proxy.cache.memory import MemoryStore

from .stack import NOW_MS, Answered, Ask, Stack, running

PATH = "/api/v1/query_range"
STEP_MS = 15_000
HOUR_MS = 3_600_000
FORM = "application/x-www-form-urlencoded"

Value = Callable[[int], str | None]
"""A sample's text at a time in ms, or None where there is none."""


def its_time(time_ms: int) -> str:
    """A value that says when it is, so that a sample that is moved is a sample that is wrong."""
    return str(time_ms)


@dataclass(frozen=True, slots=True)
class Series:
    labels: Mapping[str, str]
    floats: Value = its_time
    histograms: Value | None = None


UP = (Series({"__name__": "up", "instance": "a"}), Series({"__name__": "up", "instance": "b"}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as the source read it, and the true answer to it."""

    start_ms: int
    end_ms: int
    request: web.Request
    body: bytes

    @property
    def span(self) -> tuple[int, int]:
        return self.start_ms, self.end_ms


Answer = Callable[[Asked], Awaitable[web.StreamResponse]]


async def truly(asked: Asked) -> web.StreamResponse:
    return web.Response(body=asked.body, content_type="application/json")


@dataclass
class Ranges:
    """`answers` by what is set here; `more` goes into the envelope of every answer."""

    series: Sequence[Series] = UP
    answers: Answer = truly
    more: dict[str, object] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    async def respond(self, request: web.Request, number: int) -> web.StreamResponse:
        given = {**request.query, **(await request.post())}
        start_ms, end_ms, step_ms = (milliseconds(str(given[name])) for name in ("start", "end", "step"))
        body = written(self.series, start_ms, end_ms, step_ms, self.more)
        self.asked.append(Asked(start_ms=start_ms, end_ms=end_ms, request=request, body=body))
        if end_ms < start_ms or (end_ms - start_ms) // step_ms > 11_000:
            return web.Response(status=400, text='{"status":"error","errorType":"bad_data","error":"range"}')
        return await self.answers(self.asked[-1])


def milliseconds(text: str) -> int:
    return int(Decimal(text) * 1000)


def stamp(time_ms: int) -> str:
    """Three decimals, or none."""
    seconds, fraction = divmod(time_ms, 1000)
    return f"{seconds}.{fraction:03d}" if fraction else str(seconds)


def written(
    series: Sequence[Series], start_ms: int, end_ms: int, step_ms: int, more: Mapping[str, object] | None = None
) -> bytes:
    times = range(start_ms, end_ms + 1, step_ms)
    result = []
    for each in series:
        floats = [f"[{stamp(t)},{json.dumps(value)}]" for t in times if (value := each.floats(t)) is not None]
        histograms = [
            f'[{stamp(t)},{{"count":"{value}","sum":"0","buckets":[[0,"0.5","1","{value}"],[3,"-1","1","2"]]}}]'
            for t in times
            if each.histograms is not None and (value := each.histograms(t)) is not None
        ]
        members = [f'"metric":{json.dumps(each.labels, separators=(",", ":"), ensure_ascii=False)}']
        members += [f'"values":[{",".join(floats)}]'] if floats else []
        members += [f'"histograms":[{",".join(histograms)}]'] if histograms else []
        if len(members) > 1:
            result.append("{" + ",".join(members) + "}")
    envelope = "".join(f",{json.dumps(name)}:{json.dumps(value)}" for name, value in (more or {}).items())
    matrix = f'{{"resultType":"matrix","result":[{",".join(result)}]}}'
    return f'{{"status":"success","data":{matrix}{envelope}}}'.encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a panel shows. `more` are further parameters; times are written as a client may write them."""

    start_ms: int = NOW_MS - HOUR_MS
    end_ms: int = NOW_MS
    step_ms: int = STEP_MS
    query: str = "up"
    more: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    post: bool = False

    @property
    def span(self) -> tuple[int, int]:
        return self.start_ms, self.end_ms

    @property
    def points(self) -> int:
        return (self.end_ms - self.start_ms) // self.step_ms + 1

    @property
    def ask(self) -> Ask:
        parameters = {
            "query": self.query,
            "start": stamp(self.start_ms),
            "end": stamp(self.end_ms),
            "step": stamp(self.step_ms),
            **self.more,
        }
        if self.post:
            headers = CIMultiDict({"Content-Type": FORM, **self.headers})
            return Ask(method="POST", path=PATH, query="", body=urlencode(parameters).encode(), headers=headers)
        return Ask(path=PATH, query=urlencode(parameters), headers=CIMultiDict(self.headers))

    def moved(self, by_ms: int) -> "View":
        return replace(self, start_ms=self.start_ms + by_ms, end_ms=self.end_ms + by_ms)

    def over(self, start_ms: int, end_ms: int) -> "View":
        return replace(self, start_ms=start_ms, end_ms=end_ms)


HOUR = View()
"""The last hour: 241 points."""


@dataclass
class Board:
    """A dashboard, Millpond, and the source behind it."""

    stack: Stack
    source: Ranges

    async def see(self, view: View, *, twin: bool = False) -> Answered:
        """What the client gets, which is what the source would say now. Raises UpstreamError for a source that failed."""
        answered = await self.stack.ask(view.ask, twin=twin)
        assert answered.status == 200
        assert parsed(answered.body) == parsed(self.truth(view))
        return answered

    async def refresh(self, view: View, by_ms: int) -> tuple[View, Answered]:
        """The time goes on, and the panel with it."""
        self.stack.clock.seconds += by_ms / 1000
        moved = view.moved(by_ms)
        return moved, await self.see(moved)

    def truth(self, view: View) -> bytes:
        return written(self.source.series, view.start_ms, view.end_ms, view.step_ms, self.source.more)

    @property
    def kept(self) -> int:
        """Entries in the memory store."""
        assert isinstance(self.stack.store, MemoryStore)
        return len(self.stack.store)

    def took(self) -> list[tuple[int, int]]:
        """The ranges that the source was asked for since the last time, in ms."""
        spans = [asked.span for asked in self.source.asked]
        self.source.asked.clear()
        return spans

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels."""
        lines = (await _exposition(self.stack)).splitlines()
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.partition("{")[0] == f"millpond_{name}" and all(each in line for each in wanted)
        )


def parsed(body: bytes) -> object:
    """As JSON, but for the stamps, which have to be the same text."""
    return json.loads(body, parse_float=str, parse_int=str)


def for_parts(spoilt: Answer, whole: Answer = truly) -> Answer:
    """Less than an hour gets the one answer, a client's own request for an hour the other."""

    async def answers(asked: Asked) -> web.StreamResponse:
        return await (whole if asked.end_ms - asked.start_ms >= HOUR_MS else spoilt)(asked)

    return answers


async def _exposition(stack: Stack) -> str:
    return (await asyncio.to_thread(stack.metrics.exposition)).decode()


@asynccontextmanager
async def dashboard(source: Ranges | None = None, **settings: Any) -> AsyncIterator[Board]:
    """`settings` are those of `stack.running`."""
    ranges = source or Ranges()
    async with running(**settings) as stack:
        stack.source.respond = ranges.respond
        yield Board(stack, ranges)
