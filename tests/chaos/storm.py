"""A storm: two Millponds on one Redis and one by itself, clients that check every answer, and whatever can happen.

What happens, and in which order, follows from the seed; how it falls together in time does not.
"""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import aiohttp

from tests.servers.valkey import Valkey

from .clients import TENANTS, UIDS, Clients, Weather
from .oracle import Oracle, Settings
from .replica import Replica
from .river import UNWELL, Mood, River

GROUPS = (("one", "two"), ("alone",))
FIRST = Settings(enabled=True, ttl_ms=60_000)
CLIENTS = 4
"""Of each replica."""
WAIT_SECONDS = 60.0
_EDITS: dict[str, Callable[[Settings], Settings]] = {
    "enable": lambda before: replace(before, enabled=True),
    "disable": lambda before: replace(before, enabled=False),
}


def _as_it_was(before: Settings) -> Settings:
    return before


@dataclass
class Storm:
    seed: int
    chance: random.Random
    river: River
    redis: Valkey
    replicas: dict[str, Replica]
    oracles: dict[str, dict[str, Oracle]]
    weather: Weather
    clients: Clients
    session: aiohttp.ClientSession
    happened: Counter[str] = field(default_factory=Counter)
    diary: list[str] = field(default_factory=list)
    down: set[str] = field(default_factory=set)

    async def rage(self, events: Sequence["Event"], times: int) -> None:
        """So many things happen; some of them while others still do."""
        under_way: set[asyncio.Task[None]] = set()
        for _ in range(times):
            what = self.chance.choice(events)
            self.happened[what.__name__] += 1
            task = asyncio.create_task(self._happen(what))
            under_way.add(task)
            if self.chance.random() < 0.7:
                await asyncio.wait((task,))
            await asyncio.sleep(self.chance.choice((0, 0.02, 0.1, 0.3, 0.7)))
        await asyncio.gather(*under_way)

    async def _happen(self, what: "Event") -> None:
        began = self.now()
        told = await what(self)
        self.diary.append(f"{began:.3f}–{self.now():.3f} {what.__name__} {told}")

    async def call(self, change: str) -> str:
        """A change by the API, through one replica of a group, and what the oracle makes of it."""
        group = self.chance.choice(GROUPS)
        replica, uid = self.replicas[self.chance.choice(group)], self.chance.choice(UIDS)
        oracles = self.oracles[replica.name]
        async with self._one_at_a_time(replica.name):
            path, body, edit = f"{uid}/cache/{change}", None, _EDITS.get(change, _as_it_was)
            if change == "clean-one":
                path = f"{uid}/cache/clean?scope=datasource"
            elif change == "set":
                to = Settings(enabled=self.chance.random() < 0.8, ttl_ms=self.chance.choice((1, 2, 5, 60)) * 1000)
                path, edit = f"{uid}/cache", lambda _: to
                body = {"enabled": to.enabled, "useDefaultTTL": False, "ttlQueriesMs": to.ttl_ms}
            affected = [oracles[each] for each in (UIDS if change == "clean" else (uid,))]
            called = [(oracle, oracle.called(edit, self.now())) for oracle in affected]
            try:
                status, answer = await replica.call(self.session, "POST", path, body)
            except aiohttp.ClientConnectorError:
                for oracle, made in called:
                    oracle.never_came(made)
                return f"{uid} by {replica.name}, which is down"
            except (aiohttp.ClientError, TimeoutError) as error:
                status, answer = 0, {"message": repr(error)}
            cleans = change.startswith(("clean", "disable")) or (body is not None and not body["enabled"])
            for oracle, made in called:
                if status == 200:
                    oracle.acknowledged(made, replica.name, self.now(), cleans=cleans)
            if status not in (0, 200, 500):
                self.clients.wrong.append(f"{change} by {replica.name}: {status} {answer}")
            return f"{uid} by {replica.name}: {status} {body or ''} {answer['message'] if status != 200 else ''}"

    @asynccontextmanager
    async def _one_at_a_time(self, replica: str) -> AsyncIterator[None]:
        """Changes of one group: which of two at once came last, nobody could say."""
        lock = self._locks.setdefault("alone" if replica == "alone" else "shared", asyncio.Lock())
        async with lock:
            yield

    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def restart(self, signum: signal.Signals) -> str:
        name = self.chance.choice(list(self.replicas))
        if name in self.down:
            return f"{name} is down already"
        replica = self.replicas[name]
        self.down.add(name)
        self.weather.breaks(name)
        status = await replica.end(signum)
        if signum is signal.SIGTERM and status != 0:
            self.clients.wrong.append(f"{name} exited with {status}")
        await asyncio.sleep(self.chance.choice((0, 0, 0.5)))
        await replica.begin()
        self.weather.mends(name, self.now())
        self.down.discard(name)
        return name

    async def reload(self, config: Callable[[Replica], str]) -> str:
        name = self.chance.choice(list(self.replicas))
        if name in self.down:
            return f"{name} is down"
        replica = self.replicas[name]
        replica.reload(config(replica))
        return name

    async def become(self, mood: Mood) -> str:
        if mood in UNWELL:
            self.weather.breaks("river")
        await self.river.become(mood)
        await asyncio.sleep(self.chance.uniform(0, 0.7))
        await self.river.become(Mood.WELL)
        self.weather.mends("river", self.now())
        return ""

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def calm(self) -> None:
        """Everything is mended: what must be well again is, or this raises."""
        for replica in self.replicas.values():
            replica.reload(replica.configuration())
        for name, replica in self.replicas.items():
            await self.until(partial(self._is_well, replica), f"{name} is well again")
            for uid in UIDS:
                oracle = self.oracles[name][uid]
                await self.until(
                    partial(self._is_set, replica, uid, oracle),
                    f"{name} has the settings of {uid}: {oracle.possible()}",
                )
        await self._agree()
        for group in GROUPS:
            for uid in UIDS:
                await self._enable(self.replicas[group[0]], uid)
        for name in self.replicas:
            for uid in UIDS:
                for tenant in TENANTS:
                    await self.until(partial(self._hits, name, uid, tenant), f"{name} has hits of {uid}")

    async def until(self, condition: Callable[[], Awaitable[bool]], what: str) -> None:
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while not await condition():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"never came: {what}; {self.told()}") from None

    async def _is_well(self, replica: Replica) -> bool:
        ready = await replica.ready(self.session)
        return ready["status"] == "ready" and not ready["degraded"]

    async def _is_set(self, replica: Replica, uid: str, oracle: Oracle) -> bool:
        return await replica.settings(self.session, uid) in oracle.possible()

    async def _agree(self) -> None:
        first, second = (self.replicas[name] for name in GROUPS[0])
        for uid in UIDS:

            async def same(uid: str = uid) -> bool:
                return await first.settings(self.session, uid) == await second.settings(self.session, uid)

            await self.until(same, f"the replicas agree about {uid}")

    async def _enable(self, replica: Replica, uid: str) -> None:
        oracle = self.oracles[replica.name][uid]
        called = oracle.called(lambda _: FIRST, self.now())
        body = {"enabled": True, "useDefaultTTL": False, "ttlQueriesMs": FIRST.ttl_ms}
        status, answer = await replica.call(self.session, "POST", f"{uid}/cache", body)
        assert status == 200, answer
        oracle.acknowledged(called, replica.name, self.now(), cleans=False)

    async def _hits(self, replica: str, uid: str, tenant: str) -> bool:
        return await self.clients.ask(self.session, replica, uid, tenant, "/q?kind=plain&n=calm") == "HIT"

    def told(self) -> str:
        return "\n".join((f"CHAOS_SEED={self.seed}", *self.diary[-60:], *self.clients.wrong[:20]))


Event = Callable[[Storm], Awaitable[str]]
"""What can happen. Says a word about it for the diary."""


@asynccontextmanager
async def storm(seed: int) -> AsyncIterator[Storm]:
    """Everything runs in the body, the clients too."""
    chance = random.Random(seed)
    river, weather = River(), Weather()
    async with AsyncExitStack() as running:
        await river.become(Mood.WELL)
        running.push_async_callback(river.close)
        redis = await asyncio.to_thread(running.enter_context, Valkey("--appendonly", "no"))
        replicas = {
            name: await asyncio.to_thread(
                running.enter_context, Replica(name, river.url, None if name == "alone" else redis.url)
            )
            for group in GROUPS
            for name in group
        }
        oracles: dict[str, dict[str, Oracle]] = {}
        for group in GROUPS:
            shared = {uid: Oracle(replicas=group, first=FIRST) for uid in UIDS}
            oracles |= dict.fromkeys(group, shared)
        urls = {name: replica.url for name, replica in replicas.items()}
        clients = Clients(weather=weather, oracles=oracles, urls=urls, chance=random.Random(seed + 1))
        session = await running.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)))
        asking = [asyncio.create_task(clients.run(name)) for name in replicas for _ in range(CLIENTS)]
        try:
            yield Storm(
                seed=seed,
                chance=chance,
                river=river,
                redis=redis,
                replicas=replicas,
                oracles=oracles,
                weather=weather,
                clients=clients,
                session=session,
            )
        finally:
            for task in asking:
                task.cancel()
            ends: list[Any] = await asyncio.gather(*asking, return_exceptions=True)
            clients.wrong += [repr(end) for end in ends if not isinstance(end, asyncio.CancelledError)]
