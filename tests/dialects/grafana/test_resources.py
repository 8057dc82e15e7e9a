import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from proxy.core.model import Answer, Call, Kind, Pass, Reason, Request
from proxy.dialects.grafana.resources import read

from ..asking import FORM, JSON, answer


def ask(
    target: str,
    source_type: str = "some-plugin",
    *,
    method: str = "GET",
    body: bytes | object = b"",
    headers: dict[str, str] | None = None,
    own: dict[str, list[re.Pattern[str]]] | None = None,
) -> Call | Pass:
    path, _, query = target.partition("?")
    if not isinstance(body, bytes):
        body, headers = json.dumps(body).encode(), JSON | (headers or {})
    request = Request(method=method, path=path, query=query, headers=CIMultiDict(headers or {}), body=body)
    return read(request, source_type, own or {})


def parts(found: Call | Pass) -> tuple[bytes, ...]:
    assert isinstance(found, Call), found
    assert found.kind is Kind.RESOURCE
    return found.parts


def passed(found: Call | Pass) -> Reason:
    assert isinstance(found, Pass), found
    return found.reason


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/databases",
        "/api/v1/label/job/values",
        "/a%20b",
        "/dimension-keys",
        "/canceled",
        "/tables/x",
        "/tokenizers",
    ],
)
def test_a_get_reads(path: str) -> None:
    parts(ask(path))


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/health", Reason.HEALTH),
        ("/healthcheck", Reason.HEALTH),
        ("/api/Health/", Reason.HEALTH),
        ("/ping", Reason.HEALTH),
        ("/cancel", Reason.ROUTE),
        ("/cancelQuery", Reason.ROUTE),
        ("/queries/cancel-all", Reason.ROUTE),
        ("/a%2Fcancel", Reason.ROUTE),
        ("/%63ancel", Reason.ROUTE),
        ("/_stream_query_register/A", Reason.ROUTE),
        ("/loki/api/v1/tail", Reason.ROUTE),
        ("/api/v1/admin/tsdb/snapshot", Reason.ROUTE),
        ("/-/reload", Reason.ROUTE),
        ("/oauth/token", Reason.ROUTE),
        ("/secret", Reason.ROUTE),
        ("/a%zz", Reason.ROUTE),
    ],
)
def test_a_get_that_acts_or_looks_after_health(path: str, reason: Reason) -> None:
    assert passed(ask(path)) is reason


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
def test_other_methods_never(method: str) -> None:
    assert passed(ask("/databases", method=method)) is Reason.METHOD


POSTS = [
    ("prometheus", "/api/v1/labels"),
    ("prometheus", "/api/v1/series"),
    ("prometheus", "/api/v1/label/job/values"),
    ("grafana-amazonprometheus-datasource", "/api/v1/query_range"),
    ("elasticsearch", "/_msearch"),
    ("grafana-opensearch-datasource", "/_msearch"),
    ("graphite", "/metrics/find"),
    ("graphite", "/events"),
    ("grafana-athena-datasource", "/catalogs"),
    ("grafana-athena-datasource", "/tables"),
    ("grafana-redshift-datasource", "/columns"),
    ("grafana-bigquery-datasource", "/datasets"),
    ("grafana-bigquery-datasource", "/dataset/table/schema"),
    ("grafana-azure-monitor-datasource", "/resourcegraph/providers/Microsoft.ResourceGraph/resources"),
    ("grafana-azure-data-explorer-datasource", "/schema"),
    ("grafana-snowflake-datasource", "/schemas"),
]


@pytest.mark.parametrize(("source_type", "path"), POSTS)
def test_a_post_that_only_reads(source_type: str, path: str) -> None:
    parts(ask(path, source_type, method="POST", body={"region": "eu"}))
    assert passed(ask(path, method="POST", body={"region": "eu"})) is Reason.ROUTE


@pytest.mark.parametrize(("source_type", "path"), POSTS)
@pytest.mark.parametrize("spelled", ["{}/", "{}/x", "/x{}", "{}%2Fx", "/"])
def test_a_path_that_only_looks_like_it(source_type: str, path: str, spelled: str) -> None:
    assert passed(ask(spelled.format(path), source_type, method="POST", body={})) is Reason.ROUTE


@pytest.mark.parametrize(
    ("source_type", "path"),
    [
        ("grafana-athena-datasource", "/cancel"),
        ("grafana-redshift-datasource", "/cancel"),
        ("grafana-redshift-datasource", "/secret"),
        ("grafana-timestream-datasource", "/cancel"),
        ("grafana-azure-data-explorer-datasource", "/generateQuery"),
        ("grafana-bigquery-datasource", "/validateQuery"),
        ("prometheus", "/api/v1/admin/tsdb/delete_series"),
        ("prometheus", "/api/v1/write"),
        ("prometheus", "/api/v1/label/a%2Fb/values"),
        ("alexanderzobnin-zabbix-datasource", "/zabbix-api"),
        ("grafana-opensearch-datasource", "/_stream_query_register/A"),
        ("elasticsearch", "/index/_bulk"),
        ("grafana-testdata-datasource", "/sim/flight/10hz"),
        ("cloudwatch", "/log-groups"),
    ],
)
def test_other_posts_are_not_kept(source_type: str, path: str) -> None:
    assert passed(ask(path, source_type, method="POST", body={})) is Reason.ROUTE


def test_the_operators_own_paths() -> None:
    own = {"some-plugin": [re.compile(r"/search/[^/]+")]}
    parts(ask("/search/hosts", method="POST", body={}, own=own))
    for path in ("/search/", "/search/a/b", "/search/a%2fb", "/other"):
        assert passed(ask(path, method="POST", body={}, own=own)) is Reason.ROUTE
    assert passed(ask("/search/hosts", "another", method="POST", body={}, own=own)) is Reason.ROUTE
    assert passed(ask("/search/hosts", method="PUT", own=own)) is Reason.METHOD


def test_parameters_have_no_order_but_the_values_of_one_have() -> None:
    assert parts(ask("/a?x=1&y=2")) == parts(ask("/a?y=2&x=%31"))
    assert parts(ask("/a?x=1&x=2")) != parts(ask("/a?x=2&x=1"))


DIFFERENT = [
    ("/a", "/a?x="),
    ("/a?x=1", "/a?x=2"),
    ("/a?x=1", "/a?X=1"),
    ("/a?x=1&y=2", "/a?x=1"),
    ("/a?x=1,y", "/a?x=1&x=y"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_differs(one: str, other: str) -> None:
    assert parts(ask(one)) != parts(ask(other))


def test_where_a_parameter_stands_counts() -> None:
    asked = [
        ask("/api/v1/series?match[]=a", "prometheus", method="POST"),
        ask("/api/v1/series", "prometheus", method="POST", body=b"match[]=a", headers={"Content-Type": FORM}),
        ask("/api/v1/series", "prometheus", method="POST", body=b"match[]=a", headers={"Content-Type": "text/plain"}),
        ask("/api/v1/series", "prometheus", method="POST", body={"match[]": "a"}),
        ask("/api/v1/series?match[]=a", "prometheus"),
    ]
    assert len({parts(each) for each in asked}) == len(asked)


def test_a_json_body_is_its_content() -> None:
    def post(body: bytes, content_type: str = "application/json") -> tuple[bytes, ...]:
        headers = {"Content-Type": content_type}
        return parts(ask("/tables", "grafana-athena-datasource", method="POST", body=body, headers=headers))

    assert post(b'{"a": 1, "b": {"c": [1, 2], "d": null}}') == post(b'{"b":{"d":null,"c":[1,2]},"a":1}')
    assert post(b"{}", "application/json; charset=utf-8") == post(b" {}")
    bodies = [
        b'{"a":1}',
        b'{"a":"1"}',
        b'{"a":1.0}',
        b'{"a":[1]}',
        b"[]",
        b"",
        b'{"a":1,"a":2}',
        b'{"a":1,"a":1}',
        b"{",
    ]
    assert len({post(body) for body in bodies}) == len(bodies)


def test_a_search_body_is_its_bytes() -> None:
    one, other = (
        parts(ask("/_msearch", "elasticsearch", method="POST", body=body, headers=JSON))
        for body in (b'{"sort":{"a":"asc","b":"asc"}}', b'{"sort":{"b":"asc","a":"asc"}}')
    )
    assert one != other


def test_accept_is_a_class() -> None:
    plain = parts(ask("/a", headers={"Accept": "application/json, text/plain, */*"}))
    assert plain == parts(ask("/a"))
    assert plain != parts(ask("/a", headers={"Accept": "text/csv"}))


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (ask("/a?x=1;y=2"), Reason.PARAMETER),
        (ask("/a?x=%zz"), Reason.PARAMETER),
        (ask("/a", body=b"{}"), Reason.BODY),
        (ask("/a", headers={"Content-Encoding": "gzip"}), Reason.BODY),
        (
            ask("/api/v1/labels", "prometheus", method="POST", body=b"a=1;b=2", headers={"Content-Type": FORM}),
            Reason.PARAMETER,
        ),
        (
            ask(
                "/tables",
                "grafana-athena-datasource",
                method="POST",
                headers={"Content-Type": "multipart/form-data; boundary=x"},
            ),
            Reason.CONTENT_TYPE,
        ),
    ],
)
def test_what_readers_could_differ_about(asked: Call | Pass, reason: Reason) -> None:
    assert passed(asked) is reason


deep = b"[" * 900 + b"]" * 900


@given(
    st.text(max_size=20).map(lambda path: "/" + path),
    st.sampled_from(["", "/api/v1/series", "/tables"]),
    st.sampled_from(["prometheus", "grafana-athena-datasource", "some-plugin"]),
    st.sampled_from(["GET", "POST"]),
    st.binary(max_size=30) | st.sampled_from([deep, b'{"start":' + deep + b"}", b'{"start":1e999999999}']),
    st.sampled_from(["", "application/json", FORM, "text/plain"]),
)
def test_any_request(path: str, known: str, source_type: str, method: str, body: bytes, content_type: str) -> None:
    headers = CIMultiDict({"Content-Type": content_type} if content_type else {})
    for each in (path, known + path, known):
        target, _, query = each.partition("?")
        found = read(Request(method=method, path=target, query=query, headers=headers, body=body), source_type, {})
        if isinstance(found, Call):
            found.judge(answer(body))


# Times

T = 1_700_000_040  # a whole minute
HOUR = 3600


@pytest.mark.parametrize("unit", [1, 1000, 1_000_000, 1_000_000_000], ids=["s", "ms", "us", "ns"])
@pytest.mark.parametrize(("start", "end"), [("start", "end"), ("from", "to")])
@pytest.mark.parametrize("source_type", ["prometheus", "loki", "tempo", "grafana-pyroscope-datasource"])
def test_a_range_is_of_a_minute(unit: int, start: str, end: str, source_type: str) -> None:
    def at(second: float) -> tuple[bytes, ...]:
        return parts(
            ask(f"/labels?{start}={int((T - HOUR + second) * unit)}&{end}={int((T + second) * unit)}", source_type)
        )

    assert at(0) == at(1) == at(59) != at(60)
    assert at(0) != at(-1)


def test_a_range_is_of_a_minute_in_bodies_too() -> None:
    def form(second: float) -> tuple[bytes, ...]:
        body = f"match[]=up&start={T - HOUR + second}&end={T + second}".encode()
        return parts(ask("/api/v1/series", "prometheus", method="POST", body=body, headers={"Content-Type": FORM}))

    def document(second: int, kind: type) -> tuple[bytes, ...]:
        body = {"start": kind(T - HOUR + second), "end": kind(T + second), "step": T + second // 60}
        return parts(ask("/api/v1/series", "prometheus", method="POST", body=body))

    assert form(0) == form(59.999) != form(60)
    assert document(0, str) == document(59, str) != document(60, str)
    assert document(0, int) == document(59, int) != document(60, int)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"start={T}&end={T + 300}", f"start={T + 1}&end={T + 301}"),
        (f"start={T}&end={T + HOUR}", f"start={T * 1000}&end={(T + HOUR) * 1000}"),
        (f"start={T}&start={T}&end={T + HOUR}", f"start={T + 1}&start={T}&end={T + HOUR}"),
        ("start=now-1h", "start=now-2h"),
        ("start=100", "start=101"),
        (f"time={T}", f"time={T + 1}"),
        (f"start=-{T}", f"start=-{T + 1}"),
        (f"since={T}", f"since={T + 1}"),
    ],
    ids=["short range", "other unit", "given twice", "relative", "no epoch", "moment", "negative", "other name"],
)
def test_times_that_are_exact(one: str, other: str) -> None:
    assert parts(ask(f"/labels?{one}", "prometheus")) != parts(ask(f"/labels?{other}", "prometheus"))


@pytest.mark.parametrize(
    ("source_type", "path"),
    [
        ("some-plugin", "/labels"),
        ("cloudwatch", "/labels"),
        ("prometheus", "/api/v1/query_range"),
        ("loki", "/query_range"),
    ],
)
def test_data_and_other_plugins_have_exact_times(source_type: str, path: str) -> None:
    one, other = (parts(ask(f"{path}?start={T + s}&end={T + HOUR + s}", source_type)) for s in (0, 1))
    assert one != other


def test_an_instant_query_without_its_time_is_of_now() -> None:
    assert passed(ask("/api/v1/query?query=up", "prometheus")) is Reason.NOW
    assert (
        passed(ask("/api/v1/query", "prometheus", method="POST", body=b"query=up", headers={"Content-Type": FORM}))
        is Reason.NOW
    )
    parts(ask(f"/api/v1/query?query=up&time={T}", "prometheus"))
    parts(ask("/api/v1/query?query=up"))


@pytest.mark.parametrize("path", ["/api/v1/rules", "/api/v1/alerts"])
def test_live_state_is_kept_for_seconds(path: str) -> None:
    live, names = ask(path, "prometheus"), ask("/api/v1/labels", "prometheus")
    assert isinstance(live, Call)
    assert isinstance(names, Call)
    assert live.ttl_cap_ms == 10_000
    assert names.ttl_cap_ms is None


# Answers


def judged(answer: Answer) -> Reason | None:
    found = ask("/a")
    assert isinstance(found, Call)
    return found.judge(answer)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"[]", "application/json"),
        (b"{}", "application/json; charset=utf-8"),
        (b"null\n", "application/json"),
        (b'"a"', "application/json"),
        (b'{"status": "success", "error": "", "errors": [], "data": [{"error": "x"}]}', "application/json"),
        (b"a,b", "text/csv"),
        (b"{", "text/plain"),
        (b"\x00", ""),
    ],
)
def test_answers_that_may_be_kept(body: bytes, content_type: str) -> None:
    assert judged(answer(body, content_type)) is None


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"", "application/json", Reason.EMPTY),
        (b"{", "application/json", Reason.MALFORMED),
        (b"[1", "application/vnd.x+json", Reason.MALFORMED),
        (b'{"error": "no"}', "application/json", Reason.ERROR_IN_BODY),
        (b'{"errors": [{}]}', "APPLICATION/JSON", Reason.ERROR_IN_BODY),
        (b'{"status": "error"}', "application/json", Reason.ERROR_IN_BODY),
        (b'{"status": "success", "warnings": ["partial"]}', "application/json", Reason.PARTIAL),
        (b"<html>Log in</html>", "text/html; charset=UTF-8", Reason.CONTENT_TYPE),
        (b"data: 1", "text/event-stream", Reason.STREAM),
    ],
)
def test_answers_that_may_not(body: bytes, content_type: str, reason: Reason) -> None:
    assert judged(answer(body, content_type)) is reason
