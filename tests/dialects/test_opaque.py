import pytest

from proxy.core.model import Kind, Reason
from proxy.dialects.opaque import OPAQUE

from .asking import answer, ask, call, passed


def test_the_same_request_has_the_same_parts() -> None:
    headers = {"Accept": "text/csv"}
    first, second = (call(OPAQUE, "/any/thing?b=1&a=2", headers=headers) for _ in range(2))
    assert first.kind is Kind.QUERY
    assert first.parts == second.parts
    assert first.judge(answer(b"anything", "text/plain")) is None


@pytest.mark.parametrize(
    ("target", "accept"),
    [("/x?a=2&b=1", "*/*"), ("/x?b=1&a=%32", "*/*"), ("/x?b=1&a=2&", "*/*"), ("/x?b=1&a=2", "text/csv")],
)
def test_any_other_spelling_is_another_request(target: str, accept: str) -> None:
    asked = call(OPAQUE, "/x?b=1&a=2", headers={"Accept": "*/*"})
    assert call(OPAQUE, target, headers={"Accept": accept}).parts != asked.parts


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
def test_only_get(method: str) -> None:
    assert passed(ask(OPAQUE, "/x", method=method)) is Reason.ROUTE


def test_a_get_with_a_body_is_not_understood() -> None:
    assert passed(ask(OPAQUE, "/x", body=b"{}")) is Reason.BODY


@pytest.mark.parametrize(
    "path",
    [
        "/-/reload",
        "/-/quit",
        "/api/v1/admin/tsdb/delete_series",
        "/prometheus/api/v1/admin/tsdb/snapshot",
        "/tags/delSeries",
        "/snapshot/create",
        "/internal/force_flush",
        "/flush",
        "/ingester/shutdown",
        "/ingester/prepare_shutdown",
        "/api/dropcaches",
        "/%66lush",
        "/FLUSH",
        "/snapshot%2Fcreate",
        "/api%2Fdropcaches",
        "/x%2F-%2Freload",
        "/flush;x=1",
        "/fl%75sh/%zz",
        "//flush",
    ],
)
def test_gets_that_act_are_passed(path: str) -> None:
    assert passed(ask(OPAQUE, path)) is Reason.ROUTE


@pytest.mark.parametrize("path", ["/", "/flushed", "/api/administrators", "/a-b/c", "/a%2Fb", "/admins"])
def test_names_that_only_look_alike_are_kept(path: str) -> None:
    call(OPAQUE, path)
