"""The identity matrix once more in front of a real Prometheus, in memory and in Redis. It tells by itself how often it
was asked, and every answer has to be its own.
"""

import itertools
import re
from collections.abc import Iterator

import pytest

from tests.servers.millpond import Millpond
from tests.servers.prometheus import Prometheus
from tests.servers.valkey import Valkey
from tests.servers.wire import Reply, ask

from .configured import caching
from .test_identity import CUT_NOISE, FORM, FORWARDED_NOISE, IDENTITY, UNKNOWN, Headers, different, values

SPAN = "start=1795396425&end=1795397025&step=60"

numbers = itertools.count()


@pytest.fixture(scope="module", params=["memory", "redis"])
def millpond(request: pytest.FixtureRequest, prometheus: Prometheus) -> Iterator[Millpond]:
    redis: Valkey | None = request.getfixturevalue("valkey") if request.param == "redis" else None
    config = caching(
        {"uid": "prom", "url": prometheus.url}, redis=redis.url if redis else "", prefix="identity-prometheus"
    )
    with Millpond(config=config) as server:
        yield server


class Twice:
    """Two callers of one query, the first by GET and the second by POST."""

    def __init__(self, millpond: Millpond, prometheus: Prometheus) -> None:
        self._millpond = millpond
        self._prometheus = prometheus

    def shares(self, one: Headers, other: Headers) -> bool:
        query = f"query=demo_temp%2B{next(numbers)}&{SPAN}"
        direct = ask(self._prometheus.port, f"/api/v1/query_range?{query}").body
        asked = self._asked()
        got, posted = self._get(query, one), self._post(query, other)
        assert got.body == posted.body == direct
        assert b'"metric"' in direct
        assert got.x_cache == "MISS"
        assert self._asked() - asked == (1 if posted.x_cache == "HIT" else 2)
        return posted.x_cache == "HIT"

    def _get(self, query: str, headers: Headers) -> Reply:
        return ask(self._millpond.port, f"/ds/prom/api/v1/query_range?{query}", *headers)

    def _post(self, query: str, headers: Headers) -> Reply:
        path = "/ds/prom/api/v1/query_range"
        return ask(self._millpond.port, path, FORM, *headers, method="POST", body=query.encode())

    def _asked(self) -> int:
        metrics = ask(self._prometheus.port, "/metrics").body.decode()
        found = re.findall(
            r'^prometheus_http_requests_total\{code="200",handler="/api/v1/query_range"\} (\S+)', metrics, re.M
        )
        return int(float(found[0]))


@pytest.fixture
def twice(millpond: Millpond, prometheus: Prometheus) -> Twice:
    return Twice(millpond, prometheus)


@pytest.mark.parametrize("name", IDENTITY + UNKNOWN)
def test_who_asks_has_an_answer_of_his_own(twice: Twice, name: str) -> None:
    for one, other in different(name):
        assert not twice.shares(one, other), (one, other)
        assert not twice.shares(other, one), (other, one)
    assert twice.shares(values(name, "alice"), values(name, "alice"))


@pytest.mark.parametrize("name", FORWARDED_NOISE + CUT_NOISE)
def test_noise_is_shared(twice: Twice, name: str) -> None:
    assert twice.shares(values(name, "one"), values(name, "two"))
    assert twice.shares(values(name, "one"), ())
    assert twice.shares((), values(name, "one"))


def test_selectors_are_a_set(millpond: Millpond, prometheus: Prometheus) -> None:
    """Trickster #965: two selectors shared an entry."""
    up, temp = "match[]=up", "match[]=demo_temp"
    asked = {
        query: ask(prometheus.port, f"/api/v1/series?{query}").body
        for query in (up, temp, f"{up}&{temp}", f"{temp}&{up}", f"{up}&{temp}&{up}")
    }
    replies = {query: ask(millpond.port, f"/ds/prom/api/v1/series?{query}") for query in asked}
    assert {query: reply.body for query, reply in replies.items()} == asked
    assert [reply.x_cache for reply in replies.values()] == ["MISS", "MISS", "MISS", "HIT", "HIT"]
