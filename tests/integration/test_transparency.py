"""Through Millpond, cold and warm, every answer is what Prometheus itself says: status and JSON, errors too."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field

import aiohttp
import pytest

from tests.servers.millpond import StartMillpond
from tests.servers.prometheus import END_S, START_S, Prometheus
from tests.servers.valkey import Valkey

from .configured import caching
from .expressions import expressions

AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Form:
    method: str
    path: str
    times: tuple[tuple[str, str], ...]


FORMS = (
    Form("GET", "/api/v1/query_range", (("start", str(START_S + 1800)), ("end", str(END_S - 600)), ("step", "60"))),
    Form("POST", "/api/v1/query_range", (("start", f"{START_S + 907.25}"), ("end", f"{END_S}.5"), ("step", "77.5"))),
    Form("GET", "/api/v1/query", (("time", f"{END_S - 4321}.123"),)),
)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    json: object
    content_type: str
    body: bytes = field(compare=False)
    x_cache: str = field(compare=False)


@dataclass(slots=True)
class Compared:
    different: list[tuple[str, Form]] = field(default_factory=list)
    warm: Counter[tuple[bool, str]] = field(default_factory=Counter)
    """How often a warm answer was or was not a 200, by X-Cache."""


class Asker:
    """`encoding` is asked for, of Millpond and of Prometheus alike."""

    def __init__(self, session: aiohttp.ClientSession, encoding: str) -> None:
        self._session = session
        self._encoding = encoding
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def compare(self, direct_url: str, url: str, form: Form, text: str, compared: Compared) -> None:
        async with self._slots:
            direct = await self._ask(direct_url, form, text)
            cold = await self._ask(url, form, text)
            warm = await self._ask(url, form, text)
        if not (direct == cold == warm and cold.body == warm.body):
            compared.different.append((text, form))
        compared.warm[warm.status == 200, warm.x_cache] += 1
        assert cold.x_cache != "HIT"

    async def _ask(self, base: str, form: Form, text: str) -> Answer:
        parameters = (("query", text), *form.times)
        sent = {"params": parameters} if form.method == "GET" else {"data": parameters}
        headers = {"Accept-Encoding": self._encoding}
        async with self._session.request(form.method, base + form.path, headers=headers, **sent) as response:  # type: ignore[arg-type]  # one of two keywords
            body = await response.read()
            return Answer(
                status=response.status,
                json=json.loads(body),
                content_type=response.headers["Content-Type"],
                body=body,
                x_cache=response.headers.get("X-Cache", ""),
            )


async def compared(direct_url: str, url: str, texts: list[str], encoding: str) -> Compared:
    found = Compared()
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as comparing:
        asker = Asker(session, encoding)
        for form in FORMS:
            for text in texts:
                comparing.create_task(asker.compare(direct_url, url, form, text, found))
    return found


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_no_expression_tells_the_difference(
    prometheus: Prometheus, start_millpond: StartMillpond, encoding: str
) -> None:
    texts = expressions()
    assert len(texts) >= 500
    millpond = start_millpond("--upstream", prometheus.url)
    found = await compared(prometheus.url, millpond.url, texts, encoding)
    assert found.different == []
    assert found.warm.total() == len(texts) * len(FORMS)
    assert found.warm[True, "HIT"] > 1200
    assert found.warm[False, "MISS"] > 30  # errors are asked again
    assert set(found.warm) == {(True, "HIT"), (False, "MISS")}


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_nor_does_one_through_redis(
    prometheus: Prometheus, start_millpond: StartMillpond, redis_server: Valkey, encoding: str
) -> None:
    texts = expressions()[::7]
    source = {"uid": "prom", "url": prometheus.url}
    config = caching(source, redis=redis_server.url, prefix=f"transparency-{encoding}")
    millpond = start_millpond(config=config)
    found = await compared(prometheus.url, f"{millpond.url}/ds/prom", texts, encoding)
    assert found.different == []
    assert set(found.warm) == {(True, "HIT"), (False, "MISS")}
    assert found.warm[True, "HIT"] > 150
