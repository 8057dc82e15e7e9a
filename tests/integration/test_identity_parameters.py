"""What is asked: parameters and paths (datasources.md §1.5), in pairs that are one call and pairs that are two."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.servers.millpond import Millpond
from tests.servers.source import RunningSource, RunSource
from tests.servers.valkey import Valkey
from tests.servers.wire import Reply, ask
from tests.sources import prometheus

from .configured import caching

FORM = "application/x-www-form-urlencoded"
RANGE = "/api/v1/query_range"
SERIES = "/api/v1/series"

numbers = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """`@` stands for a number that no other pair of requests has."""

    path: str = RANGE
    url: str = ""
    form: str | None = None
    content_type: str = FORM
    uid: str = "prom"

    def __str__(self) -> str:
        return f"{self.path.rpartition('/')[2]} {self.url} {'' if self.form is None else '+ ' + self.form}"

    def send(self, port: int, number: int) -> Reply:
        target = f"/ds/{self.uid}{self.path}" + (f"?{self.url}" if self.url else "")
        target = target.replace("@", str(number))
        if self.form is None:
            return ask(port, target)
        body = self.form.replace("@", str(number)).encode()
        headers = [("Content-Type", self.content_type)] if self.content_type else []
        return ask(port, target, *headers, method="POST", body=body)


def get(url: str, path: str = RANGE) -> Asked:
    return Asked(path=path, url=url)


def post(form: str, url: str = "", path: str = RANGE) -> Asked:
    return Asked(path=path, url=url, form=form)


SAME = [
    # the form of the request
    (get("query=up@&start=1&end=2&step=1"), post("query=up@&start=1&end=2&step=1")),
    (get("query=up@&start=1&end=2&step=1"), post("start=1&end=2", "query=up@&step=1")),
    (get("query=up@&start=1&end=2&step=1"), post("", "query=up@&start=1&end=2&step=1")),
    (get("query=up@&start=1&end=2&step=1"), get("step=1&end=2&start=1&query=up@")),
    (get("query=up@&start=1&end=2&step=1"), get("&query=up@&&start=1&end=2&step=1&")),
    (
        post("query=up@&start=1&end=2"),
        Asked(form="query=up@&start=1&end=2", content_type="Application/X-WWW-Form-Urlencoded; charset=UTF-8"),
    ),
    # the spelling
    (get("query=up+@&start=1&end=2"), get("query=up%20@&start=1&end=2")),
    (get("query=up+@&start=1&end=2"), post("query=up%20@&start=1&end=2")),
    (get("query=up@&start=1&end=2"), get("qu%65ry=%75%70@&st%61rt=1&end=%32")),
    (get("query=%7Ba%3D%22b%22%7D@&start=1&end=2"), get("query=%7ba%3d%22b%22%7d@&start=1&end=2")),
    (get("query={a=~'b'}@&start=1&end=2"), get("query=%7Ba%3D~%27b%27%7D@&start=1&end=2")),
    (get("query=%C3%A9@&start=1&end=2"), post("query=%c3%a9@&start=1&end=2")),
    (get("query=up@&start=1&end=2&timeout"), get("query=up@&start=1&end=2&timeout=")),
    # sets
    (get("match[]=a@&match[]=b", SERIES), get("match[]=b&match[]=a@", SERIES)),
    (get("match[]=a@&match[]=b", SERIES), get("match[]=a@&match[]=b&match[]=a@", SERIES)),
    (get("match[]=a@&match[]=b", SERIES), get("match%5B%5D=a@&match%5b%5d=b", SERIES)),
    (get("match[]=a@&match[]=b", SERIES), post("match[]=a@", "match[]=b", SERIES)),
    (get("match[]=a@&match[]=b", SERIES), post("match[]=b", "match[]=a@", SERIES)),
    # unknown names, in their own order
    (get("query=up@&start=1&end=2&x=1&y=2"), get("query=up@&start=1&end=2&y=2&x=1")),
    (get("query=up@&start=1&end=2&x=1&x=2"), post("query=up@&start=1&x=1", "end=2&x=2")),
    # the path
    (get("x=@", "/api/v1/labels"), get("x=@", "/%61pi/v1/l%61bels")),
    (get("x=@", "/api/v1/label/a.b/values"), get("x=@", "/api/v1/label/a%2Eb/values")),
    (get("x=@", "/api/v1/label/a%2fb/values"), get("x=@", "/api/v1/label/a%2Fb/values")),
]

DIFFERENT = [
    # a value, by one case bit, one space, one zero
    (get("query=up@&start=1&end=2"), get("query=uP@&start=1&end=2")),
    (get("query=a b@&start=1&end=2".replace(" ", "+")), get("query=a%2Bb@&start=1&end=2")),
    (get("query=up@&start=1&end=2"), get("query=up@&start=1&end=2.0")),
    (get("query=up@&start=1&end=2"), get("query=up@&start=1&end=2&step=1")),
    (get("query=up@%00&start=1&end=2"), get("query=up@&start=1&end=2")),
    (get("query=%C3%A9@&start=1&end=2"), get("query=%E9@&start=1&end=2")),
    (get("query=%C3%A9@&start=1&end=2"), get("query=e%CC%81@&start=1&end=2")),
    (get("query=%2525@&start=1&end=2"), get("query=%25@&start=1&end=2")),
    # a name, by its case, or by what it holds
    (get("query=up@&start=1&end=2"), get("query=up@&start=1&end=2&Query=up")),
    (get("query=up@&start=1&end=2&limit=1"), get("query=up@&start=1&end=2&limit=2")),
    (get("query=up@&start=1&end=2"), get("query=up@&start=1&end=2&dedup=false")),
    (get("query=up@&start=1&end=2"), get("query=up@&start=1&end=2&lookback_delta=5m")),
    (get("query=up@&start=1&end=2"), post("query=up@&start=1&end=2", "stats=all")),
    (get("query=up@&start=1&end=2&x=1"), get("query=up@&start=1&end=2&x=2")),
    (get("query=up@&start=1&end=2&x=1"), get("query=up@&start=1&end=2")),
    (get("query=up@&start=1&end=2&_=1"), get("query=up@&start=1&end=2&_=2")),
    (get("query=up@&start=1&end=2&x=1&x=2"), get("query=up@&start=1&end=2&x=2&x=1")),
    (get("query=up@&start=1&end=2&x=1&x=1"), get("query=up@&start=1&end=2&x=1")),
    (get("query=up@&start=1&end=2&x=1&x=2"), post("query=up@&start=1&x=2", "end=2&x=1")),
    # what moves from one into the next
    (get("query=up@&start=1&end=2&a=b&c=d"), get("query=up@&start=1&end=2&a=b%26c%3Dd")),
    (get("query=up@&start=1&end=2&a=1&b=2"), get("query=up@&start=1&end=2&a=2&b=1")),
    (get("query=up@&start=1&end=2&ab=c"), get("query=up@&start=1&end=2&a=bc")),
    # sets
    (get("match[]=a@&match[]=b", SERIES), get("match[]=a@", SERIES)),
    (get("match[]=a@&match[]=b", SERIES), get("match[]=a@b", SERIES)),
    (get("match[]=a@", SERIES), get("match[]=A@", SERIES)),
    (get("match[]=a@", SERIES), get("match=a@", SERIES)),
    (get("match[]=a@", SERIES), post("match[]=b", "match[]=a@", SERIES)),
    (get("match[]=a@", SERIES), get("match[]=a@&start=1", SERIES)),
    # the path
    (get("x=@", "/api/v1/labels"), get("x=@", SERIES)),
    (get("x=@", "/api/v1/labels"), get("x=@", "/prometheus/api/v1/labels")),
    (get("x=@", "/api/v1/label/a/values"), get("x=@", "/api/v1/label/A/values")),
    (get("x=@", "/api/v1/label/a%252Fb/values"), get("x=@", "/api/v1/label/a%2Fb/values")),
    (get("x=@", "/api/v1/label/a/values"), get("x=@", "/api/v1/label/a%20/values")),
    # the source
    (Asked(path=SERIES, url="x=@", uid="prom"), Asked(path=SERIES, url="x=@", uid="twin")),
    (Asked(path=SERIES, url="x=@", uid="prom"), Asked(path=SERIES, url="x=@", uid="victoria")),
    (
        Asked(path="/select/0/prometheus/api/v1/labels", url="x=@", uid="victoria"),
        Asked(path="/select/0:1/prometheus/api/v1/labels", url="x=@", uid="victoria"),
    ),
    (
        Asked(path=SERIES, url="x=@&extra_filters[]=a", uid="victoria"),
        Asked(path=SERIES, url="x=@&extra_filters[]=b", uid="victoria"),
    ),
]

UNCACHED = [
    get("query=up@&query=up@&start=1&end=2"),
    get("query=up@&start=1&start=1&end=2"),
    get("query=up@&start=1&end=2&end=3"),
    post("query=up@&start=1&end=2", "query=up@"),
    post("query=up@&start=1&end=2&step=1", "step=1"),
    get("query=up@&start=1&end=2&timeout=1&timeout=2"),
    get("query=up@;start=1&start=1&end=2"),
    get("query=up@&start=1&end=2;x"),
    get("query=up@%zz&start=1&end=2"),
    get("query=up@&start=1&end=2&x=%"),
    get("query=up@&start=now&end=2"),
    get("query=up@&start=1"),
    get("query=up@", "/api/v1/query"),
    get("query=1%2B1&time=4&x=@", "/api/v1/query"),
    get("query=up@&start=1&end=2", "/api/v1//query_range"),
    get("query=up@&start=1&end=2", "//api/v1/query_range"),
    get("query=up@&start=1&end=2", "/api/v1/query_range/"),
    get("query=up@&start=1&end=2", "/API/v1/query_range"),
    get("query=up@&start=1&end=2", "/api/v1/query_range%2f"),
    Asked(form="query=up@&start=1&end=2", content_type="application/json"),
    Asked(form="query=up@&start=1&end=2", content_type="multipart/form-data; boundary=x"),
    Asked(form="query=up@&start=1&end=2", content_type=""),
    Asked(form="query=%C3%A9@&start=1&end=2", content_type=f"{FORM}; charset=iso-8859-1"),
]


@pytest.fixture(scope="module")
def source(run_source: RunSource) -> RunningSource:
    return run_source(prometheus.make())


@pytest.fixture(scope="module", params=["memory", "redis"])
def millpond(request: pytest.FixtureRequest, source: RunningSource) -> Iterator[Millpond]:
    redis: Valkey | None = request.getfixturevalue("valkey") if request.param == "redis" else None
    config = caching(
        {"uid": "prom", "url": source.url},
        {"uid": "twin", "url": source.url},
        {"uid": "victoria", "url": source.url, "type": "victoriametrics"},
        redis=redis.url if redis else "",
        prefix="parameters",
    )
    with Millpond(config=config) as server:
        yield server


def named(pairs: list[tuple[Asked, Asked]]) -> list[object]:
    return [pytest.param(*pair, id=f"{pair[0]} | {pair[1]}") for pair in pairs]


@pytest.mark.parametrize(("one", "other"), named(SAME))
def test_one_call_has_one_answer(millpond: Millpond, source: RunningSource, one: Asked, other: Asked) -> None:
    for first, second in itertools.permutations((one, other)):
        number, asked = next(numbers), source.count
        replies = [each.send(millpond.port, number) for each in (first, second, first)]
        assert [reply.x_cache for reply in replies] == ["MISS", "HIT", "HIT"]
        assert len({reply.body for reply in replies}) == 1
        assert source.count - asked == 1


@pytest.mark.parametrize(("one", "other"), named(DIFFERENT))
def test_two_calls_never_have(millpond: Millpond, source: RunningSource, one: Asked, other: Asked) -> None:
    for first, second in itertools.permutations((one, other)):
        number, asked = next(numbers), source.count
        replies = [each.send(millpond.port, number) for each in (first, second, first, second)]
        assert [reply.x_cache for reply in replies] == ["MISS", "MISS", "HIT", "HIT"]
        assert replies[0].body == replies[2].body != replies[1].body == replies[3].body
        assert source.count - asked == 2


@pytest.mark.parametrize("one", UNCACHED, ids=str)
def test_what_two_parsers_could_read_differently_is_not_kept(
    millpond: Millpond, source: RunningSource, one: Asked
) -> None:
    number, asked = next(numbers), source.count
    replies = [one.send(millpond.port, number) for _ in range(2)]
    assert [(reply.status, reply.x_cache) for reply in replies] == [(200, "BYPASS")] * 2
    assert source.count - asked == 2


def test_what_the_source_is_asked_is_what_the_client_wrote(millpond: Millpond, source: RunningSource) -> None:
    path, query = "/%61pi/v1/l%61bels", f"match%5b%5d=%7B{next(numbers)}%7d&match[]=a+b&y=(1)"
    assert ask(millpond.port, f"/ds/prom{path}?{query}").x_cache == "MISS"
    assert source.last.target == f"{path}?{query}"


def test_one_uid_in_two_organisations(source: RunningSource, valkey: Valkey) -> None:
    """Two Millponds on one Redis, as for two Grafana organisations whose sources were provisioned alike."""
    with ExitStack() as running:
        ports = [
            running.enter_context(
                Millpond(
                    config=caching(
                        {"uid": "same", "url": source.url, "org_id": org_id},
                        redis=valkey.url,
                        prefix="organisations",
                    )
                )
            ).port
            for org_id in (1, 1, 2)
        ]
        replies = [ask(port, "/ds/same/api/v1/labels") for port in (*ports, *ports)]
    assert [reply.x_cache for reply in replies] == ["MISS", "HIT", "MISS", "HIT", "HIT", "HIT"]
    assert replies[0].body == replies[1].body != replies[2].body
    assert [reply.body for reply in replies[3:]] == [reply.body for reply in replies[:3]]
