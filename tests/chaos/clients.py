"""Clients that ask without end, hang up now and then, and check whatever they get."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

import aiohttp

from .oracle import LENIENCE, Oracle
from .river import fields_of

KINDS = ("plain", "plain", "plain", "chunked", "zipped", "cookie", "large")
TENANTS = ("", "Bearer one", "Bearer two")
UIDS = ("src", "other")
_RECOVERY_SECONDS = 2.0 * LENIENCE
"""After a fault: what had begun in it may end in it."""


class Weather:
    """Since when nothing has been wrong with whom: the source, or a replica by its name."""

    def __init__(self) -> None:
        self._bad: set[str] = set()
        self._well_since: dict[str, float] = {}

    def breaks(self, name: str) -> None:
        self._bad.add(name)

    def mends(self, name: str, now: float) -> None:
        if name in self._bad:
            self._bad.discard(name)
            self._well_since[name] = now

    def was_well(self, name: str, since: float) -> bool:
        return name not in self._bad and self._well_since.get(name, 0.0) + _RECOVERY_SECONDS < since


@dataclass
class Clients:
    """All of one storm's. `wrong` is what should never have been."""

    weather: Weather
    oracles: dict[str, dict[str, Oracle]]
    """By replica, then by source."""
    urls: dict[str, str]
    chance: random.Random
    wrong: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    _cookies: set[str] = field(default_factory=set)

    async def run(self, replica: str, *, keys: int = 4) -> None:
        """Asks one replica, one request after the other."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
            while True:
                target = f"/q?kind={self.chance.choice(KINDS)}&n={self.chance.randrange(keys)}"
                patience = self.chance.uniform(0.001, 0.02) if self.chance.random() < 0.1 else 60.0
                uid, tenant = self.chance.choice(UIDS), self.chance.choice(TENANTS)
                await self.ask(session, replica, uid, tenant, target, patience)
                await asyncio.sleep(self.chance.uniform(0, 0.03))

    async def herd(self, replica: str, target: str) -> None:
        """Many ask for what nobody asked for before, all at once."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
            asking = (self.ask(session, replica, UIDS[0], TENANTS[number % 3], target) for number in range(30))
            await asyncio.gather(*asking)

    async def ask(
        self, session: aiohttp.ClientSession, replica: str, uid: str, tenant: str, target: str, patience: float = 60.0
    ) -> str:
        """X-Cache, or what became of the request instead."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.seen["asked"] += 1
        headers = {"Authorization": tenant} if tenant else {}
        if self.chance.random() < 0.3:
            headers["Accept-Encoding"] = "identity"
        try:
            async with (
                asyncio.timeout(patience),
                session.get(f"{self.urls[replica]}/ds/{uid}{target}", headers=headers) as response,
            ):
                body = await response.read()
        except TimeoutError:
            if patience >= 60:
                self._wrong(began, replica, f"{target} hung")
            return self._saw("hung up")
        except aiohttp.ClientError as error:
            if self._excused(replica, began):
                return self._saw("broken")
            return self._wrong(began, replica, f"{target}: {error!r}")
        self._saw(str(response.status))
        if response.status != 200:
            if response.status >= 500 and not self.weather.was_well("river", began):
                return self._saw("failed")
            return self._wrong(began, replica, f"{target}: {response.status} {body[:200]!r}")
        problem = self._problem(replica, uid, tenant, target, began, body, response)
        if problem:
            return self._wrong(began, replica, f"{uid}{target} {tenant!r}: {problem} {dict(response.headers)}")
        return self._saw(response.headers["X-Cache"])

    def _problem(
        self,
        replica: str,
        uid: str,
        tenant: str,
        target: str,
        began: float,
        body: bytes,
        response: aiohttp.ClientResponse,
    ) -> str:
        try:
            fields = fields_of(body)
        except ValueError:
            return f"truncated to {len(body)} bytes and called whole"
        if fields["tenant"] != tenant or fields["target"] != target:
            return f"somebody else's answer: {fields}"
        oracle = self.oracles[replica][uid]
        enabled = {each.enabled for each in oracle.possible(replica, began)}
        cache = response.headers["X-Cache"]
        if cache == "HIT" and True not in enabled:
            return "kept by a source that is off"
        # A replica that starts without Redis has the settings that it last knew.
        if cache == "DISABLED" and False not in enabled and self.weather.was_well("redis", began):
            return "off, where caching was turned on"
        if fields["asked_at"] < oracle.oldest(replica, began):
            return f"from {oracle.oldest(replica, began) - fields['asked_at']:.3f} s before a clean"
        age, most = began - fields["sent_at"], oracle.longest_seconds(replica, began)
        if age > most:
            return f"{age:.3f} s old, where {most:.3f} are allowed"
        for cookie in response.headers.getall("Set-Cookie", ()):
            if cookie in self._cookies or cookie != f"for={fields['serial']}":
                return f"somebody else's cookie {cookie}"
            self._cookies.add(cookie)
        return ""

    def _excused(self, replica: str, began: float) -> bool:
        """A connection may break when the replica ends, or the source does in the middle of an answer."""
        return not (self.weather.was_well(replica, began) and self.weather.was_well("river", began))

    def _saw(self, what: str) -> str:
        self.seen[what] += 1
        return what

    def _wrong(self, began: float, replica: str, what: str) -> str:
        ago = asyncio.get_running_loop().time() - began
        self.wrong.append(f"{replica}, {ago:.3f} s ago: {what}")
        return "wrong"
