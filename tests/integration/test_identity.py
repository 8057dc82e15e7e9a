"""Whose answer it is: the headers of datasources.md §1.2, name by name, through a running Millpond.

The source counts its requests in every answer. So an answer is shared exactly when the source was not asked again and
the body is the earlier one's, and `Pair.shares` holds X-Cache to that.
"""

import itertools
from collections.abc import Iterator

import pytest

from tests.servers.millpond import Millpond
from tests.servers.source import RunningSource, RunSource
from tests.servers.valkey import Valkey
from tests.servers.wire import Reply, ask
from tests.sources import plain, prometheus

from .configured import caching

Header = tuple[str, str]
Headers = tuple[Header, ...]

FORM = ("Content-Type", "application/x-www-form-urlencoded")
RANGE = "start=1&end=2&step=1"

IDENTITY = (
    "Authorization X-Id-Token Cookie X-Grafana-User X-Grafana-Id X-Scope-OrgID X-Prom-Label-Policy THANOS-TENANT "
    "AccountID ProjectID X-ClickHouse-User X-ClickHouse-Key X-ClickHouse-Quota X-ClickHouse-Database "
    "X-ClickHouse-Format X-ClickHouse-SSL-Certificate-Auth X-DS-Authorization X-Grafana-Org-Id X-Real-Ip "
    "X-Grafana-Internal-Request X-Amz-Date X-Amz-Security-Token X-Amz-Content-Sha256 es-security-runas-user "
    "securitytenant X-Org-Id x-tenant jaeger-tenant X-API-Key"
).split()
UNKNOWN = "X-Never-Heard-Of X-Team X_Scope_OrgID X-Original-URL X-Rewrite-URL From".split()
SHAPE = "X-Loki-Response-Encoding-Flags X-Loki-Disable-Pipeline-Wrappers X-Loki-Query-Limits".split()

FORWARDED_NOISE = (
    "X-Datasource-Uid X-Dashboard-Uid X-Dashboard-Id X-Dashboard-Title X-Panel-Id X-Panel-Plugin-Id X-Panel-Title "
    "X-Query-Group-Id X-Query-Tags X-Grafana-From-Expr X-Grafana-Request-Id X-Grafana-Signed-Request-Id "
    "X-Grafana-Device-Id traceparent tracestate baggage uber-trace-id b3 X-B3-TraceId X-B3-SpanId X-B3-ParentSpanId "
    "X-B3-Sampled X-B3-Flags sentry-trace X-Request-Id X-Amzn-Trace-Id X-Cloud-Trace-Context User-Agent"
).split()
CUT_NOISE = (
    "X-Grafana-Referer Referer Origin X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Forwarded-Port "
    "X-Forwarded-Prefix Via Forwarded Accept-Language Sec-Fetch-Mode Sec-Ch-Ua Sec-Ch-Ua-Platform DNT Priority Date "
    "Pragma Upgrade-Insecure-Requests X-Requested-With X-Grafana-Cache Keep-Alive TE Proxy-Authorization"
).split()
LOKI_NOISE = "X-Loki-Query-Limits-Context X-Query-Queue-Time X-Loki-Actor-Path".split()

numbers = itertools.count()


class Pair:
    """Two requests for the same thing, sent to one source by callers that differ in their headers."""

    def __init__(self, millpond: Millpond, source: RunningSource, uid: str, *, method: str = "GET") -> None:
        self._millpond = millpond
        self._source = source
        self._uid = uid
        self._method = method

    def shares(self, first: Headers, second: Headers) -> bool:
        """Whether the second caller gets the first one's answer; each has to get its own again in any case."""
        query = f"query=up%2B{next(numbers)}&{RANGE}"
        asked = self._source.count
        one, other = self._ask(query, first), self._ask(query, second)
        assert one.x_cache == "MISS"
        shared = other.x_cache == "HIT"
        assert (other.body == one.body) is shared
        assert self._source.count - asked == (1 if shared else 2)
        again = [self._ask(query, headers) for headers in (first, second)]
        assert [(reply.x_cache, reply.body) for reply in again] == [("HIT", one.body), ("HIT", other.body)]
        return shared

    def sent(self, *headers: Header) -> list[str]:
        """The names, in lower case, that the source saw on a miss."""
        assert self._ask(f"query=seen%2B{next(numbers)}&{RANGE}", headers).x_cache == "MISS"
        return [name.lower() for name in self._source.last.headers]

    def _ask(self, query: str, headers: Headers) -> Reply:
        path = f"/ds/{self._uid}/api/v1/query_range"
        if self._method == "POST":
            return ask(self._millpond.port, path, FORM, *headers, method="POST", body=query.encode())
        return ask(self._millpond.port, f"{path}?{query}", *headers)


@pytest.fixture(scope="module")
def source(run_source: RunSource) -> RunningSource:
    return run_source(prometheus.make())


@pytest.fixture(scope="module")
def other_source(run_source: RunSource) -> RunningSource:
    return run_source(plain.make())


@pytest.fixture(scope="module", params=["memory", "redis"])
def millpond(request: pytest.FixtureRequest, source: RunningSource, other_source: RunningSource) -> Iterator[Millpond]:
    redis: Valkey | None = request.getfixturevalue("valkey") if request.param == "redis" else None
    config = caching(
        {"uid": "prom", "url": source.url},
        {"uid": "twin", "url": source.url},
        {"uid": "loki", "type": "loki", "url": source.url},
        {"uid": "any", "type": "opaque", "url": other_source.url},
        {"uid": "shared", "url": source.url, "identity": {"drop": ["Authorization", "cookie"]}},
        {"uid": "by-ip", "url": source.url, "identity": {"keep": ["X-Forwarded-For", "user-agent", "Cookie", "host"]}},
        {"uid": "tenant", "url": source.url, "headers": {"X-Scope-OrgID": "configured"}},
        {"uid": "basic", "url": source.url, "basic_auth": {"username": "u", "password": "p"}},
        redis=redis.url if redis else "",
        prefix="identity",
    )
    with Millpond(config=config) as server:
        yield server


@pytest.fixture(params=["GET", "POST"])
def pair(request: pytest.FixtureRequest, millpond: Millpond, source: RunningSource) -> Pair:
    return Pair(millpond, source, "prom", method=request.param)


def values(name: str, *texts: str) -> Headers:
    return tuple((name, f"a={text}" if name.lower() == "cookie" else text) for text in texts)


def different(name: str) -> list[tuple[Headers, Headers]]:
    """Callers that must never be taken for one another, as far as this header tells."""
    return [
        (values(name, "alice"), values(name, "bob")),
        (values(name, "alice"), ()),
        (values(name, "Basic dXNlcjpwdw=="), values(name, "Basic dXNlcjpwdW==")),
        (values(name, "alice"), values(name, "alicE")),
        (values(name, "t1|t2"), values(name, "t1")),
        (values(name, "t1|t2"), values(name, "t1t2")),
    ]


def repeated(name: str) -> list[tuple[Headers, Headers]]:
    return [
        (values(name, "alice", "bob"), values(name, "bob", "alice")),
        (values(name, "alice", "bob"), values(name, "alice")),
        (values(name, "alice", "bob"), values(name, "bob")),
        (values(name, "alice", "alice"), values(name, "alice")),
    ]


@pytest.mark.parametrize("name", IDENTITY + UNKNOWN + SHAPE)
def test_who_asks_gets_an_answer_of_his_own(pair: Pair, name: str) -> None:
    for one, other in different(name):
        assert not pair.shares(one, other), (one, other)
        assert not pair.shares(other, one), (other, one)
    assert pair.shares(values(name, "alice"), values(name.swapcase(), "alice"))


@pytest.mark.parametrize("name", IDENTITY + UNKNOWN)
def test_repetitions_and_their_order_are_somebody_else(pair: Pair, name: str) -> None:
    for one, other in repeated(name):
        assert not pair.shares(one, other), (one, other)
        assert not pair.shares(other, one), (other, one)


def test_a_value_cannot_be_moved_into_the_next_header(pair: Pair) -> None:
    assert not pair.shares((("X-A", "1"), ("X-B", "2")), (("X-A", "1x-b2"),))
    assert not pair.shares((("X-A", "1"), ("X-B", "2")), (("X-A", "2"), ("X-B", "1")))
    assert not pair.shares((("X-A", "bc"),), (("X-Ab", "c"),))
    assert not pair.shares((("X-A", ""),), ())


def test_the_order_of_different_headers_does_not_matter(pair: Pair) -> None:
    alice, tenant = ("Authorization", "Bearer alice"), ("X-Scope-OrgID", "t1")
    assert pair.shares((alice, tenant), (tenant, alice))


def test_two_sources_of_one_address_share_nothing(millpond: Millpond, source: RunningSource) -> None:
    query = f"?query=twin{next(numbers)}&{RANGE}"
    replies = [ask(millpond.port, f"/ds/{uid}/api/v1/query_range{query}") for uid in ("prom", "twin", "prom", "twin")]
    assert [reply.x_cache for reply in replies] == ["MISS", "MISS", "HIT", "HIT"]
    assert replies[0].body == replies[2].body != replies[1].body == replies[3].body


@pytest.mark.parametrize("name", FORWARDED_NOISE)
def test_forwarded_noise_shares_and_is_seen(pair: Pair, name: str) -> None:
    assert pair.shares(values(name, "one"), values(name, "two"))
    assert pair.shares(values(name, "one"), ())
    assert pair.shares((), values(name, "one"))
    assert name.lower() in pair.sent((name, "one"))


@pytest.mark.parametrize("name", CUT_NOISE)
def test_cut_noise_shares_and_is_not_seen(pair: Pair, name: str) -> None:
    assert pair.shares(values(name, "one"), values(name, "two"))
    assert pair.shares(values(name, "one"), ())
    assert pair.shares((), values(name, "one"))
    assert name.lower() not in pair.sent((name, "one"))


@pytest.mark.parametrize("name", LOKI_NOISE)
def test_a_dialects_own_noise(millpond: Millpond, source: RunningSource, name: str) -> None:
    def of(query: str, *headers: Header) -> Reply:
        return ask(millpond.port, f"/ds/loki/loki/api/v1/query_range?query={query}&start=1&end=2", *headers)

    query = f"x{next(numbers)}"
    first, second = of(query, (name, "one")), of(query, (name, "two"))
    assert (first.x_cache, second.x_cache, second.body) == ("MISS", "HIT", first.body)
    assert name not in source.last.headers


def test_grafanas_session_is_nobodys_and_is_never_seen(pair: Pair, source: RunningSource) -> None:
    session = ("Cookie", "grafana_session=abc; grafana_session_expiry=9")
    with_more = ("Cookie", "team=a; grafana_session=abc; x=1")
    assert pair.shares((session,), ())
    assert pair.shares((session,), (("Cookie", "grafana_session=other"),))
    assert pair.shares((with_more,), (("Cookie", "team=a; x=1"),))
    assert not pair.shares((with_more,), (("Cookie", "team=b; grafana_session=abc; x=1"),))
    assert "cookie" not in pair.sent(session)
    assert pair.sent(with_more).count("cookie") == 1
    assert source.last.headers["Cookie"] == "team=a; x=1"


@pytest.mark.parametrize("headers", [(), (("X-Cache-Skip", "true"),), (("FromAlert", "true"),)])
def test_no_call_lets_the_session_out(millpond: Millpond, source: RunningSource, headers: Headers) -> None:
    cookie = ("Cookie", "grafana_session=secret; a=1")
    for uid, target in itertools.product(("prom", "by-ip", "shared"), ("/api/v1/admin/x", "/api/v1/labels")):
        ask(millpond.port, f"/ds/{uid}{target}?{next(numbers)}", cookie, *headers)
        assert source.last.headers.getall("Cookie") == ["a=1"], (uid, target)


def test_what_the_operator_drops_is_shared_and_still_forwarded(millpond: Millpond, source: RunningSource) -> None:
    shared = Pair(millpond, source, "shared")
    assert shared.shares((("Authorization", "Bearer a"),), (("Authorization", "Bearer b"),))
    assert shared.shares((("Cookie", "a=1"),), ())
    assert not shared.shares((("X-Scope-OrgID", "t1"),), (("X-Scope-OrgID", "t2"),))
    assert "authorization" in shared.sent(("Authorization", "Bearer a"))


def test_what_the_operator_keeps_splits_and_is_forwarded(millpond: Millpond, source: RunningSource) -> None:
    by_ip = Pair(millpond, source, "by-ip")
    for name in ("X-Forwarded-For", "User-Agent"):
        assert not by_ip.shares(((name, "10.0.0.1"),), ((name, "10.0.0.2"),))
        assert not by_ip.shares(((name, "10.0.0.1"),), ())
        assert name.lower() in by_ip.sent((name, "10.0.0.1"))
    assert by_ip.shares((("X-Forwarded-Host", "a"),), (("X-Forwarded-Host", "b"),))
    assert by_ip.shares((("Cookie", "grafana_session=a"),), ())


@pytest.mark.parametrize(
    ("uid", "name", "value"),
    [("tenant", "X-Scope-OrgID", "configured"), ("basic", "Authorization", "Basic dTpw")],
)
def test_what_the_configuration_sets_is_not_the_clients_to_choose(
    millpond: Millpond, source: RunningSource, uid: str, name: str, value: str
) -> None:
    configured = Pair(millpond, source, uid)
    assert configured.shares(((name, "mine"),), ((name.lower(), "yours"), (name.upper(), "ours")))
    assert configured.shares(((name, "mine"),), ())
    assert configured.sent((name, "mine"), (name.lower(), "ours")).count(name.lower()) == 1
    assert source.last.headers[name] == value
    ask(millpond.port, f"/ds/{uid}/api/v1/admin/x", (name, "mine"))
    assert source.last.headers.getall(name) == [value]


@pytest.mark.parametrize("accept", ["application/json", "application/json, text/plain, */*", "*/*", "application/*"])
def test_an_accept_that_admits_json_is_one(pair: Pair, accept: str) -> None:
    assert pair.shares((("Accept", accept),), ())
    assert pair.shares((), (("Accept", accept),))


def test_encodings_share_one_answer(pair: Pair) -> None:
    for one, other in itertools.permutations(("gzip", "identity", "gzip, deflate, br, zstd", "br", ""), 2):
        query = f"query=coding%2B{next(numbers)}&{RANGE}"
        replies = [pair._ask(query, (("Accept-Encoding", each),)) for each in (one, other)]
        assert [reply.x_cache for reply in replies] == ["MISS", "HIT"]
        assert replies[0].decoded == replies[1].decoded


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("Accept", "application/json"), ("Accept", "text/csv")),
        (("Accept", "application/json"), ("Accept", "application/JSON")),
        (("Accept", "application/json"), ("X-Nothing", "")),
    ],
)
def test_an_opaque_source_may_read_anything_into_accept(
    millpond: Millpond, other_source: RunningSource, one: Header, other: Header
) -> None:
    opaque = Pair(millpond, other_source, "any")
    assert not opaque.shares((one,), (other,))
    assert not opaque.shares((other,), (one,))


def test_the_type_of_no_body_shares_and_is_not_seen(millpond: Millpond, other_source: RunningSource) -> None:
    opaque = Pair(millpond, other_source, "any")
    assert opaque.shares((("Content-Type", "text/csv"),), ())
    assert opaque.shares((), (("Content-Type", "text/csv"),))
    assert "content-type" not in opaque.sent(("Content-Type", "text/csv"))


@pytest.mark.parametrize(
    "header",
    [
        ("Authorization", "AWS4-HMAC-SHA256 Credential=x/y, Signature=z"),
        ("Range", "bytes=0-1"),
        ("If-None-Match", '"x"'),
        ("If-Modified-Since", "Sat, 29 Oct 1994 19:43:31 GMT"),
        ("Accept", "application/vnd.google.protobuf"),
        ("Accept", "text/event-stream"),
        ("Content-Encoding", "gzip"),
        ("Content-Type", "application/grpc"),
        ("X-Cache-Skip", "true"),
        ("Cache-Control", "no-cache"),
        ("Cache-Control", "max-age=0, no-store"),
        ("FromAlert", "true"),
        ("X-Rule-Uid", "r"),
        ("X-Rule-Name", "r"),
        ("X-Rule-Folder", "r"),
    ],
)
def test_what_asks_for_an_answer_of_its_own_neither_reads_nor_writes(
    millpond: Millpond, source: RunningSource, header: Header
) -> None:
    target = f"/ds/prom/api/v1/query_range?query=own%2B{next(numbers)}&{RANGE}"
    asked = source.count
    replies = [ask(millpond.port, target, *headers) for headers in ((header,), (header,), (), (header,), ())]
    assert [reply.x_cache for reply in replies] == ["BYPASS", "BYPASS", "MISS", "BYPASS", "HIT"]
    assert source.count - asked == 4
    assert replies[4].body == replies[2].body
