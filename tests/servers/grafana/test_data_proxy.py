"""What reaches the source by the data source proxy, and what comes back."""

import gzip
import json
from collections.abc import Iterator

import pytest

from tests.servers.counting import Counting
from tests.servers.prometheus import END_S, Prometheus

from .server import Grafana, basic, cookie


@pytest.fixture(scope="module")
def counting() -> Iterator[Counting]:
    with Counting() as server:
        yield server


@pytest.fixture
def proxying(grafana: Grafana, counting: Counting) -> Grafana:
    """`prom` is the counting source."""
    grafana.provision("prom", url=counting.url)
    return grafana


@pytest.mark.parametrize("root", ["/api/datasources/proxy/uid/prom", "/api/datasources/proxy/1"])
def test_the_path_reaches_the_source_as_it_is(proxying: Grafana, root: str) -> None:
    reply = proxying.ask("GET", f"{root}/api/v1/query?query=a%2Fb%20c", headers=basic("viewer"))
    assert (reply.status, reply.json["target"]) == (200, "/api/v1/query?query=a%2Fb%20c")
    assert reply.header("Content-Security-Policy") == "sandbox"
    assert reply.header("Cache-Control") is None  # the source's own would be here
    assert proxying.proxied("prom") == 1


def test_what_is_refused(proxying: Grafana) -> None:
    root = "/api/datasources/proxy/uid/prom"
    for method, path, login, status in [
        ("DELETE", f"{root}/api/v1/series", "viewer", 403),
        ("POST", f"{root}/api/v1/admin/tsdb/delete_series", "viewer", 403),
        ("GET", f"{root}/x", "nobody", 403),
        ("GET", "/api/datasources/proxy/uid/none/x", "viewer", 404),
    ]:
        assert (path, proxying.ask(method, path, headers=basic(login)).status) == (path, status)
    assert proxying.ask("GET", f"{root}/x").status == 401
    assert proxying.proxied("prom") == 0


def test_a_real_prometheus_answers_through_it(grafana: Grafana, prometheus: Prometheus) -> None:
    grafana.provision("prom", url=prometheus.url)
    root, end = "/api/datasources/proxy/uid/prom/api/v1", END_S
    by_get = grafana.ask("GET", f"{root}/query?query=up&time={end}", headers=basic("viewer"))
    form = basic("viewer") | {"Content-Type": "application/x-www-form-urlencoded", "Accept-Encoding": "gzip"}
    by_post = grafana.ask("POST", f"{root}/query", headers=form, body=f"query=up&time={end}".encode())
    assert by_post.header("Content-Encoding") == "gzip"
    assert json.loads(gzip.decompress(by_post.body)) == by_get.json
    assert len(by_get.json["data"]["result"]) == 3


def test_a_source_that_is_not_there_is_a_502(grafana: Grafana) -> None:
    grafana.provision("prom", url="http://127.0.0.1:1")
    assert grafana.ask("GET", "/api/datasources/proxy/uid/prom/x", headers=basic("viewer")).status == 502


def test_the_callers_secrets_stay(grafana: Grafana) -> None:
    grafana.provision("cookies", url=f"{grafana.url}/odd/echo")
    login = cookie(grafana.log_in("viewer"))["Cookie"]
    headers = {"Cookie": f"{login}; tenant=a; other=b", "Origin": grafana.url, "X-Forwarded-Host": "h", "X-Own": "1"}
    seen = {
        name.lower(): value
        for name, value in grafana.ask("GET", "/api/datasources/proxy/uid/cookies/x", headers=headers).json["headers"]
    }
    assert (seen["cookie"], seen["x-own"], seen["user-agent"]) == ("tenant=a", "1", "Grafana/13.0.1")
    assert seen.keys().isdisjoint({"origin", "authorization", "x-forwarded-host"})
    assert seen["x-forwarded-for"] == "127.0.0.1"
