"""The identity matrix once more, for parts: what one caller made known is in no refresh, zoom or repeat of another.

The source puts the number of its request into every sample, so a point that was another's shows.
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace

import pytest
from aiohttp import web

from tests.engine.ranges import HOUR_MS, STEP_MS, Ranges, Series, View
from tests.servers.millpond import Millpond
from tests.servers.source import RunningSource, RunSource
from tests.servers.valkey import Valkey
from tests.servers.wire import Reply, ask
from tests.sources.recorder import application, count

from .configured import caching
from .test_identity import CUT_NOISE, FORM, FORWARDED_NOISE, IDENTITY, SHAPE, UNKNOWN, Headers, different, values

END_MS = 1_699_999_200_000
HOUR = View(start_ms=END_MS - HOUR_MS, end_ms=END_MS)
NEXT = HOUR.moved(STEP_MS)
ZOOM = HOUR.over(HOUR.start_ms + 20 * STEP_MS, HOUR.end_ms - 20 * STEP_MS)
KINDS = {"zoom": ZOOM, "repeat": HOUR, "refresh": NEXT}

numbers = itertools.count()


async def numbered(request: web.Request) -> web.StreamResponse:
    number = count(request)
    ranges = Ranges(series=(Series({"__name__": "up"}, lambda time_ms: f"{time_ms}.{number}"),))
    return await ranges.respond(request, number)


class Pair:
    """Callers of one panel that differ in their headers; the second one asks by POST."""

    def __init__(self, millpond: Millpond, source: RunningSource) -> None:
        self._millpond = millpond
        self._source = source

    def shares(self, one: Headers, other: Headers) -> bool:
        """Whether the second caller gets any point that the first one made known, or the other way round."""
        query = f"up + {next(numbers)}"
        self._sees(HOUR, query, one)
        mine = self._sees(HOUR, query, one) | self._sees(NEXT, query, one)
        views = list(KINDS.values())
        first = next(numbers) % len(views)
        asked = self._source.count
        theirs = self._sees(views[first], query, other, post=True)
        asked_for_first = self._source.count - asked
        for view in views[first + 1 :] + views[:first]:
            theirs |= self._sees(view, query, other, post=True)
        again = self._sees(NEXT, query, one)
        shared = bool(theirs & mine)
        assert (again <= mine) is (theirs <= mine if shared else True)
        assert asked_for_first == (0 if shared else 1)
        return shared

    def _sees(self, view: View, query: str, headers: Headers, *, post: bool = False) -> set[int]:
        """The requests to the source whose points are in the answer."""
        return told(seen(self._millpond.port, "prom", replace(view, query=query, post=post), headers))


def seen(port: int, uid: str, view: View, headers: Headers = ()) -> Reply:
    asked = view.ask
    target = f"/ds/{uid}{asked.path}" + (f"?{asked.query}" if asked.query else "")
    form = (FORM,) if view.post else ()
    return ask(port, target, *form, *headers, method=asked.method, body=asked.body)


def told(reply: Reply) -> set[int]:
    samples = re.findall(rb'"\d+\.(\d+)"\]', reply.body)
    assert reply.status == 200
    assert samples
    return set(map(int, samples))


@pytest.fixture(scope="module")
def source(run_source: RunSource) -> RunningSource:
    return run_source(application({"* /{any:.*}": numbered}))


@pytest.fixture(scope="module", params=["memory", "redis"])
def millpond(request: pytest.FixtureRequest, source: RunningSource) -> Iterator[Millpond]:
    redis: Valkey | None = request.getfixturevalue("valkey") if request.param == "redis" else None
    config = caching(
        {"uid": "prom", "url": source.url},
        {"uid": "twin", "url": source.url},
        redis=redis.url if redis else "",
        prefix="delta-identity",
    )
    with Millpond(config=config) as server:
        yield server


@pytest.fixture
def pair(millpond: Millpond, source: RunningSource) -> Pair:
    return Pair(millpond, source)


@pytest.mark.parametrize("name", IDENTITY + UNKNOWN + SHAPE)
def test_who_asks_is_shown_points_of_his_own(pair: Pair, name: str) -> None:
    for one, other in different(name):
        assert not pair.shares(one, other), (one, other)
        assert not pair.shares(other, one), (other, one)
    assert pair.shares(values(name, "alice"), values(name.swapcase(), "alice"))


@pytest.mark.parametrize("name", FORWARDED_NOISE + CUT_NOISE)
def test_noise_shares_points(pair: Pair, name: str) -> None:
    assert pair.shares(values(name, "one"), values(name, "two"))
    assert pair.shares(values(name, "one"), ())
    assert pair.shares((), values(name, "one"))


@pytest.mark.parametrize("view", KINDS.values(), ids=KINDS.keys())
def test_two_sources_of_one_address_share_no_point(millpond: Millpond, view: View) -> None:
    query = f"up + {next(numbers)}"
    mine = told(seen(millpond.port, "prom", replace(HOUR, query=query)))
    theirs = told(seen(millpond.port, "twin", replace(view, query=query)))
    assert not mine & theirs
    assert told(seen(millpond.port, "prom", replace(ZOOM, query=query))) == mine


@pytest.mark.parametrize("view", KINDS.values(), ids=KINDS.keys())
@pytest.mark.parametrize(
    "change",
    [
        "prom/cache/clean?scope=datasource",
        "twin/cache/clean",
        "prom/cache/disable",
        "twin/cache/clean?scope=datasource",
    ],
)
def test_a_clean_takes_the_points_of_its_source(millpond: Millpond, change: str, view: View) -> None:
    panel = replace(view, query=f"up + {next(numbers)}")
    before = told(seen(millpond.port, "prom", replace(HOUR, query=panel.query)))
    millpond.api("POST", change)
    millpond.api("POST", "prom/cache/enable")
    after = told(seen(millpond.port, "prom", panel))
    assert bool(before & after) is (change == "twin/cache/clean?scope=datasource")


@pytest.mark.parametrize("view", KINDS.values(), ids=KINDS.keys())
def test_another_path_is_another_panel(millpond: Millpond, view: View) -> None:
    """Mimir's and Thanos' tenants may stand in it."""
    query = f"up + {next(numbers)}"
    asked, other = replace(HOUR, query=query).ask, replace(view, query=query).ask
    mine = told(ask(millpond.port, f"/ds/prom/a{asked.path}?{asked.query}"))
    assert not mine & told(ask(millpond.port, f"/ds/prom/b{other.path}?{other.query}"))
    assert told(ask(millpond.port, f"/ds/prom/a{asked.path}?{asked.query}")) == mine


SOURCES: list[Mapping[str, object]] = [
    {},
    {"org_id": 2},
    {"type": "thanos"},
    {"headers": {"X-Scope-OrgID": "t"}},
    {"headers": {"X-Scope-OrgID": "u"}},
    {"basic_auth": {"username": "u", "password": "p"}},
    {"basic_auth": {"username": "u", "password": "q"}},
    {"identity": {"drop": ["X-Scope-OrgID"]}},
    {"identity": {"keep": ["User-Agent"]}},
    {"delta": {"freshness": "1m"}},
]


def test_one_uid_with_another_configuration_shares_no_point(source: RunningSource, valkey: Valkey) -> None:
    """Millponds on one Redis that know the same uid for something else, each twice to show that it would share."""
    with ExitStack() as running:
        ports = [
            running.enter_context(
                Millpond(
                    config=caching(
                        {"uid": "same", "url": source.url, **different}, redis=valkey.url, prefix="delta-configured"
                    )
                )
            ).port
            for different in (*SOURCES, SOURCES[0])
        ]
        *apart, twin = (told(seen(port, "same", HOUR)) for port in ports)
        assert twin == apart[0]
        assert all(not one & other for one, other in itertools.combinations(apart, 2))
        *again, _ = (told(seen(port, "same", ZOOM)) for port in ports)
        assert again == apart
