import pytest
from multidict import CIMultiDict

from proxy.core import policy
from proxy.core.headers import HeaderRules
from proxy.core.model import Kind, Reason


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, None),
        ({"X-Cache-Skip": "true"}, Reason.SKIP),
        ({"X-Cache-Skip": "True"}, None),
        ({"X-Cache-Skip": "1"}, None),
        ({"Cache-Control": "no-store"}, Reason.NO_STORE),
        ({"Cache-Control": "max-age=0, No-Cache"}, Reason.NO_STORE),
        ({"Cache-Control": "max-age=0"}, None),
        ({"FromAlert": "true"}, Reason.ALERT),
        ({"X-Rule-Uid": "u"}, Reason.ALERT),
        ({"X-Rule-Name": "n"}, Reason.ALERT),
        ({"Upgrade": "websocket"}, Reason.UPGRADE),
        ({"Accept": "text/event-stream"}, Reason.STREAM),
        ({"Accept": "Text/Event-Stream"}, Reason.STREAM),
        ({"Content-Type": "application/grpc+proto"}, Reason.STREAM),
        ({"Range": "bytes=0-1"}, Reason.CONDITIONAL),
        ({"If-None-Match": '"x"'}, Reason.CONDITIONAL),
        ({"Authorization": "AWS4-HMAC-SHA256 Credential=x"}, Reason.SIGNED),
        ({"Authorization": "Bearer x"}, None),
        ({"X-HTTP-Method-Override": "DELETE"}, Reason.METHOD),
        ({"x-http-method": "PUT"}, Reason.METHOD),
        ({"Content-Encoding": "gzip"}, Reason.BODY),
        ({"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}, None),
        ({"Content-Type": 'application/json; charset="utf-8"; x=y'}, None),
        ({"Content-Type": "application/x-www-form-urlencoded; charset=latin-1"}, Reason.CONTENT_TYPE),
        ({"Content-Type": "application/json; x=y; Charset = utf-16"}, Reason.CONTENT_TYPE),
        ({"Content-Type": "text/plain; charset=utf-8; charset=utf-7"}, Reason.CONTENT_TYPE),
    ],
)
def test_lookup_refusal(headers: dict[str, str], reason: Reason | None) -> None:
    assert policy.lookup_refusal(CIMultiDict(headers), "", honour_no_cache=True) is reason


def test_a_second_value_counts_too() -> None:
    def refusal(*headers: tuple[str, str]) -> Reason | None:
        return policy.lookup_refusal(CIMultiDict(headers), "", honour_no_cache=True)

    assert refusal(("Authorization", "Bearer x"), ("Authorization", "AWS4-HMAC-SHA256 x")) is Reason.SIGNED
    assert refusal(("Content-Type", "application/json"), ("Content-Type", "text/csv")) is Reason.CONTENT_TYPE


def test_no_cache_can_be_ignored_and_a_signed_query_is_seen() -> None:
    assert policy.lookup_refusal(CIMultiDict({"Cache-Control": "no-cache"}), "", honour_no_cache=False) is None
    assert policy.lookup_refusal(CIMultiDict(), "a=1&X-Amz-Signature=f", honour_no_cache=True) is Reason.SIGNED


@pytest.mark.parametrize(
    ("status", "headers", "reason"),
    [
        (200, {}, None),
        (200, {"Cache-Control": "public, max-age=60"}, None),
        (200, {"Set-Cookie": "a=1", "Cache-Control": "public"}, Reason.SET_COOKIE),
        (200, {"Cache-Control": "no-store"}, Reason.NO_STORE),
        (200, {"Cache-Control": "private, max-age=60"}, Reason.PRIVATE),
        (200, {"Vary": "*"}, Reason.VARY),
        (200, {"Vary": "User-Agent"}, Reason.VARY),
        (200, {"Content-Type": "text/event-stream; charset=utf-8"}, Reason.STREAM),
        (200, {"Content-Type": "Text/Event-Stream"}, Reason.STREAM),
        *[(status, {}, Reason.STATUS) for status in (201, 204, 206, 301, 304, 400, 401, 404, 429, 500, 503)],
    ],
)
def test_head_refusal(status: int, headers: dict[str, str], reason: Reason | None) -> None:
    assert policy.head_refusal(status, CIMultiDict(headers), HeaderRules()) is reason


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"Set-Cookie": "grafana_session=a", "Cache-Control": "no-store"}, None),
        ({"Cache-Control": "private, max-age=60"}, None),
        ({"Vary": "*"}, Reason.VARY),
        ({"Content-Type": "text/event-stream"}, Reason.STREAM),
    ],
)
def test_what_grafana_says_to_browsers_may_be_ignored(headers: dict[str, str], reason: Reason | None) -> None:
    ignored = frozenset((Reason.SET_COOKIE, Reason.NO_STORE, Reason.PRIVATE))
    assert policy.head_refusal(200, CIMultiDict(headers), HeaderRules(), ignored=ignored) is reason


@pytest.mark.parametrize(
    ("kind", "max_ttl_ms", "cap_ms", "expected"),
    [
        (Kind.QUERY, 0, None, 60_000),
        (Kind.RESOURCE, 0, None, 300_000),
        (Kind.RESOURCE, 120_000, None, 120_000),
        (Kind.RESOURCE, 0, 10_000, 10_000),
        (Kind.QUERY, 5_000, 10_000, 5_000),
    ],
)
def test_ttl(kind: Kind, max_ttl_ms: int, cap_ms: int | None, expected: int) -> None:
    ttl = policy.ttl_ms(
        kind=kind, ttl_queries_ms=60_000, ttl_resources_ms=300_000, max_ttl_ms=max_ttl_ms, cap_ms=cap_ms
    )
    assert ttl == expected


@pytest.mark.parametrize(
    ("age_ms", "stored_ttl_ms", "ttl_now_ms", "fresh"),
    [
        (59_999, 60_000, 60_000, True),
        (60_000, 60_000, 60_000, False),
        (60_000, 300_000, 5_000, False),  # shortened: at once
        (60_000, 5_000, 300_000, False),  # lengthened: revives nothing
        (4_999, 5_000, 300_000, True),
    ],
)
def test_freshness(age_ms: int, stored_ttl_ms: int, ttl_now_ms: int, fresh: bool) -> None:
    assert (policy.stale_ms(age_ms=age_ms, stored_ttl_ms=stored_ttl_ms, ttl_now_ms=ttl_now_ms) < 0) is fresh


@pytest.mark.parametrize(
    ("headers", "lifetime_ms"),
    [
        ({}, None),
        ({"Cache-Control": "max-age=60"}, 60_000),
        ({"Cache-Control": "max-age=60", "Age": "50"}, 10_000),
        ({"Cache-Control": "max-age=60", "Age": "90"}, 0),
        ({"Cache-Control": "max-age=60, s-maxage=5"}, 5_000),
        ({"Cache-Control": "max-age=x"}, 0),
        ({"Cache-Control": "no-cache, max-age=60"}, 0),
        ({"Expires": "Wed, 21 Oct 2026 07:28:30 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30_000),
        ({"Expires": "0"}, 0),
        ({"Cache-Control": "max-age=" + "9" * 5000}, 2**31 * 1000),
        ({"Cache-Control": "max-age=" + "0" * 5000 + "60"}, 60_000),
        ({"Cache-Control": "max-age=60", "Age": "9" * 5000}, 0),
        ({"Expires": "Wed, 21 Oct 99999999999 07:28:30 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0),
        ({"Expires": "Wed, 21 Oct 2026 07:28:30 +99999999999999999999", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0),
    ],
)
def test_http_lifetime(headers: dict[str, str], lifetime_ms: int | None) -> None:
    assert policy.lifetime_ms(CIMultiDict(headers)) == lifetime_ms
