import pytest

from proxy.core.model import Kind, Reason
from proxy.dialects.zipkin import ZIPKIN

from .asking import answer, ask, call, passed


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("/api/v2/trace/5af7183fb1d4cf5f", Kind.QUERY),
        ("/api/v2/services", Kind.RESOURCE),
        ("/api/v2/spans?serviceName=shop", Kind.RESOURCE),
        ("/api/v2/traces?serviceName=shop&spanName=get&endTs=1700003600000&lookback=3600000", Kind.RESOURCE),
    ],
)
def test_reads(target: str, kind: Kind) -> None:
    asked = call(ZIPKIN, target)
    assert asked.kind is kind
    assert asked.judge(answer(b"[]")) is None
    assert asked.judge(answer(b"{}")) is Reason.MALFORMED
    assert asked.judge(answer(b"[")) is Reason.MALFORMED


@pytest.mark.parametrize(
    ("method", "target", "reason"),
    [
        ("GET", "/api/v2/traces?serviceName=shop", Reason.NOW),
        ("GET", "/api/v2/traces?serviceName=shop&endTs=now", Reason.NOW),
        ("GET", "/api/v2/spans?serviceName=a&serviceName=b", Reason.PARAMETER),
        ("POST", "/api/v2/spans", Reason.ROUTE),
        ("GET", "/health", Reason.HEALTH),
        ("GET", "/metrics", Reason.ROUTE),
        ("GET", "/api/v1/services", Reason.ROUTE),
    ],
)
def test_passed(method: str, target: str, reason: Reason) -> None:
    assert passed(ask(ZIPKIN, target, method=method)) is reason
