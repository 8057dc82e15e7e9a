"""The dialects read what these servers are asked and judge what they answer: good answers good, bad ones bad."""

import pytest
from multidict import CIMultiDict
from pytest_aiohttp.plugin import AiohttpClient
from yarl import URL

from proxy.core.model import Answer, Call, Reason, Request
from proxy.core.paths import canonical
from proxy.dialects.registry import KNOWN_TYPES, dialect_for

from . import plain, victorialogs
from .test_sources import FAILS, LOGSQL, READS, Ask

_TYPES = {"flux": "influxdb", "plain": "opaque"}


def source_type(it: Ask) -> str:
    name = it.source.__name__.rpartition(".")[2]
    return "opensearch" if "_plugins" in it.target else _TYPES.get(name, name)


def read(it: Ask) -> Call:
    path, _, query = it.target.partition("?")
    headers = CIMultiDict({"Accept": it.accept})
    if it.content_type:
        headers["Content-Type"] = it.content_type
    route = dialect_for(source_type(it)).route(it.method, canonical(path))
    assert route is not None
    call = route.read(Request(method=it.method, path=path, query=query, headers=headers, body=it.body))
    assert isinstance(call, Call), call
    return call


async def judged(aiohttp_client: AiohttpClient, it: Ask) -> Reason | None:
    call = read(it)
    client = await aiohttp_client(it.source.make())
    headers = {"Accept": it.accept, "Content-Type": it.content_type or "text/plain"}
    url = URL(str(client.make_url("/")).rstrip("/") + it.target, encoded=True)
    async with client.session.request(it.method, url, data=it.body, headers=headers) as answer:
        assert answer.status == 200
        return call.judge(Answer(status=200, headers=CIMultiDict(answer.headers), body=await answer.read()))


@pytest.mark.parametrize(
    "it", [it for it in READS if source_type(it) in KNOWN_TYPES and "vector(1)" not in it.target], ids=str
)
async def test_good_answers(aiohttp_client: AiohttpClient, it: Ask) -> None:
    assert await judged(aiohttp_client, it) is None


@pytest.mark.parametrize(
    "it", [it for it, status, _ in FAILS if source_type(it) in KNOWN_TYPES and status == 200], ids=str
)
async def test_bad_answers(aiohttp_client: AiohttpClient, it: Ask) -> None:
    assert await judged(aiohttp_client, it) in (Reason.PARTIAL, Reason.ERROR_IN_BODY)


async def test_a_cut_stream(aiohttp_client: AiohttpClient) -> None:
    it = Ask(source=victorialogs, target=f"{LOGSQL}/query?query=make_cut&end=2")
    assert await judged(aiohttp_client, it) is Reason.PARTIAL


async def test_any_answer_of_an_opaque_source_is_good(aiohttp_client: AiohttpClient) -> None:
    assert await judged(aiohttp_client, Ask(source=plain, target="/x")) is None
