"""Through Millpond, cold and warm, every answer is what Prometheus itself says: status and JSON, errors too."""

import asyncio
import json
from dataclasses import dataclass

import aiohttp

from tests.servers.millpond import StartMillpond
from tests.servers.prometheus import END_S, START_S, Prometheus

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


async def ask(session: aiohttp.ClientSession, base: str, form: Form, text: str) -> tuple[int, object, str]:
    """Status, JSON with its `infos` and `warnings` in no order, and what the cache did."""
    parameters = (("query", text), *form.times)
    sent = {"params": parameters} if form.method == "GET" else {"data": parameters}
    async with session.request(form.method, base + form.path, **sent) as response:  # type: ignore[arg-type]
        return response.status, json.loads(await response.read()), response.headers.get("X-Cache", "")


async def test_no_expression_tells_the_difference(prometheus: Prometheus, start_millpond: StartMillpond) -> None:
    texts = expressions()
    assert len(texts) >= 500
    millpond = start_millpond("--upstream", prometheus.url)
    slots = asyncio.Semaphore(AT_ONCE)
    different: list[tuple[str, Form]] = []
    served: list[str] = []

    async def compare(session: aiohttp.ClientSession, form: Form, text: str) -> None:
        async with slots:
            status, body, _ = await ask(session, prometheus.url, form, text)
            cold = await ask(session, millpond.url, form, text)
            warm = await ask(session, millpond.url, form, text)
        if not (cold[:2] == warm[:2] == (status, body)):
            different.append((text, form))
        if status == 200:
            served.append(warm[2])
        assert cold[2] != "HIT"

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as comparing:
        for form in FORMS:
            for text in texts:
                comparing.create_task(compare(session, form, text))

    assert different == []
    assert len(served) > 1200
    assert set(served) == {"HIT"}
