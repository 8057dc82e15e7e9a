import pytest

from proxy.core.model import Call, Kind, Reason
from proxy.dialects.graphite import GRAPHITE

from .asking import FORM, answer, ask, call, passed, recorded

SPAN = "from=1700000000&until=1700003600"
RENDER = f"target=a.*.c&target=b&{SPAN}&format=json&maxDataPoints=700"


def post(body: str, target: str = "/render") -> Call:
    return call(GRAPHITE, target, method="POST", body=body.encode(), headers={"Content-Type": FORM})


@pytest.mark.parametrize(
    ("target", "kind", "cap_ms"),
    [
        (f"/render?{RENDER}", Kind.QUERY, None),
        (f"/render/?{RENDER}", Kind.QUERY, None),
        ("/render?target=a&format=json&from=00:00_20240101&until=12:30_20240101", Kind.QUERY, None),
        (f"/render?{RENDER}&cacheTimeout=60", Kind.QUERY, 60_000),
        (f"/render?{RENDER}&cacheTimeout=0", Kind.QUERY, 0),
        ("/metrics/find?query=a.*", Kind.RESOURCE, None),
        (f"/metrics/find?query=a.*&{SPAN}", Kind.RESOURCE, None),
        ("/metrics/expand?query=a.*&query=b.*", Kind.RESOURCE, None),
        ("/functions", Kind.RESOURCE, None),
        ("/functions/sum?pretty=1", Kind.RESOURCE, None),
        ("/tags", Kind.RESOURCE, None),
        ("/tags/host?filter=a", Kind.RESOURCE, None),
        ("/tags/autoComplete/tags?expr=a%3Db&expr=c%3Dd&limit=100", Kind.RESOURCE, None),
        ("/tags/autoComplete/values?tag=host&valuePrefix=a", Kind.RESOURCE, None),
        ("/tags/findSeries?expr=name%3Da", Kind.RESOURCE, None),
        ("/version", Kind.RESOURCE, None),
        (f"/events/get_data?tags=deploy&{SPAN}", Kind.RESOURCE, 10_000),
    ],
)
def test_reads(target: str, kind: Kind, cap_ms: int | None) -> None:
    found = call(GRAPHITE, target)
    assert (found.kind, found.ttl_cap_ms) == (kind, cap_ms)


def test_get_and_post_share() -> None:
    assert post(RENDER).parts == call(GRAPHITE, f"/render?{RENDER}").parts
    assert post(f"format=json&{SPAN}&maxDataPoints=700&target=a.*.c&target=b").parts == post(RENDER).parts
    assert post("query=a.*", f"/metrics/find?{SPAN}").parts == call(GRAPHITE, f"/metrics/find?query=a.*&{SPAN}").parts


def test_what_never_shares() -> None:
    asked = [
        RENDER,
        RENDER.replace("target=a.*.c&target=b", "target=b&target=a.*.c"),
        RENDER.replace("&target=b", ""),
        RENDER.replace("700", "701"),
        RENDER.replace("1700003600", "1700003601"),
        f"{RENDER}&tz=Europe/Berlin",
        f"{RENDER}&meta=true",
        f"{RENDER}&unknown=1",
    ]
    assert len({post(body).parts for body in asked}) == len(asked)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/render?target=a&format=json", Reason.NOW),
        ("/render?target=a&format=json&from=-1h&until=now", Reason.NOW),
        ("/render?target=a&format=json&from=1700000000", Reason.NOW),
        ("/render?target=a&format=json&from=1700000000&until=now", Reason.NOW),
        ("/render?target=a&format=json&from=20240101&until=20240102", Reason.NOW),
        (
            "/render?target=a&format=json&from=1700000000&until=%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1",
            Reason.NOW,
        ),
        ("/render?target=a&format=json&from=0&until=9", Reason.NOW),  # some servers take the default for these
        (f"/render?target=timeSlice(a,'-7d')&format=json&{SPAN}", Reason.NOW),
        (f"/render?target=randomWalk('a')&format=json&{SPAN}", Reason.NOW),
        ("/metrics/find?query=a&from=-1h", Reason.NOW),
        ("/events/get_data?from=-1h&until=now", Reason.NOW),
        (f"/render?{RENDER}&noCache=true", Reason.NO_STORE),
        (f"/render?{RENDER}&noCache", Reason.NO_STORE),
        (f"/render?target=a&{SPAN}", Reason.CONTENT_TYPE),
        (f"/render?target=a&{SPAN}&format=png", Reason.CONTENT_TYPE),
        (f"/render?target=a&{SPAN}&format=json&format=png", Reason.CONTENT_TYPE),
        (f"/render?{RENDER}&from=1600000000", Reason.PARAMETER),
        (f"/render?{RENDER}&jsonp=x", Reason.PARAMETER),
        (f"/render?{RENDER}&cacheTimeout=-1", Reason.PARAMETER),
        (f"/render?{RENDER};x=1", Reason.PARAMETER),
        (f"/render?target=constantLine(100)&format=json&{SPAN}", Reason.HEALTH),
        ("/events/", Reason.ROUTE),
        ("/tags/tagSeries", Reason.ROUTE),
        ("/tags/tagMultiSeries?path=a", Reason.ROUTE),
        ("/tags/delSeries?path=a", Reason.ROUTE),
        ("/tags/%64elSeries?path=a", Reason.ROUTE),
        ("/tags/%2FdelSeries?path=a", Reason.ROUTE),
        ("/dashboard/save/x", Reason.ROUTE),
        ("/composer", Reason.ROUTE),
    ],
)
def test_passed(target: str, reason: Reason) -> None:
    assert passed(ask(GRAPHITE, target)) is reason


@pytest.mark.parametrize("target", ["/events/", "/tags/tagSeries", "/tags/delSeries", "/tags/host", "/functions"])
def test_posts_that_pass(target: str) -> None:
    found = ask(GRAPHITE, target, method="POST", body=b"path=a", headers={"Content-Type": FORM})
    assert passed(found) is Reason.ROUTE


def test_a_list_in_two_places_has_two_orders() -> None:
    found = ask(
        GRAPHITE,
        "/render?target=a",
        method="POST",
        body=f"target=b&format=json&{SPAN}".encode(),
        headers={"Content-Type": FORM},
    )
    assert passed(found) is Reason.PARAMETER


def test_what_grafana_7_sends() -> None:
    assert passed(recorded(GRAPHITE, "g755_ui_other__POST_render")) is Reason.NOW
    found = recorded(GRAPHITE, "g755_ui_other__POST_metrics_find")
    assert isinstance(found, Call)
    assert found.kind is Kind.RESOURCE


@pytest.mark.parametrize(
    ("target", "body", "reason"),
    [
        (f"/render?{RENDER}", b'[{"target": "a", "datapoints": [[null, 60], [1.5, 120]]}]', None),
        (f"/render?{RENDER}", b"[]", None),
        (f"/render?{RENDER}", b'[{"target": "a", "datapoints": [[1e9999, 60], [NaN, 120]]}]', None),
        (f"/render?{RENDER}", b'{"version": "v0.1", "meta": {}, "series": [{"target": "a", "datapoints": []}]}', None),
        (f"/render?{RENDER}", b'[{"target": "a"}]', Reason.MALFORMED),
        (f"/render?{RENDER}", b'{"error": "no"}', Reason.MALFORMED),
        (f"/render?{RENDER}", b'[{"target": "a", "datapoints": [[1', Reason.MALFORMED),
        (f"/render?{RENDER}", b"\x89PNG", Reason.MALFORMED),
        ("/functions", b'{"delay": {"default": Infinity}}', None),
        ("/functions", b"<html>", Reason.MALFORMED),
        ("/metrics/find?query=a", b'[{"text": "a", "leaf": 1}]', None),
        ("/version", b'"1.1.10"', None),
        ("/version", b"1.1.10", None),
        ("/version", b"\n<html>", Reason.MALFORMED),
    ],
)
def test_judge(target: str, body: bytes, reason: Reason | None) -> None:
    assert call(GRAPHITE, target).judge(answer(body)) is reason
