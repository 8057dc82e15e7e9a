"""A Millpond with Redis between a counting source and clients that check every answer, while something breaks.

The load is that of `safety.md` §4: 50 requests a second for twenty keys and five a second that nobody asked before.
"""

import asyncio
import json
import os
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from aiohttp import ClientSession, ClientTimeout

from ..servers.counting import Counting
from ..servers.counting_program import body_of
from ..servers.millpond import Millpond
from ..servers.valkey import Valkey

HOLD_SECONDS = float(os.environ.get("FAULT_SECONDS", "0.3"))
"""How long a fault lasts once it is noticed: `make faults` asks for the long form."""
WAIT_SECONDS = 60.0
PER_SECOND = 55
_unique = count()
_FAILED = re.compile(r"^time=(\S+)\.\d+\S* level=(?:warning|error) .* msg=(\"[^\"]*\"|\S+)(.*)$", re.MULTILINE)


def configuration(source: Counting, redis: str, *, prefix: str = "millpond", ttl: str = "5m", cluster: str = "") -> str:
    config = {
        "caching": {
            "backend": "redis",
            "ttl": ttl,
            "redis": {"url": redis, "prefix": prefix, "cluster": cluster},
        },
        "datasources": [
            {"uid": uid, "type": "opaque", "url": source.url, "cache": {"enabled": True}} for uid in ("src", "other")
        ],
    }
    return json.dumps(config)  # is YAML


@dataclass
class Load:
    """Asks and checks. Everything that was not as the source says it is in `wrong`, and every answer of an epoch before
    the one that was `oldest` when it was asked for."""

    session: ClientSession
    millpond: Millpond
    oldest: int
    caches: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    """What each answer took."""
    _tasks: set[asyncio.Task[str]] = field(default_factory=set)

    async def ask(self, target: str, uid: str = "src") -> str:
        """X-Cache of one answer."""
        began, oldest = time.monotonic(), self.oldest
        async with self.session.get(f"{self.millpond.url}/ds/{uid}{target}") as response:
            body = await response.read()
            epoch = json.loads(body)["epoch"] if response.status == 200 else -1
            if epoch < oldest or body != body_of(target, epoch):
                self.wrong.append(f"{target}: {response.status} {body[:200]!r}")
            self.seconds.append(time.monotonic() - began)
            cache = response.headers["X-Cache"]
            self.caches[cache] += 1
            return cache

    async def run(self) -> None:
        for number in count():
            target = f"/q?{number % 20}" if number % 11 else f"/q?unique={next(_unique)}"
            task = asyncio.create_task(self.ask(target))
            self._tasks.add(task)
            task.add_done_callback(self._asked)
            await asyncio.sleep(1 / PER_SECOND)

    def _asked(self, task: asyncio.Task[str]) -> None:
        self._tasks.discard(task)
        if (error := task.exception()) is not None:
            self.wrong.append(repr(error))

    async def settle(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def answer_those_under_way(self) -> None:
        """Until everything that has been asked by now has its answer; the load goes on."""
        if under_way := tuple(self._tasks):
            await asyncio.wait(under_way)


@dataclass
class Bench:
    redis: Valkey
    source: Counting
    millpond: Millpond
    load: Load
    session: ClientSession

    async def until(self, condition: Callable[[], Any], what: str = "") -> None:
        """Polls `condition`, sync or async, until it is true."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while True:
                    result = condition()
                    if await result if asyncio.iscoroutine(result) else result:
                        return
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"never came: {what or condition.__name__}; {await self.ready()}") from None

    async def hold(self) -> None:
        """The fault lasts."""
        await asyncio.sleep(HOLD_SECONDS)

    async def ready(self) -> dict[str, Any]:
        async with self.session.get(f"{self.millpond.admin_url}/-/ready") as response:
            assert response.status == 200, "degraded is still ready"
            answer: dict[str, Any] = await response.json()
            return answer

    async def degraded(self) -> bool:
        return bool((await self.ready())["degraded"])

    async def well(self) -> bool:
        return not await self.degraded()

    async def failing(self) -> list[str]:
        names: list[str] = (await self.ready())["failing"]
        return names

    async def counted(self, operation: str, kind: str) -> float:
        name = f'millpond_store_errors_total{{kind="{kind}",operation="{operation}"}}'
        return (await self.metrics()).get(name, 0.0)

    async def metrics(self) -> Mapping[str, float]:
        async with self.session.get(f"{self.millpond.admin_url}/metrics") as response:
            lines = (await response.text()).splitlines()
        samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

    async def api(self, method: str, path: str, body: Mapping[str, object] | None = None) -> tuple[int, dict[str, Any]]:
        """A call of the Caching API, below /api/datasources/."""
        url = f"{self.millpond.admin_url}/api/datasources/{path}"
        headers = {"Authorization": f"Bearer {self.millpond.token}"}
        async with self.session.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.json()

    async def move_on(self) -> None:
        """From here on, what the source said before is wrong."""
        epoch = self.source.next_epoch()
        assert (await self.api("POST", "src/cache/clean"))[0] == 200
        self.load.oldest = epoch

    async def hits(self) -> None:
        """Until one is served from the cache."""
        before = self.load.caches["HIT"]
        await self.until(lambda: self.load.caches["HIT"] > before, "a hit")

    async def alive(self) -> None:
        """What must answer whatever is broken."""
        async with self.session.get(f"{self.millpond.admin_url}/-/healthy") as response:
            assert response.status == 200
        assert await self.metrics()


@asynccontextmanager
async def under_load(redis: Valkey, source: Counting, millpond: Millpond) -> AsyncIterator[Bench]:
    """The load runs in the body; afterwards every answer was the source's, and the log was quiet."""
    async with ClientSession(timeout=ClientTimeout(total=WAIT_SECONDS)) as session:
        load = Load(session, millpond, source.epoch)
        bench = Bench(redis, source, millpond, load, session)
        began = len(millpond.log)
        running = asyncio.create_task(load.run())
        try:
            yield bench
        finally:
            running.cancel()
            await asyncio.wait((running,))
            await load.settle()
        assert load.wrong == []
        assert loud(millpond.log[began:]) == []


def loud(log: str) -> list[str]:
    """The kinds of which more than one line was logged in a second, and tracebacks."""
    lines = Counter((second, text, rest) for second, text, rest in _FAILED.findall(log))
    return [f"{times} × {line}" for line, times in lines.items() if times > 1] + re.findall(r"Traceback.*", log)
