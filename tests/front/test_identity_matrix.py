"""Whoever fills the cache and whoever asks next, each is answered as Grafana itself would have answered.

For every way to ask, everybody fills it once, then everybody asks. An answer has to have the oracle's status, and to be
one that this caller could have got; it is a hit where sharing is right, and nowhere else.
"""

import json
import random
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.servers.grafana.model import Flags

from . import calls
from .people import Identity, everybody
from .stand import Answer, Call, Stand, standing

Shared = Literal["by all", "by user", "by nobody"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to ask a data source; `make` takes a text that makes the question another one."""

    name: str
    make: Callable[[str], Call]
    shared: Shared = "by all"


WAYS = (
    Way(name="a uid that both organisations have", make=lambda text: calls.asked("prom", text)),
    Way(name="one that forwards OAuth", make=lambda text: calls.asked("oauth", text), shared="by user"),
    Way(name="one that keeps cookies", make=lambda text: calls.asked("cookies", text), shared="by nobody"),
    Way(name="by number", make=lambda text: calls.asked_by_id(1, text)),
    Way(name="of the second organisation", make=lambda text: calls.asked("mysql-2", text)),
    Way(name="query service", make=lambda text: calls.asked_of_service("prom", text)),
    Way(name="query service, second org", make=lambda text: calls.asked_of_service("prom", text, "org-2")),
    Way(name="plugin's own query API", make=lambda text: calls.asked_of_plugin("prom", text)),
    Way(name="resource", make=lambda text: calls.resource("prom", text)),
    Way(name="resource by number", make=lambda text: calls.resource_by_id(1, text)),
    Way(name="resource of the service, second org", make=lambda text: calls.resource_of_service("prom", text, "org-2")),
    Way(name="resource by POST", make=lambda text: calls.posted_resource("prom", text)),
    Way(name="resource of OAuth", make=lambda text: calls.resource("oauth", text), shared="by user"),
    Way(name="resource with cookies", make=lambda text: calls.resource("cookies", text), shared="by nobody"),
    Way(name="data source proxy", make=lambda text: calls.proxied("prom", text)),
    Way(name="data source proxy by number", make=lambda text: calls.proxied_by_id(1, text)),
    Way(name="data source proxy with cookies", make=lambda text: calls.proxied("cookies", text), shared="by nobody"),
)
QUERIES = WAYS[0]
OTHERS = tuple(
    way for way in WAYS if way.name in {"one that forwards OAuth", "resource by number", "data source proxy"}
)
FEW = frozenset(("both in org 1", "both in org 2", "robot", "session of viewer"))
FILLERS = frozenset(
    (
        *("admin", "both in org 1", "both in org 2", "denied", "robot", "robot2", "session of viewer", "due session"),
        *("viewer with assertion a", "viewer of tenant a", "no credentials", "wrong password", "everywhere in org 2"),
    )
)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
async def test_open_source(tmp_path: Path, way: Way) -> None:
    async with populated(tmp_path, Flags()) as (stand, people):
        await ask_all(stand, way, people, people if way is QUERIES else some(people))


@pytest.mark.parametrize(
    "flags",
    [
        Flags(edition="enterprise"),
        Flags(edition="legacy", rotation="old"),
        Flags(rotation="old"),
        Flags(anonymous_org=1),
        Flags(anonymous_org=2, rotation="old"),
    ],
    ids=lambda flags: f"{flags.edition}, {flags.rotation} rotation, anonymous in {flags.anonymous_org}",
)
async def test_other_editions_and_settings(tmp_path: Path, flags: Flags) -> None:
    async with populated(tmp_path, flags) as (stand, people):
        await ask_all(stand, QUERIES, people, some(people))
        for way in OTHERS:
            await ask_all(stand, way, people, some(people, FEW))


async def test_a_token_of_the_configuration_reads_what_callers_may_not(tmp_path: Path) -> None:
    async with populated(tmp_path, Flags(edition="enterprise"), token="glsa_of_millpond") as (stand, people):
        stand.world.accounts["glsa_of_millpond"] = stand.world.add_account("millpond", 1, "Admin")
        await ask_all(stand, QUERIES, people, some(people))


# The oracle


async def ask_all(stand: Stand, way: Way, people: Sequence[Identity], fillers: Iterable[Identity]) -> None:
    oracle = {each.name: await stand.oracle(_of(way.make("oracle"), each), each.headers) for each in people}
    order = random.Random(way.name)
    hits = 0
    for filler in fillers:
        call = way.make(f"filled by {filler.name}")
        filled: set[object] = set()
        for who in (filler, *order.sample(people, len(people))):
            answer = await stand.ask(_of(call, who), who.headers)
            expected = oracle[who.name]
            shares = share_of(way, who, expected)
            told = f"{filler.name} filled, {who.name} asked: {answer.status} {answer.x_cache} {answer.body[:300]!r}"
            assert answer.status == expected.status, told
            assert (answer.x_cache == "HIT") == (shares in filled), told
            assert who.renewed or not answer.cookies, told
            _compare(way, answer, expected, told)
            hits += answer.x_cache == "HIT"
            if shares is not None:
                filled.add(shares)
    assert (hits == 0) == (way.shared == "by nobody")


def share_of(way: Way, who: Identity, expected: Answer) -> object:
    """Those with whom a caller may share answers; None: with nobody."""
    if expected.status != 200 or who.query or way.shared == "by nobody":
        return None
    told = calls.said(expected)
    person = told["user"] if way.shared == "by user" else ""
    if way.shared == "by user" and (person == "anonymous" or person.startswith("robot")):
        return None
    return told["org"], person, who.apart


def _compare(way: Way, answer: Answer, expected: Answer, told: str) -> None:
    if expected.status != 200:
        assert _without_numbers(answer) == _without_numbers(expected), told
        return
    got, right = calls.said(answer), calls.said(expected)
    names = ["org", "uid", "version"] if way.shared == "by all" else ["org", "uid", "version", "user"]
    assert [got[name] for name in names] == [right[name] for name in names], told
    for name in ("forwarded", "cookies", "authorization"):
        assert got.get(name) == right.get(name), told


def _without_numbers(answer: Answer) -> object:
    """Every refusal has a number of its own."""
    try:
        document = answer.json
    except ValueError:
        return answer.body
    return {name: value for name, value in document.items() if name != "accessErrorId"}


def _of(call: Call, who: Identity) -> Call:
    if not who.query:
        return call
    return call.but(path=f"{call.path}{'&' if '?' in call.path else '?'}{who.query}")


def some(people: Sequence[Identity], names: frozenset[str] = FILLERS) -> Sequence[Identity]:
    found = [each for each in people if each.name in names]
    assert len(found) == len(names)
    return found


@asynccontextmanager
async def populated(data_dir: Path, flags: Flags, **grafana: Any) -> AsyncIterator[tuple[Stand, Sequence[Identity]]]:
    """With everybody in it, and data sources that can be reached through Grafana's proxy."""
    async with TestServer(_river()) as river, standing(data_dir, flags, **grafana) as stand:
        for source in stand.world.sources.values():
            source.url = str(river.make_url(f"/{source.org_id}/{source.uid}"))
        people = everybody(stand.world)
        assert len({each.name for each in people}) == len(people) > 60
        yield stand, people


def _river() -> web.Application:
    """A Prometheus that names the labels by whom it was asked, and where."""

    async def labels(request: web.Request) -> web.StreamResponse:
        told = {
            "org": int(request.match_info["org"]),
            "uid": request.match_info["uid"],
            "version": 1,
            "user": "",
            "cookies": request.headers.get("Cookie", ""),
            "authorization": request.headers.get("Authorization", ""),
        }
        return web.json_response({"status": "success", "data": [json.dumps(told)]})

    app = web.Application()
    app.add_routes([web.get("/{org}/{uid}/api/v1/labels", labels)])
    return app
