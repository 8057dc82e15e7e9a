import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from proxy.core.headers import (
    HeaderRules,
    Sorted,
    pass_headers,
    sort_headers,
    varies_outside_key,
    without_session_cookies,
)

IDENTITY = [
    "Authorization", "X-Id-Token", "Cookie", "X-Grafana-User", "X-Grafana-Id", "X-Scope-OrgID", "X-Prom-Label-Policy",
    "THANOS-TENANT", "AccountID", "ProjectID", "X-ClickHouse-User", "X-ClickHouse-Key", "X-DS-Authorization",
    "X-Grafana-Org-Id", "X-Real-Ip", "X-Grafana-Internal-Request", "X-Api-Key", "X-Never-Heard-Of",
    "X-Loki-Response-Encoding-Flags", "X-Loki-Disable-Pipeline-Wrappers", "X-Loki-Query-Limits",
    "es-security-runas-user", "securitytenant", "X-Org-Id", "X-HTTP-Method-Override", "X-Original-URL",
]  # fmt: skip
FORWARDED_NOISE = [
    "traceparent", "tracestate", "baggage", "uber-trace-id", "b3", "X-B3-TraceId", "sentry-trace", "User-Agent",
    "X-Dashboard-Uid", "X-Dashboard-Title", "X-Panel-Id", "X-Panel-Plugin-Id", "X-Datasource-Uid",
    "X-Query-Group-Id", "X-Query-Tags", "X-Grafana-From-Expr", "X-Request-Id", "X-Amzn-Trace-Id",
    "X-Cloud-Trace-Context", "X-Grafana-Request-Id",
]  # fmt: skip
CUT = [
    "Origin", "Referer", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "Via",
    "Accept-Language", "Sec-Fetch-Mode", "Sec-Ch-Ua", "Pragma", "Cache-Control", "DNT", "Priority",
    "Upgrade-Insecure-Requests", "X-Requested-With", "X-Grafana-Cache", "X-Grafana-Referer", "X-Cache-Skip", "Host",
]  # fmt: skip
HOP = [
    "Connection",
    "Keep-Alive",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "Proxy-Authorization",
    "Expect",
]


@pytest.mark.parametrize("name", IDENTITY)
def test_identity_is_keyed_and_forwarded(name: str) -> None:
    sorted_headers = sort_headers(CIMultiDict({name: "v"}), HeaderRules())
    assert sorted_headers.identity == ((name.lower(), "v"),)
    assert sorted_headers.forward == ((name, "v"),)


@pytest.mark.parametrize("name", FORWARDED_NOISE)
def test_tracing_and_attribution_are_forwarded_and_not_keyed(name: str) -> None:
    sorted_headers = sort_headers(CIMultiDict({name: "v"}), HeaderRules())
    assert sorted_headers.identity == ()
    assert sorted_headers.forward == ((name, "v"),)


@pytest.mark.parametrize("name", CUT + HOP)
def test_what_is_not_keyed_and_could_matter_is_cut(name: str) -> None:
    sorted_headers = sort_headers(CIMultiDict({name: "v"}), HeaderRules())
    assert sorted_headers.identity == ()
    assert sorted_headers.forward == ()


def test_repeated_identity_headers_keep_their_order() -> None:
    headers = CIMultiDict([("X-T", "b"), ("A", "1"), ("x-t", "a")])
    assert sort_headers(headers, HeaderRules()).identity == (("a", "1"), ("x-t", "b"), ("x-t", "a"))


def test_the_sources_own_rules() -> None:
    headers = CIMultiDict({"Authorization": "mine", "X-Forwarded-For": "1.2.3.4", "X-Noise": "n", "X-Key": "client"})
    rules = HeaderRules(
        drop=frozenset({"authorization"}),
        keep=frozenset({"x-forwarded-for"}),
        noise=frozenset({"x-noise"}),
        replaced=frozenset({"x-key"}),
    )
    sorted_headers = sort_headers(headers, rules)
    assert sorted_headers.identity == (("x-forwarded-for", "1.2.3.4"),)
    assert sorted_headers.forward == (("Authorization", "mine"), ("X-Forwarded-For", "1.2.3.4"))


def test_a_call_that_is_never_cached_passes_with_all_its_headers() -> None:
    headers = CIMultiDict(
        {
            "Host": "h",
            "Origin": "o",
            "X-Forwarded-For": "f",
            "Connection": "X-Hop",
            "X-Hop": "1",
            "Cookie": "a=1",
        }
    )
    assert pass_headers(headers, HeaderRules()) == (
        ("Origin", "o"),
        ("X-Forwarded-For", "f"),
        ("Cookie", "a=1"),
    )


def test_keeping_lets_neither_the_session_nor_the_host_out() -> None:
    headers = CIMultiDict({"Host": "evil", "Cookie": "grafana_session=x; a=1"})
    sorted_headers = sort_headers(headers, HeaderRules(keep=frozenset({"host", "cookie"})))
    assert sorted_headers.identity == (("cookie", "a=1"),)
    assert sorted_headers.forward == (("Cookie", "a=1"),)


def test_what_connection_names_is_neither_keyed_nor_forwarded() -> None:
    headers = CIMultiDict({"Connection": "close, X-Scope-OrgID", "X-Scope-OrgID": "t1", "X-Other": "1"})
    sorted_headers = sort_headers(headers, HeaderRules())
    assert sorted_headers.identity == (("x-other", "1"),)
    assert sorted_headers.forward == (("X-Other", "1"),)


@pytest.mark.parametrize("name", ["Accept", "Content-Type"])
def test_connection_cannot_name_away_what_a_dialect_read(name: str) -> None:
    headers = CIMultiDict({"Connection": name, name: "text/csv"})
    assert sort_headers(headers, HeaderRules()).forward == ((name, "text/csv"),)


def test_connection_cannot_name_away_what_identifies_the_caller() -> None:
    headers = CIMultiDict({"Connection": "Authorization, Cookie, Content-Length", "Authorization": "t"})
    assert sort_headers(headers, HeaderRules()).identity == (("authorization", "t"),)


@pytest.mark.parametrize(
    ("cookie", "left"),
    [
        ("grafana_session=x", ""),
        ("a=1; grafana_session=x; grafana_session_expiry=9; b=2", "a=1; b=2"),
        ("a=1;b=2", "a=1;b=2"),
        ("not_grafana_session=x", "not_grafana_session=x"),
    ],
)
def test_grafanas_session_never_leaves(cookie: str, left: str) -> None:
    assert without_session_cookies(cookie) == left
    expected = (("Cookie", left),) if left else ()
    assert sort_headers(CIMultiDict({"Cookie": cookie}), HeaderRules()).forward == expected
    assert pass_headers(CIMultiDict({"Cookie": cookie}), HeaderRules()) == expected


@pytest.mark.parametrize(
    ("vary", "outside"),
    [
        ([], False),
        (["Accept-Encoding"], False),
        (["accept-encoding, Origin"], False),
        (["X-Scope-OrgID"], False),
        (["Authorization", "Cookie"], False),
        (["*"], True),
        (["Accept-Encoding, *"], True),
        (["User-Agent"], True),
        (["Accept-Language"], True),
        (["X-Forwarded-Host"], True),
        (["Sec-Fetch-Mode"], True),
        (["traceparent"], True),
    ],
)
def test_vary(vary: list[str], outside: bool) -> None:
    assert varies_outside_key(vary, HeaderRules()) is outside


def test_vary_on_a_header_that_is_forwarded_but_not_keyed() -> None:
    assert varies_outside_key(["Authorization"], HeaderRules(drop=frozenset({"authorization"})))
    assert not varies_outside_key(["X-Forwarded-For"], HeaderRules(keep=frozenset({"x-forwarded-for"})))


FRONT = HeaderRules(credentials=frozenset({"cookie", "authorization", "host"}), carried=frozenset({"x-forwarded-for"}))


def test_credentials_are_sorted_apart_and_go_on_with_the_session() -> None:
    asked = CIMultiDict(
        {"Cookie": "grafana_session=a; b=c", "Authorization": "Basic eA==", "X-Panel-Id": "1", "X-A": "1"}
    )
    told = sort_headers(asked, FRONT)
    assert told.credentials == (("cookie", "grafana_session=a; b=c"), ("authorization", "Basic eA=="))
    assert told.identity == (("x-a", "1"),)
    assert CIMultiDict(told.forward) == asked
    assert CIMultiDict(pass_headers(asked, FRONT)) == asked


def test_connection_cannot_name_credentials_away() -> None:
    rules = HeaderRules(credentials=frozenset({"x-webauth-user"}))
    told = sort_headers(CIMultiDict({"X-WEBAUTH-USER": "a", "Connection": "x-webauth-user"}), rules)
    assert told.credentials == (("x-webauth-user", "a"),)


def test_a_host_and_an_address_go_on_and_are_in_no_key() -> None:
    asked = CIMultiDict({"Host": "grafana.example", "X-Forwarded-For": "192.0.2.1"})
    told = sort_headers(asked, FRONT)
    assert (told.identity, told.credentials) == ((), (("host", "grafana.example"),))
    assert CIMultiDict(told.forward) == CIMultiDict(pass_headers(asked, FRONT)) == asked


def test_vary_on_credentials_is_outside_the_key() -> None:
    assert varies_outside_key(["Cookie"], FRONT)


names = st.sampled_from([*IDENTITY, *FORWARDED_NOISE, *CUT, *HOP, "Accept", "Content-Type", "Connection"])
cases = st.sampled_from([str.lower, str.upper, str.title])
texts = st.sampled_from(
    ["", "a", "A", "a, X-Api-Key", "close, Authorization, cookie, X-Real-Ip", "grafana_session=x; a=1"]
)
headers = st.lists(st.tuples(st.builds(lambda case, name: case(name), cases, names), texts), max_size=8)
lower_names = st.frozensets(names.map(str.lower), max_size=3)
rules = st.builds(HeaderRules, drop=lower_names, keep=lower_names, noise=lower_names, replaced=lower_names)


@given(headers, headers, rules)
def test_callers_of_one_identity_look_alike_to_the_source(
    one: list[tuple[str, str]], other: list[tuple[str, str]], rules: HeaderRules
) -> None:
    """But for the closed list of noise, the dialect's business, and what the operator said is not identity."""

    def seen(sorted_headers: Sorted) -> list[tuple[str, str]]:
        open_to_all = {name.lower() for name in FORWARDED_NOISE} - rules.keep | rules.drop
        by_the_dialect = {"accept", "content-type"} - rules.keep
        pairs = ((name.lower(), value) for name, value in sorted_headers.forward)
        return sorted(pair for pair in pairs if pair[0] not in open_to_all | by_the_dialect)

    first, second = sort_headers(CIMultiDict(one), rules), sort_headers(CIMultiDict(other), rules)
    assert (seen(first) == seen(second)) or first.identity != second.identity
    for name, value in (*first.forward, *second.forward):
        assert name.lower() not in {"host", "connection", *rules.replaced, *(hop.lower() for hop in HOP)}
        assert name.lower() != "cookie" or "grafana_session" not in value
