"""Millpond in front of the small Grafana, both in the test's process and on one clock that the test turns.

The oracle is the same Grafana asked directly: a second one that becomes a copy of the first for each question, so that
asking it changes nothing (no session is rotated, no counter moves).
"""

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer
from multidict import CIMultiDictProxy
from yarl import URL

from proxy.app import App
from proxy.config.schema import Caching, Config, Duration, SourceCache
from proxy.config.schema import Grafana as GrafanaConfig
from tests.servers.application import running
from tests.servers.grafana.defaults import default_world
from tests.servers.grafana.model import Flags
from tests.servers.grafana.program import application
from tests.servers.grafana.world import World

NOW_S = 1_795_392_000
"""A full hour, long after 1970."""
PERMISSION_SECONDS = 10
TTL_SECONDS = 300

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Fault = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request apart from who makes it."""

    method: str
    path: str
    """With its query string, raw."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def but(self, **changes: Any) -> "Call":
        values = {name: getattr(self, name) for name in ("method", "path", "headers", "body")}
        return Call(**(values | changes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def x_cache(self) -> str:
        return self.headers.get("X-Cache", "")

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def cookies(self) -> list[str]:
        return self.headers.getall("Set-Cookie", [])

    def row(self, ref_id: str = "A") -> dict[str, Any]:
        """The fields of a query's only row, by name."""
        frame = self.json["results"][ref_id]["frames"][0]
        names = [each["name"] for each in frame["schema"]["fields"]]
        return dict(zip(names, (values[0] for values in frame["data"]["values"]), strict=True))


class Clock:
    """Both of Millpond's clocks. Grafana's is `World.now_s`."""

    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def now_ms(self) -> int:
        return NOW_S * 1000 + round((self.seconds - 1000) * 1000)


@dataclass(kw_only=True)
class Stand:
    world: World
    clock: Clock
    faults: dict[str, Fault]
    """What happens at a path of Grafana instead of an answer."""
    app: App
    url: str
    _client: aiohttp.ClientSession
    _grafana: BaseTestServer
    _oracle: BaseTestServer
    _oracle_world: World

    async def ask(self, call: Call, headers: Mapping[str, str] | None = None) -> Answer:
        """Through Millpond."""
        return await self._send(self.url, call, headers or {})

    async def behind(self, call: Call, headers: Mapping[str, str] | None = None) -> Answer:
        """Of Grafana itself, past Millpond."""
        return await self._send(str(self._grafana.make_url("")), call, headers or {})

    async def oracle(self, call: Call, headers: Mapping[str, str] | None = None) -> Answer:
        """What Grafana itself would answer now."""
        for each in fields(World):
            if each.name not in ("gates", "requests"):
                setattr(self._oracle_world, each.name, copy.deepcopy(getattr(self.world, each.name)))
        return await self._send(str(self._oracle.make_url("")), call, headers or {})

    def turn(self, seconds: int) -> None:
        """Everybody's clock."""
        self.clock.seconds += seconds
        self.world.now_s += seconds

    def executions(self, uid: str, ref_id: str = "A", org_id: int = 1) -> int:
        return self.world.executions[f"{org_id}/{uid}/{ref_id}"]

    @property
    def coalesced(self) -> float:
        """Requests that waited for another's fetch."""
        (metric,) = self.app.metrics._coalesced.collect()
        return sum(sample.value for sample in metric.samples if sample.name.endswith("_total"))

    @property
    def waiting_for_a_source(self) -> int:
        """Callers who wait for what Grafana says of a data source."""
        assert self.app._grafana is not None
        flights = self.app._grafana.front.directory._facts._flights._flights
        return sum(flight._waiters for flight in flights.values())

    async def _send(self, base: str, call: Call, headers: Mapping[str, str]) -> Answer:
        async with self._client.request(
            call.method,
            URL(base.rstrip("/") + call.path, encoded=True),
            headers={**call.headers, **headers},
            data=call.body or None,
            allow_redirects=False,
        ) as response:
            return Answer(status=response.status, headers=response.headers, body=await response.read())


async def until(condition: Callable[[], bool]) -> None:
    """The loop turns until it holds; the test's own timeout ends it."""
    while not condition():
        await asyncio.sleep(0.001)


def same_answer(one: Answer, other: Answer) -> bool:
    """All but which execution it was."""
    return (one.status, _without_executions(one)) == (other.status, _without_executions(other))


def _without_executions(answer: Answer) -> object:
    try:
        document = answer.json
    except ValueError:
        return answer.body
    if not isinstance(document, dict) or "results" not in document:
        return document
    told = {}
    for ref_id, result in document["results"].items():
        frames = [
            {"schema": frame["schema"], "data": [*frame["data"]["values"][:1], *frame["data"]["values"][2:]]}
            for frame in result.get("frames", [])
        ]
        told[ref_id] = {**result, "frames": frames}
    return list(told.items())  # the order of refIds is Grafana's


@asynccontextmanager
async def standing(
    data_dir: Path,
    flags: Flags | None = None,
    *,
    caching: Caching | None = None,
    source_cache: SourceCache | None = None,
    **grafana: Any,
) -> AsyncIterator[Stand]:
    """`grafana` is what the section has besides its url; caching is on for every data source, unless told otherwise."""
    world, oracle_world = _world(flags), _world(flags)
    faults: dict[str, Fault] = {}
    clock = Clock()
    section: dict[str, Any] = {
        "cache": source_cache or SourceCache(enabled=True),
        "permission_ttl_ms": Duration(PERMISSION_SECONDS * 1000),
    } | grafana
    async with (
        TestServer(_with_faults(application(world), faults), skip_url_asserts=True) as server,
        TestServer(application(oracle_world), skip_url_asserts=True) as oracle,
        aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit=0),
            skip_auto_headers=("User-Agent", "Accept", "Content-Type"),
        ) as client,
    ):
        world.port = oracle_world.port = server.port or 0
        config = Config(
            caching=caching or Caching(ttl_ms=Duration(TTL_SECONDS * 1000)),
            grafana=GrafanaConfig(url=str(server.make_url("")).rstrip("/"), **section),
        )
        async with running(config, data_dir, monotonic=clock, now_ms=clock.now_ms) as running_app:
            yield Stand(
                world=world,
                clock=clock,
                faults=faults,
                app=running_app.app,
                url=running_app.url,
                _client=client,
                _grafana=server,
                _oracle=oracle,
                _oracle_world=oracle_world,
            )


def _world(flags: Flags | None) -> World:
    world = default_world(replace(flags or Flags()), 0)
    world.now_s = NOW_S
    return world


def _with_faults(app: web.Application, faults: Mapping[str, Fault]) -> web.Application:
    @web.middleware
    async def failing(request: web.Request, handler: Handler) -> web.StreamResponse:
        fault = faults.get(request.path)
        return await (fault(request, handler) if fault is not None else handler(request))

    app.middlewares.insert(0, failing)
    return app
