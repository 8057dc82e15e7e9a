"""What the small Loki says to metric queries: each point from its own window, whatever else was asked."""

import random
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient

from . import loki
from .loki_metrics import STREAMS, matrix, parse

START_MS = 1_795_392_000_000
NS = 1_000_000

QUERIES = [
    'count_over_time({job="x"}[1m])',
    'rate({job="x"} |= "7" [90s])',
    'bytes_rate({level=~"err.*",app!="web"}[5m])',
    "sum(bytes_over_time({}[1m]))",
    'sum by (level) (count_over_time({job="x"}[30s]))',
    "avg(rate({}[1h])) by (app, level)",
    "max(rate(x[17s]))",
    "count by (job) (count_over_time({}[7s]))",
]

Client = TestClient[web.Request, web.Application]


@pytest.mark.parametrize("text", QUERIES)
@pytest.mark.parametrize("step_ms", [1500, 60_000])
def test_parts_of_a_range_are_the_whole(text: str, step_ms: int) -> None:
    query, chance = parse(text), random.Random(text)
    times_ms = [START_MS + 789 + step_ms * index for index in range(120)]

    def samples(*within_ms: int) -> set[tuple[str, int | float, str]]:
        found = matrix(query, within_ms[0] * NS, within_ms[-1] * NS, step_ms * NS)
        return {(str(series["metric"]), *sample) for series in found for sample in series["values"]}

    cut = chance.randrange(1, 119)
    whole = samples(*times_ms)
    assert whole
    assert whole == samples(*times_ms[:cut]) | samples(*times_ms[cut:])


def test_a_window_is_open_on_the_left() -> None:
    (stream,) = [each for each in STREAMS if each.every_ms == 29_500]
    query = parse('count_over_time({app="web",level="error"}[10ms])')
    found = [at for at in range(START_MS, START_MS + 40_000) if len(list(stream.lines(at - 1, at)))]
    assert found
    for at in found:
        assert query.at(at) == {stream.labels: 1}
        assert query.at(at + 9) == {stream.labels: 1}
        assert query.at(at - 1) == query.at(at + 10) == {}


def test_values_and_stamps_are_written_as_go_writes_them() -> None:
    found = matrix(
        parse('sum(rate({level="info"}[8s]))'), START_MS * NS + 500 * NS, START_MS * NS + 2000 * NS, 500 * NS
    )
    assert [stamp for stamp, _ in found[0]["values"]] == [1795392000.5, 1795392001, 1795392001.5, 1795392002]
    assert {value for _, value in found[0]["values"]} <= {"0.125", "0.25", "0.375", "0.5"}


@pytest.mark.parametrize("text", ["", "rate(", "nonsense({}[1m])", "rate({}[1m]) + 1", "sum(rate({job}[1m]))"])
def test_other_queries_are_not_understood(text: str) -> None:
    with pytest.raises(ValueError, match="not understood"):
        parse(text)


async def ask(client: Client, **changed: str) -> dict[str, Any]:
    asked = {
        "query": QUERIES[4],
        "start": f"{START_MS + 500}000000",
        "end": f"{START_MS + 60_900}000000",
        "step": "5000ms",
    }
    async with client.get("/loki/api/v1/query_range", params=asked | changed) as answer:
        if answer.status != 200:
            return {"status": answer.status, "text": await answer.text(), "type": answer.content_type}
        found: dict[str, Any] = await answer.json()
        return found


async def test_every_answer_has_statistics_of_its_own(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(loki.make())
    one, two = await ask(client), await ask(client)
    assert one["data"].pop("stats") != two["data"].pop("stats")
    assert one == two


async def test_it_aligns_where_it_is_told_to(aiohttp_client: AiohttpClient) -> None:
    app = loki.make()
    client = await aiohttp_client(app)
    stamps = {stamp for series in (await ask(client))["data"]["result"] for stamp, _ in series["values"]}
    assert {stamp % 5 for stamp in stamps} == {0.5}
    app[loki.WAYS].aligns = True
    aligned = {stamp for series in (await ask(client))["data"]["result"] for stamp, _ in series["values"]}
    assert aligned == {stamp - 0.5 for stamp in stamps}


async def test_it_warns_where_it_is_told_to(aiohttp_client: AiohttpClient) -> None:
    app = loki.make()
    client = await aiohttp_client(app)
    assert "warnings" not in await ask(client)
    app[loki.WAYS].warns = True
    assert (await ask(client))["warnings"]


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"query": "rate("}, "parse error"),
        ({"end": "0"}, "end timestamp"),
        ({"step": "1ms"}, "exceeded maximum resolution"),
    ],
)
async def test_errors_are_plain_text(aiohttp_client: AiohttpClient, changed: dict[str, str], text: str) -> None:
    found = await ask(await aiohttp_client(loki.make()), **changed)
    assert (found["status"], found["type"]) == (400, "text/plain")
    assert found["text"].startswith(text)
