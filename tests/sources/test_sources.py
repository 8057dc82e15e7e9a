import asyncio
import re
import sys
from dataclasses import dataclass
from types import ModuleType

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient
from yarl import URL

from . import (
    elasticsearch,
    flux,
    graphite,
    jaeger,
    loki,
    opentsdb,
    plain,
    pyroscope,
    tempo,
    victorialogs,
    zipkin,
)
from .recorder import RECORDER

FORM = "application/x-www-form-urlencoded"
NDJSON = "application/x-ndjson"
JSON = "application/json"
PAIR = b'{"index":"a"}\n{"size":0,"aggs":{"2":{}}}\n'
TSDB = b'{"start":1,"end":2,"queries":[{"metric":"cpu","aggregator":"sum"}]}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    source: ModuleType
    method: str = "GET"
    target: str
    content_type: str = ""
    body: bytes = b""
    accept: str = "*/*"

    def __str__(self) -> str:
        return f"{self.source.__name__.rpartition('.')[2]} {self.method} {self.target}"


def flux_query(text: str) -> bytes:
    return orjson.dumps({"query": text, "type": "flux"})


Client = TestClient[web.Request, web.Application]

LOKI = "/loki/api/v1"
CONNECT = "/querier.v1.QuerierService"
LOGSQL = "/select/logsql"

READS = [
    Ask(source=loki, target=f"{LOKI}/query_range?query=rate(x[1m])&start=0&end=300000000000&step=60000ms"),
    Ask(source=loki, target=f"{LOKI}/query?query=vector(1)%2Bvector(1)&time=4000000000"),
    Ask(source=loki, target=f"{LOKI}/labels"),
    Ask(source=loki, target=f"{LOKI}/label/job/values"),
    Ask(source=loki, target=f"{LOKI}/series", method="POST", content_type=FORM, body=b"match[]=x"),
    Ask(source=loki, target=f"{LOKI}/index/stats?query=x"),
    Ask(source=loki, target=f"{LOKI}/index/volume_range?query=x"),
    Ask(source=loki, target=f"{LOKI}/detected_field/level/values?query=x"),
    Ask(source=elasticsearch, target="/_msearch", method="POST", content_type=NDJSON, body=PAIR),
    Ask(source=elasticsearch, target="/_query", method="POST", content_type=JSON, body=b'{"query":"FROM a"}'),
    Ask(
        source=elasticsearch,
        target="/_plugins/_ppl",
        method="POST",
        content_type=JSON,
        body=b'{"query":"source=a"}',
    ),
    Ask(
        source=elasticsearch,
        target="/_plugins/_sql",
        method="POST",
        content_type=JSON,
        body=b'{"query":"SELECT a FROM b"}',
    ),
    Ask(source=elasticsearch, target="/_sql", method="POST", content_type=JSON, body=b'{"query":"SELECT a FROM b"}'),
    Ask(source=elasticsearch, target="/logs/_search", method="POST", content_type=JSON, body=b'{"size":1}'),
    Ask(source=elasticsearch, target="/logs/_search?q=a"),
    Ask(source=elasticsearch, target="/_count"),
    Ask(source=elasticsearch, target="/logs/_mapping"),
    Ask(source=elasticsearch, target="/logs/_field_caps?fields=*"),
    Ask(source=elasticsearch, target="/"),
    Ask(source=elasticsearch, target="/_cat/indices"),
    Ask(
        source=flux,
        target="/api/v2/query?org=o",
        method="POST",
        content_type=JSON,
        body=flux_query("from(a)"),
    ),
    Ask(source=tempo, target="/api/v2/traces/a1"),
    Ask(source=tempo, target="/api/v2/traces/a1", accept="application/protobuf"),
    Ask(source=tempo, target="/api/traces/a1", accept="application/protobuf"),
    Ask(source=tempo, target="/api/search?q=x&start=1&end=2"),
    Ask(source=tempo, target="/api/metrics/query_range?q=x&start=1&end=2"),
    Ask(source=tempo, target="/api/v2/search/tag/a/values"),
    Ask(source=tempo, target="/api/status/buildinfo"),
    Ask(source=jaeger, target="/api/services"),
    Ask(source=jaeger, target="/api/traces?service=shop&start=1&end=2"),
    Ask(source=jaeger, target="/api/traces/a1"),
    Ask(source=jaeger, target="/api/dependencies?endTs=1&lookback=1"),
    Ask(source=jaeger, target="/api/v3/traces/a1"),
    Ask(source=zipkin, target="/api/v2/services"),
    Ask(source=zipkin, target="/api/v2/trace/a1"),
    Ask(source=zipkin, target="/api/v2/traces?serviceName=shop&endTs=1"),
    Ask(source=opentsdb, target="/api/query", method="POST", content_type=JSON, body=TSDB),
    Ask(source=opentsdb, target="/api/query?start=1&end=2&m=sum:cpu"),
    Ask(
        source=opentsdb,
        target="/api/query/exp",
        method="POST",
        content_type=JSON,
        body=b'{"time":{"start":"1","end":"2"},"metrics":[]}',
    ),
    Ask(source=opentsdb, target="/api/query/last?timeseries=cpu"),
    Ask(source=opentsdb, target="/api/aggregators"),
    Ask(source=opentsdb, target="/api/config/filters"),
    Ask(source=opentsdb, target="/api/search/lookup?m=cpu"),
    Ask(source=opentsdb, target="/api/suggest?type=metrics&q=sys"),
    Ask(
        source=victorialogs,
        target=f"{LOGSQL}/query",
        method="POST",
        content_type=FORM,
        body=b"query=*&limit=2&start=1&end=2",
    ),
    Ask(source=victorialogs, target=f"{LOGSQL}/stats_query?query=*&time=1"),
    Ask(source=victorialogs, target=f"{LOGSQL}/hits?query=*&step=1m&start=1&end=2"),
    Ask(source=victorialogs, target=f"{LOGSQL}/field_names?query=*&start=1&end=2"),
    Ask(source=pyroscope, target=f"{CONNECT}/SelectSeries", method="POST", content_type="application/proto"),
    Ask(source=pyroscope, target=f"{CONNECT}/LabelNames", method="POST", content_type=JSON, body=b"{}"),
    Ask(
        source=graphite,
        target="/render",
        method="POST",
        content_type=FORM,
        body=b"target=a&target=b&from=1700000000&until=1700003600&format=json",
    ),
    Ask(source=graphite, target="/metrics/find?query=a.*"),
    Ask(source=graphite, target="/metrics/expand?query=a.*"),
    Ask(source=graphite, target="/functions"),
    Ask(source=graphite, target="/tags/autoComplete/tags?tagPrefix=a"),
    Ask(source=graphite, target="/tags"),
    Ask(source=graphite, target="/version"),
    Ask(source=graphite, target="/events/get_data?from=1700000000&until=1700003600"),
    Ask(source=plain, target="/any%2Fthing?a=%20"),
]

FAILS = [
    (Ask(source=loki, target=f"{LOKI}/query_range?query=make_partial&start=1&end=2"), 200, b'"warnings":["'),
    (Ask(source=loki, target=f"{LOKI}/query_range?query=make_plain_error"), 400, b"parse error"),
    (
        Ask(
            source=elasticsearch,
            target="/_msearch",
            method="POST",
            content_type=NDJSON,
            body=PAIR.replace(b'"a"', b'"make_error"'),
        ),
        200,
        b'"responses":[{"error":',
    ),
    (
        Ask(
            source=elasticsearch,
            target="/_msearch",
            method="POST",
            content_type=NDJSON,
            body=PAIR.replace(b'"a"', b'"make_timed_out"'),
        ),
        200,
        b'"timed_out":true',
    ),
    (
        Ask(
            source=elasticsearch,
            target="/_msearch",
            method="POST",
            content_type=NDJSON,
            body=PAIR.replace(b'"a"', b'"make_partial"'),
        ),
        200,
        b'"failed":1',
    ),
    (
        Ask(
            source=elasticsearch,
            target="/_sql",
            method="POST",
            content_type=JSON,
            body=b'{"query":"SELECT make_cursor"}',
        ),
        200,
        b'"cursor":"',
    ),
    (
        Ask(
            source=elasticsearch,
            target="/_query",
            method="POST",
            content_type=JSON,
            body=b'{"query":"FROM make_esql_partial"}',
        ),
        200,
        b'"is_partial":true',
    ),
    (
        Ask(
            source=flux,
            target="/api/v2/query",
            method="POST",
            content_type=JSON,
            body=flux_query("make_error"),
        ),
        200,
        b",error,reference\r\n",
    ),
    (Ask(source=tempo, target="/api/v2/traces/a1?q=make_partial"), 200, b'"status":"PARTIAL"'),
    (
        Ask(source=tempo, target="/api/v2/traces/a1?q=make_partial", accept="application/protobuf"),
        200,
        b"\x18\x01\x22",
    ),
    (Ask(source=tempo, target="/api/v2/traces/00"), 404, b"not found"),
    (Ask(source=jaeger, target="/api/traces?service=make_error&start=1&end=2"), 200, b'"errors":[{'),
    (Ask(source=jaeger, target="/api/traces/00"), 404, b'"data":null'),
    (Ask(source=zipkin, target="/api/v2/trace/00"), 404, b"not found"),
    (Ask(source=opentsdb, target="/api/query?m=sum:make_error"), 400, b'{"error":{"code":400'),
    (Ask(source=victorialogs, target=f"{LOGSQL}/query?query=make_plain_error"), 400, b"cannot parse"),
    (
        Ask(
            source=pyroscope,
            target=f"{CONNECT}/Series",
            method="POST",
            content_type=JSON,
            body=b'{"a":"make_error"}',
        ),
        400,
        b'"code":"invalid_argument"',
    ),
    (Ask(source=graphite, target="/render?target=make_error"), 500, b"Traceback"),
]


SOURCES = [elasticsearch, flux, graphite, jaeger, loki, opentsdb, pyroscope, tempo, victorialogs, zipkin]


async def ask(client: Client, it: Ask) -> tuple[int, bytes]:
    headers = {"Accept": it.accept}
    if it.content_type:
        headers["Content-Type"] = it.content_type
    url = client.make_url("/").human_repr().rstrip("/") + it.target
    async with client.session.request(it.method, URL(url, encoded=True), data=it.body, headers=headers) as answer:
        return answer.status, await answer.read()


@pytest.mark.parametrize("it", READS, ids=str)
async def test_an_answer_follows_from_the_request_and_the_count(aiohttp_client: AiohttpClient, it: Ask) -> None:
    app = it.source.make()
    client = await aiohttp_client(app)
    first, second = await ask(client, it), await ask(client, it)
    again = await ask(await aiohttp_client(it.source.make()), it)
    assert first[0] == 200
    assert first == again
    assert first[1] != second[1]
    assert re.sub(rb"\d+", b"#", first[1]) == re.sub(rb"\d+", b"#", second[1])
    assert [recorded.target for recorded in app[RECORDER].requests] == [it.target] * 2
    assert app[RECORDER].requests[0].body == it.body
    assert app[RECORDER].asked(it.target.partition("?")[0]) == 2


@pytest.mark.parametrize(("it", "status", "mark"), FAILS, ids=lambda value: str(value)[:60])
async def test_the_ways_to_fail(aiohttp_client: AiohttpClient, it: Ask, status: int, mark: bytes) -> None:
    found = await ask(await aiohttp_client(it.source.make()), it)
    assert found[0] == status
    assert mark in found[1]


async def test_a_cut_line(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(victorialogs.make())
    _, body = await ask(client, Ask(source=victorialogs, target=f"{LOGSQL}/query?query=make_cut&end=2"))
    assert body
    assert not body.endswith(b"\n")


@pytest.mark.parametrize("source", SOURCES)
async def test_an_answer_that_breaks_off(aiohttp_client: AiohttpClient, source: ModuleType) -> None:
    client = await aiohttp_client(source.make())
    read = next(it for it in READS if it.source is source)
    path = read.target.partition("?")[0]
    with pytest.raises(aiohttp.ClientPayloadError):
        await ask(client, Ask(source=source, target=f"{path}?query=make_broken", method=read.method))


async def test_gzip_is_sent_where_it_is_accepted(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(loki.make())
    async with client.get(f"{LOKI}/labels", headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
    async with client.get(f"{LOKI}/labels", headers={"Accept-Encoding": "identity"}) as answer:
        assert "Content-Encoding" not in answer.headers


async def test_plain_says_what_it_is_told(aiohttp_client: AiohttpClient) -> None:
    app = plain.make()
    app[plain.SCRIPT].say(
        plain.Scripted(status=503, headers={"Retry-After": "1"}, chunks=(b"a", b"b")),
        plain.Scripted(chunks=(b"half",), breaks_off=True),
    )
    client = await aiohttp_client(app)
    async with client.get("/x") as answer:
        assert (answer.status, answer.headers["Retry-After"], await answer.read()) == (503, "1", b"ab")
    async with client.get("/x") as answer:
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
    async with client.post("/x?y=1", data=b"z") as answer:
        assert await answer.json() == {"asked": 3, "method": "POST", "target": "/x?y=1", "body": "z"}


async def test_plain_holds_requests_at_its_gate(aiohttp_client: AiohttpClient) -> None:
    app = plain.make()
    gate = app[plain.SCRIPT].closed_gate()
    client = await aiohttp_client(app)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(ask(client, Ask(source=plain, target="/"))) for _ in range(3)]
        while app[RECORDER].count < 3:
            await asyncio.sleep(0)
        assert not any(task.done() for task in asked)
        gate.set()
    assert all(task.result()[0] == 200 for task in asked)


@pytest.mark.parametrize("opensearch", [False, True])
async def test_elasticsearch_says_which_it_is(aiohttp_client: AiohttpClient, opensearch: bool) -> None:
    client = await aiohttp_client(elasticsearch.make(opensearch=opensearch))
    async with client.get("/") as answer:
        assert ("distribution" in (await answer.json())["version"]) is opensearch


async def test_a_source_is_a_program() -> None:
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.sources.loki", "--port", "0", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert program.stdout is not None
        async with asyncio.timeout(30):
            line = (await program.stdout.readline()).decode()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        assert found, line
        async with aiohttp.ClientSession() as session, session.get(f"{found[0]}/ready") as answer:
            assert await answer.text() == "ready\n"
    finally:
        program.terminate()
        await program.communicate()
