import json

import pytest

from proxy.core.model import Call, Kind, Reason
from proxy.dialects.opentsdb import OPENTSDB

from .asking import JSON, answer, ask, call, passed, recorded

QUERIES = [{"metric": "sys.cpu", "aggregator": "sum", "downsample": "5s-avg"}]
BODY: dict[str, object] = {"start": 1700000000, "end": 1700003600, "queries": QUERIES}
SPAN = "start=1700000000&end=1700003600"


def post(body: object, target: str = "/api/query") -> Call:
    return call(OPENTSDB, target, method="POST", body=json.dumps(body).encode(), headers=JSON)


def post_passes(body: bytes, target: str = "/api/query", content_type: str = "application/json") -> Reason:
    return passed(ask(OPENTSDB, target, method="POST", body=body, headers={"Content-Type": content_type}))


@pytest.mark.parametrize(
    ("target", "kind", "cap_ms"),
    [
        (f"/api/query?{SPAN}&m=sum:cpu&m=sum:mem", Kind.QUERY, None),
        ("/api/query?start=2024/01/01-00:00:00&end=2024/01/02&m=sum:cpu", Kind.QUERY, None),
        (f"/api/query/gexp?{SPAN}&exp=scale(sum:cpu,2)", Kind.QUERY, None),
        ("/api/query/last?timeseries=cpu&back_scan=24", Kind.QUERY, 10_000),
        ("/api/suggest?type=metrics&q=sys&max=1000", Kind.RESOURCE, None),
        ("/api/suggest?type=tagk&q=cpu", Kind.RESOURCE, None),
        ("/api/aggregators", Kind.RESOURCE, None),
        ("/api/config/filters", Kind.RESOURCE, None),
        ("/api/search/lookup?m=cpu&limit=3000", Kind.RESOURCE, None),
    ],
)
def test_reads(target: str, kind: Kind, cap_ms: int | None) -> None:
    found = call(OPENTSDB, target)
    assert (found.kind, found.ttl_cap_ms) == (kind, cap_ms)


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/api/query", BODY),
        ("/api/query?arrays=true", BODY),
        ("/api/query", {**BODY, "start": 1700000000123, "end": 1700003600123, "msResolution": True}),
        ("/api/query", {**BODY, "start": "1700000000", "end": "2024/01/02 03:04"}),
        ("/api/query", {**BODY, "delete": False}),
        ("/api/query/exp", {"time": {"start": "1700000000", "end": 1700003600}, "metrics": []}),
        ("/api/query/last", {"queries": [{"metric": "cpu"}]}),
    ],
)
def test_posted_queries(target: str, body: dict[str, object]) -> None:
    assert post(body, target).kind is Kind.QUERY


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({**BODY, "delete": True}, Reason.STATEMENT),
        ({**BODY, "delete": "true"}, Reason.STATEMENT),
        ({**BODY, "delete": 1}, Reason.STATEMENT),
        ({"start": 1700000000, "queries": QUERIES}, Reason.NOW),
        ({"end": 1700000000, "queries": QUERIES}, Reason.NOW),
        ({**BODY, "start": "1h-ago"}, Reason.NOW),
        ({**BODY, "end": "now"}, Reason.NOW),
        ({**BODY, "end": ""}, Reason.NOW),
        ({**BODY, "end": "1\u0661"}, Reason.NOW),
        ({**BODY, "end": None}, Reason.NOW),
        ({**BODY, "end": 0}, Reason.NOW),
        ({**BODY, "end": {}}, Reason.NOW),
        ([], Reason.BODY),
        (7, Reason.BODY),
    ],
)
def test_posted_queries_that_pass(body: object, reason: Reason) -> None:
    assert post_passes(json.dumps(body).encode()) is reason


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b'{"start": 1700000000, "end": 1700000001, "delete": true, "delete": false}',
        b'{"start": 1700000000, "end": 1700000001, "\\u0064elete": true, "delete": false}',
        b'{"start": 1, "end": 2, "queries": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_bodies_that_cannot_be_told_pass(body: bytes) -> None:
    assert post_passes(body) is Reason.BODY


def test_a_delete_by_its_escaped_name() -> None:
    body = b'{"start": 1700000000, "end": 1700000001, "\\u0064elete": true}'
    assert post_passes(body) is Reason.STATEMENT


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_other_formats_pass(content_type: str) -> None:
    assert post_passes(json.dumps(BODY).encode(), content_type=content_type) is Reason.CONTENT_TYPE


@pytest.mark.parametrize("target", ["/api/query", "/api/query/last"])
@pytest.mark.parametrize("parameter", ["method_override=delete", "delete=true", "delete"])
def test_an_override_of_the_method_passes(target: str, parameter: str) -> None:
    assert passed(ask(OPENTSDB, f"{target}?{SPAN}&m=sum:cpu&{parameter}")) is Reason.STATEMENT
    assert post_passes(json.dumps(BODY).encode(), f"{target}?{parameter}") is Reason.STATEMENT


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/api/query?start=1h-ago&m=sum:cpu", Reason.NOW),
        ("/api/query?start=1700000000&m=sum:cpu", Reason.NOW),
        (f"/api/query?{SPAN}&start=5&m=sum:cpu", Reason.PARAMETER),
        (f"/api/query?{SPAN}&m=sum:cpu&jsonp=f", Reason.PARAMETER),
        ("/api/suggest?type=metrics&q=cpu", Reason.HEALTH),
        ("/api/suggest?type=metrics&q=cpu&max=1000", Reason.HEALTH),
        ("/api/put", Reason.ROUTE),
        ("/api/rollup", Reason.ROUTE),
        ("/api/uid/assign?metric=a", Reason.ROUTE),
        ("/api/annotation?start_time=1", Reason.ROUTE),
        ("/api/tree", Reason.ROUTE),
        ("/api/dropcaches", Reason.ROUTE),
        ("/api/stats", Reason.ROUTE),
    ],
)
def test_passed(target: str, reason: Reason) -> None:
    assert passed(ask(OPENTSDB, target)) is reason


@pytest.mark.parametrize("method", ["DELETE", "PUT", "HEAD"])
def test_other_methods_pass(method: str) -> None:
    found = ask(OPENTSDB, "/api/query", method=method, body=json.dumps(BODY).encode(), headers=JSON)
    assert passed(found) is Reason.ROUTE


def test_what_grafana_7_sends_has_no_end() -> None:
    assert passed(recorded(OPENTSDB, "g755_ui_other__POST_api_query")) is Reason.NOW


def test_what_shares_a_key_and_what_never_does() -> None:
    spaced = json.dumps(BODY, indent=2).encode()
    assert call(OPENTSDB, "/api/query", method="POST", body=spaced, headers=JSON).parts == post(BODY).parts
    asked = [
        post(BODY),
        post(BODY, "/api/query?arrays=true"),
        post({**BODY, "end": 1700003601}),
        post({**BODY, "showQuery": True}),
        post({**BODY, "queries": [*QUERIES, {"metric": "b"}]}),
        post({**BODY, "queries": [{"metric": "b"}, *QUERIES]}),
        post({**BODY, "end": 9007199254740992}),
        post({**BODY, "end": 9007199254740993}),
        call(OPENTSDB, f"/api/query?{SPAN}&m=a&m=b"),
        call(OPENTSDB, f"/api/query?{SPAN}&m=b&m=a"),
    ]
    assert len({found.parts for found in asked}) == len(asked)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'[{"metric": "cpu", "tags": {}, "dps": {"1700000000": 1}}]', None),
        (b"[]", None),
        (b'[{"metric": "cpu", "dps": {"1": NaN}}]', None),
        (b'{"outputs": [], "query": {}}', None),
        (b'{"error": {"code": 400, "message": "no"}}', Reason.ERROR_IN_BODY),
        (b'[{"metric": "cpu"}, {"error": {"code": 500}}]', Reason.ERROR_IN_BODY),
        (b'[{"metric": "cpu", "partial": true}]', Reason.PARTIAL),
        (b'[{"metric": "cpu"', Reason.MALFORMED),
        (b"<html>", Reason.MALFORMED),
        (b'"x"', Reason.MALFORMED),
    ],
)
def test_judge(body: bytes, reason: Reason | None) -> None:
    assert post(BODY).judge(answer(body)) is reason
