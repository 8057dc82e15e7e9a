import pytest

from proxy.core.model import Kind, Reason
from proxy.dialects.tempo import TEMPO

from .asking import answer, ask, call, passed

PROTOBUF = {"Accept": "application/protobuf"}
SPAN = "start=1700000000&end=1700003600"


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("/api/traces/2f3e0cee77ae5dc9c17ade3689eb2e54", Kind.QUERY),
        ("/api/v2/traces/2f3e0cee77ae5dc9c17ade3689eb2e54", Kind.QUERY),
        (f"/api/v2/traces/2f3e?{SPAN}", Kind.QUERY),
        (f"/api/search?q=%7B%7D&limit=20&spss=3&{SPAN}", Kind.QUERY),
        (f"/api/metrics/query_range?q=%7B%7D%7Crate()&step=15s&exemplars=100&{SPAN}", Kind.QUERY),
        ("/api/metrics/query?q=x&start=1700000000000000000&end=2023-11-14T23:00:00Z", Kind.QUERY),
        ("/api/search/tags", Kind.RESOURCE),
        (f"/api/v2/search/tags?scope=span&{SPAN}", Kind.RESOURCE),
        ("/api/search/tag/service.name/values", Kind.RESOURCE),
        ("/api/v2/search/tag/.service.name/values?q=%7B%7D&limit=5", Kind.RESOURCE),
        ("/api/status/buildinfo", Kind.RESOURCE),
    ],
)
def test_reads(target: str, kind: Kind) -> None:
    assert call(TEMPO, target).kind is kind


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/api/search?q=%7B%7D", Reason.NOW),
        ("/api/search?q=%7B%7D&start=1700000000", Reason.NOW),
        ("/api/search?q=%7B%7D&end=1700000000", Reason.NOW),
        ("/api/search?q=%7B%7D&start=&end=", Reason.NOW),
        ("/api/metrics/query_range?q=x&since=3h", Reason.NOW),
        (f"/api/metrics/query_range?q=x&since=3h&{SPAN}", Reason.NOW),
        ("/api/metrics/query?q=x", Reason.NOW),
        (f"/api/search?q=a&q=b&{SPAN}", Reason.PARAMETER),
        ("/api/echo", Reason.HEALTH),
        ("/api/overrides", Reason.ROUTE),
        ("/flush", Reason.ROUTE),
        ("/shutdown", Reason.ROUTE),
        ("/status/config", Reason.ROUTE),
        ("/ready", Reason.ROUTE),
        ("/metrics", Reason.ROUTE),
        ("/live-store/prepare-downscale", Reason.ROUTE),
        ("/querier/api/traces/2f3e", Reason.ROUTE),
        ("/api/traces/", Reason.ROUTE),
        ("/api/traces/2f3e/more", Reason.ROUTE),
    ],
)
def test_passed(target: str, reason: Reason) -> None:
    assert passed(ask(TEMPO, target)) is reason


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "HEAD"])
def test_only_get(method: str) -> None:
    assert passed(ask(TEMPO, "/api/traces/2f3e", method=method)) is Reason.ROUTE


def test_json_and_protobuf_are_two_answers() -> None:
    target = "/api/v2/traces/2f3e"
    plain = call(TEMPO, target).parts
    assert plain == call(TEMPO, target, headers={"Accept": "application/json, text/plain, */*"}).parts
    assert plain != call(TEMPO, target, headers=PROTOBUF).parts


@pytest.mark.parametrize(
    "accept",
    ["application/vnd.grafana.llm", "text/html", "application/x-protobuf", "application/protobuf, */*"],
)
def test_other_forms_are_passed(accept: str) -> None:
    found = ask(TEMPO, "/api/v2/traces/2f3e", headers={"Accept": accept})
    assert passed(found) is Reason.CONTENT_TYPE


def test_protobuf_is_for_traces_alone() -> None:
    assert passed(ask(TEMPO, f"/api/search?{SPAN}", headers=PROTOBUF)) is Reason.CONTENT_TYPE


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"trace": {}}', None),
        (b'{"trace": {}, "status": "COMPLETE"}', None),
        (b'{"trace": {}, "status": "PARTIAL", "message": "too large"}', Reason.PARTIAL),
        (b'{"trace": {}, "status": 1}', Reason.PARTIAL),
        (b"[]", Reason.MALFORMED),
        (b"trace not found", Reason.MALFORMED),
    ],
)
@pytest.mark.parametrize("target", ["/api/v2/traces/2f3e", f"/api/metrics/query_range?q=x&{SPAN}"])
def test_marks_in_json(target: str, body: bytes, reason: Reason | None) -> None:
    assert call(TEMPO, target).judge(answer(body)) is reason


@pytest.mark.parametrize(
    ("target", "body", "reason"),
    [
        ("/api/v2/traces/2f3e", b"\x0a\x02\x0a\x00", None),
        ("/api/v2/traces/2f3e", b"\x0a\x02\x0a\x00\x18\x00", None),
        ("/api/v2/traces/2f3e", b"\x0a\x02\x0a\x00\x18\x01\x22\x01x", Reason.PARTIAL),
        ("/api/v2/traces/2f3e", b"\x0a\x02\x18\x01", None),  # inside the trace
        ("/api/v2/traces/2f3e", b"\x0a\x09\x0a\x00", Reason.MALFORMED),
        ("/api/traces/2f3e", b"\x0a\x02\x0a\x00", None),
        ("/api/traces/2f3e", b"\x0a\x09\x0a\x00", Reason.MALFORMED),
    ],
)
def test_marks_in_protobuf(target: str, body: bytes, reason: Reason | None) -> None:
    asked = call(TEMPO, target, headers=PROTOBUF)
    assert asked.judge(answer(body, "application/protobuf")) is reason


@pytest.mark.parametrize(
    ("accept", "body", "content_type"),
    [
        ("application/json", b"\x0a\x02\x0a\x00", "application/protobuf"),
        ("application/json", b"{}", "application/vnd.grafana.llm"),
        ("application/protobuf", b"{}", "application/json"),
        ("application/protobuf", b"", "application/json"),
    ],
)
def test_another_form_than_the_one_asked_for_is_not_kept(accept: str, body: bytes, content_type: str) -> None:
    asked = call(TEMPO, "/api/v2/traces/2f3e", headers={"Accept": accept})
    assert asked.judge(answer(body, content_type)) is Reason.MALFORMED
