import pytest

from proxy.core.model import Kind, Reason
from proxy.dialects.jaeger import JAEGER

from .asking import answer, ask, call, passed

SPAN = "start=1700000000000000&end=1700003600000000"
V3 = "query.service_name=a&query.start_time_min=2024-01-01T00:00:00Z&query.start_time_max=2024-01-01T01:00:00.5Z"


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("/api/services", Kind.RESOURCE),
        ("/api/services/shop%2Ffront/operations", Kind.RESOURCE),
        ("/api/operations?service=shop&spanKind=server", Kind.RESOURCE),
        (
            f"/api/traces?service=shop&operation=%2Fcart&tags=%7B%7D&minDuration=1s&limit=20&{SPAN}",
            Kind.QUERY,
        ),
        ("/api/traces?traceID=a&traceID=b", Kind.QUERY),
        ("/api/traces/2f3e0cee77ae5dc9", Kind.QUERY),
        (f"/api/traces/2f3e0cee77ae5dc9?{SPAN}", Kind.QUERY),
        ("/api/dependencies?endTs=1700003600000&lookback=3600000", Kind.QUERY),
        ("/api/v3/services", Kind.RESOURCE),
        ("/api/v3/operations?service=shop", Kind.RESOURCE),
        (f"/api/v3/traces?{V3}", Kind.QUERY),
        ("/api/v3/traces/2f3e0cee77ae5dc9", Kind.QUERY),
    ],
)
def test_reads(target: str, kind: Kind) -> None:
    assert call(JAEGER, target).kind is kind


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/api/traces?service=shop", Reason.NOW),
        ("/api/traces?service=shop&start=1700000000000000", Reason.NOW),
        ("/api/traces?service=shop&end=1700000000000000", Reason.NOW),
        ("/api/traces?service=shop&lookback=1h", Reason.NOW),
        ("/api/dependencies?lookback=3600000", Reason.NOW),
        ("/api/v3/traces?query.service_name=shop&query.start_time_min=2024-01-01T00:00:00Z", Reason.NOW),
        (f"/api/traces?service=a&service=b&{SPAN}", Reason.PARAMETER),
        ("/api/sampling?service=shop", Reason.ROUTE),
        ("/api/metrics/calls?service=shop", Reason.ROUTE),
        ("/admin", Reason.ROUTE),
        ("/", Reason.ROUTE),
    ],
)
def test_passed(target: str, reason: Reason) -> None:
    assert passed(ask(JAEGER, target)) is reason


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD"])
def test_the_collector_is_never_kept(method: str) -> None:
    assert passed(ask(JAEGER, "/api/traces", method=method)) is Reason.ROUTE


def test_the_order_of_parameters_does_not_count_but_every_one_does() -> None:
    asked = call(JAEGER, f"/api/traces?service=shop&limit=20&{SPAN}").parts
    assert asked == call(JAEGER, f"/api/traces?{SPAN}&limit=20&service=shop").parts
    assert asked != call(JAEGER, f"/api/traces?service=shop&limit=21&{SPAN}").parts
    assert asked != call(JAEGER, f"/api/traces?service=shop&limit=20&unheard=1&{SPAN}").parts


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"data": [], "total": 0, "limit": 0, "offset": 0, "errors": null}', None),
        (b'{"data": [], "errors": []}', None),
        (b'{"data": null, "errors": [{"code": 404, "msg": "trace not found"}]}', Reason.ERROR_IN_BODY),
        (b'{"data": [{"traceID": "a"}], "errors": [{"msg": "one of two"}]}', Reason.ERROR_IN_BODY),
        (b'{"result": {"resourceSpans": []}}', None),
        (b'{"result": {}}\n{"result": {}}\n', None),
        (b'{"result": {}}\n{"error": {"message": "gone"}}\n', Reason.ERROR_IN_BODY),
        (b'{"result": {}}\n{"resu', Reason.MALFORMED),
        (b"[]", Reason.MALFORMED),
        (b"\n", Reason.MALFORMED),
        (b"<html>", Reason.MALFORMED),
    ],
)
def test_judge(body: bytes, reason: Reason | None) -> None:
    assert call(JAEGER, "/api/traces/2f3e").judge(answer(body)) is reason
