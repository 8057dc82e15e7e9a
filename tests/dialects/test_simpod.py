import json

import pytest

from proxy.core.model import Kind, Reason
from proxy.dialects.simpod import SIMPOD

from .asking import answer, ask, call, passed

JSON = {"Content-Type": "application/json;charset=UTF-8"}

QUERY: dict[str, object] = {
    "app": "dashboard",
    "requestId": "Q100",
    "timezone": "browser",
    "panelId": 2,
    "dashboardUID": "abc",
    "range": {
        "from": "2024-01-01T00:00:00Z",
        "to": "2024-01-01T01:00:00Z",
        "raw": {"from": "now-1h", "to": "now"},
    },
    "rangeRaw": {"from": "now-1h", "to": "now"},
    "interval": "15s",
    "intervalMs": 15000,
    "maxDataPoints": 700,
    "targets": [{"refId": "A", "target": "cpu", "payload": {"host": "a"}}],
    "scopedVars": {"host": {"text": "a", "value": "a"}},
    "startTime": 1704070800000,
}


def parts(**changed: object) -> tuple[bytes, ...]:
    body = json.dumps({**QUERY, **changed}).encode()
    return call(SIMPOD, "/query", method="POST", body=body, headers=JSON).parts


@pytest.mark.parametrize(
    "changed",
    [
        {"requestId": "Q101"},
        {"panelId": 3},
        {"dashboardId": 5},
        {"dashboardUID": "other"},
        {"app": "explore"},
        {"startTime": 1704070860000},
        {"rangeRaw": {"from": "now-2h", "to": "now-1h"}},
        {"range": {"from": "2024-01-01T00:00:00Z", "to": "2024-01-01T01:00:00Z"}},
    ],
)
def test_who_asks_and_when_is_noise(changed: dict[str, object]) -> None:
    assert parts(**changed) == parts()


@pytest.mark.parametrize(
    "changed",
    [
        {"range": {"from": "2024-01-01T00:00:00Z", "to": "2024-01-01T02:00:00Z"}},
        {"intervalMs": 30000},
        {"maxDataPoints": 701},
        {"targets": []},
        {"targets": [{"refId": "A", "target": "cpu", "payload": {"host": "a", "requestId": 1}}]},
        {"scopedVars": {"host": {"text": "b", "value": "b"}}},
        {"timezone": "utc"},
        {"adhocFilters": [{"key": "a", "operator": "=", "value": "b"}]},
        {"unknown": 1},
        {"maxDataPoints": 700.0},
        {"range": {"from": "2024-01-01T00:00:00Z", "to": "2024-01-01T01:00:00Z", "step": 1}},
    ],
)
def test_what_is_asked_is_not(changed: dict[str, object]) -> None:
    assert parts(**changed) != parts()


@pytest.mark.parametrize(
    ("one", "other"),
    [(b"9007199254740992", b"9007199254740993"), (b"0.1", b"0.10000000000000001"), (b"1e400", b"2e400")],
)
def test_numbers_beyond_a_double_are_told_apart(one: bytes, other: bytes) -> None:
    asked = {
        call(SIMPOD, "/query", method="POST", body=b'{"targets": [{"payload": %b}]}' % number, headers=JSON).parts
        for number in (one, other)
    }
    assert len(asked) == 2


@pytest.mark.parametrize(
    "span", [{"from": "now-1h", "to": "now"}, {"from": "2024-01-01T00:00:00Z", "to": "now"}, {"from": "-1h", "to": 5}]
)
def test_a_relative_range_passes(span: dict[str, object]) -> None:
    body = json.dumps({**QUERY, "range": span}).encode()
    assert passed(ask(SIMPOD, "/query", method="POST", body=body, headers=JSON)) is Reason.NOW


def test_the_order_of_keys_does_not_count() -> None:
    body = json.dumps(dict(reversed(QUERY.items())), indent=1).encode()
    assert call(SIMPOD, "/query", method="POST", body=body, headers=JSON).parts == parts()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/query", Kind.QUERY),
        ("/annotations", Kind.QUERY),
        ("/metrics", Kind.RESOURCE),
        ("/metric-payload-options", Kind.RESOURCE),
        ("/variable", Kind.RESOURCE),
        ("/tag-keys", Kind.RESOURCE),
        ("/tag-values", Kind.RESOURCE),
        ("/search", Kind.RESOURCE),
    ],
)
def test_routes(path: str, kind: Kind) -> None:
    asked = call(SIMPOD, path, method="POST", body=b"{}", headers=JSON)
    assert asked.kind is kind
    assert asked.judge(answer(b"[]")) is None
    assert asked.judge(answer(b"[")) is Reason.MALFORMED


@pytest.mark.parametrize(
    ("method", "path", "reason"),
    [
        ("GET", "/", Reason.HEALTH),
        ("GET", "/query", Reason.ROUTE),
        ("PUT", "/query", Reason.ROUTE),
        ("POST", "/other", Reason.ROUTE),
        ("POST", "/", Reason.ROUTE),
    ],
)
def test_everything_else_is_passed(method: str, path: str, reason: Reason) -> None:
    assert passed(ask(SIMPOD, path, method=method, body=b"{}", headers=JSON)) is reason


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"a": NaN}', b'{"a": 1, "a": 2}', b'{"x": {"a": 1, "a": 1}}', b"[" * 100_000, "{}".encode("utf-16")],
)
def test_a_body_that_parsers_read_differently_is_passed(body: bytes) -> None:
    assert passed(ask(SIMPOD, "/query", method="POST", body=body, headers=JSON)) is Reason.BODY


def test_another_content_type_is_passed() -> None:
    found = ask(SIMPOD, "/query", method="POST", body=b"{}", headers={"Content-Type": "text/plain"})
    assert passed(found) is Reason.CONTENT_TYPE
