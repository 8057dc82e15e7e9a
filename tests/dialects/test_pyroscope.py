import pytest

from proxy.core.model import Call, Kind, Reason
from proxy.dialects.pyroscope import PYROSCOPE

from .asking import answer, ask, call, passed

SERVICE = "/querier.v1.QuerierService"


def select(body: bytes = b"\x0a\x03cpu", content_type: str = "application/proto", method: str = "SelectSeries") -> Call:
    return call(PYROSCOPE, f"{SERVICE}/{method}", method="POST", body=body, headers={"Content-Type": content_type})


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("SelectSeries", Kind.QUERY),
        ("SelectMergeStacktraces", Kind.QUERY),
        ("SelectMergeProfile", Kind.QUERY),
        ("SelectMergeSpanProfile", Kind.QUERY),
        ("ProfileTypes", Kind.RESOURCE),
        ("LabelNames", Kind.RESOURCE),
        ("LabelValues", Kind.RESOURCE),
        ("Series", Kind.RESOURCE),
    ],
)
def test_methods(method: str, kind: Kind) -> None:
    assert select(method=method).kind is kind


def test_the_body_and_its_media_type_are_the_key() -> None:
    assert select().parts == select().parts
    assert select().parts == select(content_type="Application/Proto").parts
    assert len({select().parts, select(body=b"\x0a\x03mem").parts, select(content_type="application/json").parts}) == 3


@pytest.mark.parametrize(
    "content_type",
    ["application/connect+proto", "application/grpc", "application/grpc-web+proto", "text/plain", ""],
)
def test_other_protocols_are_passed(content_type: str) -> None:
    found = ask(PYROSCOPE, f"{SERVICE}/SelectSeries", method="POST", headers={"Content-Type": content_type})
    assert passed(found) is Reason.CONTENT_TYPE


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{SERVICE}/SelectSeries"),
        ("POST", f"{SERVICE}/Unheard"),
        ("POST", "/querierXv1XQuerierService/SelectSeries"),
        ("POST", "/push.v1.PusherService/Push"),
        ("POST", "/ingest"),
        ("POST", "/settings.v1.SettingsService/Set"),
    ],
)
def test_everything_else_is_passed(method: str, path: str) -> None:
    found = ask(PYROSCOPE, path, method=method, headers={"Content-Type": "application/proto"})
    assert passed(found) is Reason.ROUTE


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b'{"series": []}', "application/json", None),
        (b"{", "application/json", Reason.MALFORMED),
        (b"\x0a\x03cpu", "application/proto", None),
        (b"\x0a\x03cp", "application/proto", Reason.MALFORMED),
        (b"<html>", "text/html", Reason.MALFORMED),
    ],
)
def test_judge(body: bytes, content_type: str, reason: Reason | None) -> None:
    assert select().judge(answer(body, content_type)) is reason


def test_the_clients_timeout_is_noise() -> None:
    assert "connect-timeout-ms" in PYROSCOPE.noise
