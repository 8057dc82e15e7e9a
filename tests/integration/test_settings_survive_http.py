"""The same through the API: two Millponds that share a data directory, or a Redis with an append-only file, are killed at
random moments, and the Redis with them. `SETTINGS_ROUNDS=20` asks for the full form.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, ClientTimeout

from ..servers.millpond import Millpond
from ..servers.process import Process
from ..servers.valkey import Valkey, redis_binary
from .test_settings_survive import CHANGES, ROUNDS, SOURCES, WORKERS

Make = Callable[[], Millpond]
EACH = CHANGES // len(WORKERS) // 2 if ROUNDS >= 20 else 25
"""Changes of a worker in a round to its own source, and as many to the one for both."""


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    async with ClientSession(timeout=ClientTimeout(total=60)) as session:
        yield session


@pytest.fixture(params=["file", "valkey", "redis"])
def system(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Make, list[Process]]]:
    """Makes Millponds, and what they share. With Redis each new one has an empty directory: nothing of it is a copy."""
    sources = ", ".join(f"{{uid: {uid}, url: 'http://127.0.0.1:9'}}" for uid in SOURCES)
    if request.param == "file":
        yield lambda: Millpond(config=f"datasources: [{sources}]", data_dir=tmp_path / "data"), []
        return
    binary = redis_binary() if request.param == "redis" else ""
    with Valkey("--appendonly", "yes", "--appendfsync", "always", binary=binary) as redis:
        caching = f"caching: {{backend: redis, redis: {{url: '{redis.url}'}}}}"
        yield lambda: Millpond(config=f"{caching}\ndatasources: [{sources}]"), [redis]


async def call(
    session: ClientSession, millpond: Millpond, method: str, uid: str, n: int = 0
) -> tuple[int, dict[str, Any]]:
    body = {"enabled": n % 2 == 0, "ttlQueriesMs": n, "ttlResourcesMs": 2 * n} if n else None
    url = f"{millpond.admin_url}/api/datasources/{uid}/cache"
    async with session.request(method, url, json=body, headers={"Authorization": f"Bearer {millpond.token}"}) as answer:
        return answer.status, await answer.json()


async def change(
    session: ClientSession, millpond: Millpond, uid: str, began: int, told: Callable[[], None]
) -> tuple[int, int]:
    """Until something dies: the last change of its own source that was acknowledged, and how many in all."""
    last, count = began, 0
    try:
        for n in range(began + 1, began + EACH + 1):
            for name in (uid, "both"):
                status, answer = await call(session, millpond, "POST", name, n)
                if status != 200:
                    assert status == 500
                    assert "nothing has changed" in answer["message"]
                    return last, count
                count += 1
                if name == uid:
                    last = n
                told()
    except (ClientError, OSError):
        pass
    return last, count


async def test_every_acknowledged_change_is_there(
    system: tuple[Make, list[Process]], session: ClientSession, record_property: Callable[[str, object], None]
) -> None:
    make, shared = system
    chance = random.Random()
    began = dict.fromkeys(WORKERS, 0)
    created: dict[str, str] = {}
    updated: dict[str, str] = {}
    total = 0
    for _ in range(ROUNDS if ROUNDS >= 20 else 2):
        with ExitStack() as running:
            millponds = [running.enter_context(make()) for _ in WORKERS]
            until = chance.randint(1, 2 * EACH * len(WORKERS))
            enough = asyncio.Event()
            acknowledged = [0]

            def told(
                acknowledged: list[int] = acknowledged, until: int = until, enough: asyncio.Event = enough
            ) -> None:
                acknowledged[0] += 1
                if acknowledged[0] >= until:
                    enough.set()

            workers = [
                asyncio.create_task(change(session, millpond, name, began[name], told))
                for name, millpond in zip(WORKERS, millponds, strict=True)
            ]
            ended = asyncio.gather(*workers)
            waiting = asyncio.create_task(enough.wait())
            await asyncio.wait((waiting, ended), return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            victims: list[Process] = [*millponds, *shared]
            chance.shuffle(victims)
            for victim in victims:
                victim.kill()
            results = await ended
        for server in shared:
            server.start()
        with make() as millpond:
            answers = {uid: (await call(session, millpond, "GET", uid))[1] for uid in SOURCES}
        for name, (last, count) in zip(WORKERS, results, strict=True):
            total += count
            kept = 0 if answers[name]["useDefaultTTL"] else answers[name]["ttlQueriesMs"]
            assert kept in (last, last + 1), f"{name} was told {last}, and {kept} is there"
            began[name] = kept
        for uid, answer in answers.items():
            if not answer["useDefaultTTL"]:
                assert answer["ttlResourcesMs"] == 2 * answer["ttlQueriesMs"], "a mix of two changes"
                assert answer["enabled"] is (answer["ttlQueriesMs"] % 2 == 0), "a mix of two changes"
            assert created.setdefault(uid, answer["created"]) == answer["created"]
            assert updated.get(uid, "") <= answer["updated"]
            updated[uid] = answer["updated"]
    assert total > 0
    record_property("acknowledged", total)


async def test_both_agree_on_the_last_change(system: tuple[Make, list[Process]], session: ClientSession) -> None:
    """R-37: all of them at once and to the end; the last one is one of the last two, at both within a second."""
    make, _ = system
    with make() as one, make() as other:
        both = (one, other)
        before = (await call(session, one, "GET", "both"))[1]
        results = await asyncio.gather(
            *(change(session, millpond, name, 0, lambda: None) for name, millpond in zip(WORKERS, both, strict=True))
        )
        assert results == [(EACH, 2 * EACH)] * 2
        answers: list[dict[str, Any]] = []
        async with asyncio.timeout(11):  # one, and ten for a busy machine
            while not answers or answers[0] != answers[1]:
                answers = [(await call(session, millpond, "GET", "both"))[1] for millpond in both]
        assert (answers[0]["ttlQueriesMs"], answers[0]["ttlResourcesMs"]) in (
            (EACH, 2 * EACH),
            (EACH - 1, 2 * EACH - 2),
        )
        assert answers[0]["created"] == before["created"]
        assert answers[0]["updated"] >= before["updated"]
