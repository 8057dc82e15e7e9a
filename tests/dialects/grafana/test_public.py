import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.model import Pass, Reason
from proxy.dialects.grafana.public import judge, read, read_dashboard

from ..asking import answer

NOW_MS = 1_700_000_047_000
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
T_MS = NOW_MS - NOW_MS % MINUTE_MS

# The query of a panel


def body(**more: object) -> dict[str, object]:
    absolute = {"from": str(T_MS - HOUR_MS), "to": str(T_MS), "timezone": "browser"}
    return {"intervalMs": MINUTE_MS, "maxDataPoints": 900, "queryCachingTTL": None, "timeRange": absolute} | more


def at(from_: object, to: object, **more: object) -> dict[str, object]:
    return body(timeRange={"from": from_, "to": to, "timezone": "browser"}, **more)


def parts(document: object, *, now_ms: int = NOW_MS, width_step: int = 0) -> tuple[bytes, ...]:
    found = read(json.dumps(document).encode(), now_ms=now_ms, width_step=width_step)
    assert not isinstance(found, Pass), found
    return found.parts


def reason(document: object) -> Reason:
    sent = document if isinstance(document, bytes) else json.dumps(document).encode()
    found = read(sent, now_ms=NOW_MS)
    assert isinstance(found, Pass), found
    return found.reason


def test_a_later_refresh_within_the_interval_is_the_same() -> None:
    def asked(ms: int) -> tuple[bytes, ...]:
        return parts(at(str(T_MS - HOUR_MS + ms), str(T_MS + ms)))

    assert asked(0) == asked(1) == asked(MINUTE_MS - 1) != asked(MINUTE_MS)


def test_order_of_keys_and_the_panels_ttl_are_nothing() -> None:
    assert parts(body()) == parts(dict(reversed(body().items())))
    assert parts(body()) == parts(body(queryCachingTTL=5000))
    assert parts({name: value for name, value in body().items() if name != "queryCachingTTL"}) == parts(body())


@pytest.mark.parametrize(
    "other",
    [
        body(intervalMs=2 * MINUTE_MS),
        body(maxDataPoints=901),
        at(str(T_MS - 2 * HOUR_MS), str(T_MS)),
        at("now-1h", "now"),
        at("", ""),
        body(timeRange={"from": str(T_MS - HOUR_MS), "to": str(T_MS), "timezone": "UTC"}),
        body(timeRange={"from": str(T_MS - HOUR_MS), "to": str(T_MS)}),
        body(timeRange=None),
        body(unknown=1),
    ],
)
def test_what_differs(other: dict[str, object]) -> None:
    assert parts(body()) != parts(other)


@pytest.mark.parametrize(
    "asked",
    [
        at("now-1h", "now"),
        at("", ""),
        body(timeRange=None),
        body(timeRange={}),
        {"intervalMs": MINUTE_MS, "maxDataPoints": 1},
    ],
)
def test_a_range_relative_to_now_moves_with_it(asked: dict[str, object]) -> None:
    assert parts(asked, now_ms=T_MS) == parts(asked, now_ms=T_MS + MINUTE_MS - 1)
    assert parts(asked, now_ms=T_MS) != parts(asked, now_ms=T_MS + MINUTE_MS)


def test_panels_of_about_one_width_may_share() -> None:
    widths = [parts(body(maxDataPoints=points), width_step=100) for points in (801, 900, 901)]
    assert widths[0] == widths[1] != widths[2]


@pytest.mark.parametrize(
    ("ttl", "expected"), [(None, None), (0, None), (-1, None), (60_000, 60_000), ("60000", None), (1.5, None)]
)
def test_the_panels_ttl(ttl: object, expected: int | None) -> None:
    found = read(json.dumps(body(queryCachingTTL=ttl)).encode(), now_ms=NOW_MS)
    assert not isinstance(found, Pass)
    assert found.panel_ttl_ms == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (b"", Reason.BODY),
        (b"{", Reason.BODY),
        ([], Reason.BODY),
        (b'{"intervalMs":1,"intervalMs":2,"maxDataPoints":1}', Reason.BODY),
        (body(INTERVALMS=5), Reason.BODY),
        (body(timeRange={"from": "now-1h", "to": "now", "From": "now-2h"}), Reason.BODY),
        (b'{"intervalMs":1,"maxDataPoints":1,"a":' + b"[" * 99_999 + b"]" * 99_999 + b"}", Reason.BODY),
        ({}, Reason.PARAMETER),
        (body(intervalMs=0), Reason.PARAMETER),
        (body(intervalMs=-5), Reason.PARAMETER),
        (body(intervalMs="60000"), Reason.PARAMETER),
        (body(intervalMs=True), Reason.PARAMETER),
        (body(maxDataPoints=None), Reason.PARAMETER),
        (body(timeRange=[]), Reason.PARAMETER),
        (at("now-1h", ""), Reason.PARAMETER),
        (at(1, 2), Reason.PARAMETER),
        (at("yesterday", "now"), Reason.PARAMETER),
        (at("now/d", "now"), Reason.PARAMETER),
        (at(str(NOW_MS + 1), str(NOW_MS + HOUR_MS)), Reason.NOW),
    ],
)
def test_what_is_not_kept(asked: object, expected: Reason) -> None:
    assert reason(asked) is expected


@given(
    st.binary(max_size=40)
    | st.dictionaries(st.text(max_size=4), st.text() | st.integers()).map(json.dumps).map(str.encode)
)
def test_any_body(sent: bytes) -> None:
    read(sent, now_ms=NOW_MS)
    judge(answer(sent))


def test_any_depth() -> None:
    """A body may be just shallow enough to be read, and too deep to be written back."""
    for depth in range(700, 1000):
        read(b'{"intervalMs":1,"maxDataPoints":1,"a":%b%b}' % (b"[" * depth, b"]" * depth), now_ms=NOW_MS)


# Its answer


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ({"results": {"A": {"status": 200, "frames": []}, "B": {"status": 200, "frames": []}}}, None),
        ({"results": {"A": {"status": 200, "frames": []}, "B": {"status": 500, "error": "no"}}}, Reason.ERROR_IN_BODY),
        ({"results": {"A": {"status": 200, "frames": [{"schema": {"meta": {"channel": "ds/x"}}}]}}}, Reason.STREAM),
        ({"results": {}}, Reason.EMPTY),
        ({"message": "no"}, Reason.MALFORMED),
        ([], Reason.MALFORMED),
    ],
)
def test_its_answer_is_judged_whatever_was_asked(results: object, expected: Reason | None) -> None:
    assert judge(answer(json.dumps(results).encode())) is expected


# The dashboard


def panels(*panels: dict[str, Any]) -> dict[int, frozenset[str]]:
    found = read_dashboard({"dashboard": {"version": 3, "schemaVersion": 39, "panels": list(panels)}, "meta": {}})
    assert found is not None
    assert found.version == 3
    return dict(found.panels)


def panel(number: int, source: object, *targets: dict[str, object]) -> dict[str, Any]:
    return {"id": number, "type": "timeseries", "datasource": source, "targets": list(targets)}


def on(uid: str) -> dict[str, object]:
    return {"datasource": {"type": "prometheus", "uid": uid}}


def test_panels_and_their_data_sources() -> None:
    found = panels(
        panel(1, {"uid": "u1"}, {"refId": "A"}, {"refId": "B"}),
        panel(2, {"uid": "-- Mixed --"}, on("u1"), on("u2"), on("__expr__")),
        {"id": 3, "type": "row", "collapsed": True, "panels": [panel(4, {"uid": "u9"}, on("u3"))]},
        {"id": 5, "type": "row", "collapsed": False, "panels": []},
        panel(6, {"uid": "u4"}, {"refId": "A", "hide": True}, on("u5")),
    )
    assert found == {1: {"u1"}, 2: {"u1", "u2"}, 4: {"u3"}, 6: {"u4", "u5"}}


@pytest.mark.parametrize(
    "unknown",
    [
        panel(1, None, {"refId": "A"}),
        panel(1, "Prometheus", {"refId": "A"}),
        panel(1, {"uid": "u1"}, {"datasource": None}),
        panel(1, {"uid": "u1"}, {"datasource": "Prometheus"}),
        panel(1, {"uid": "u1"}, {"datasource": {"type": "prometheus"}}),
        panel(1, {"uid": "u1"}, on("")),
        panel(1, {"uid": "u1"}, on("${ds}")),
        panel(1, {"uid": "u1"}, on("u1"), on("-- Dashboard --")),
        panel(1, {"uid": "u1"}, on("grafana")),
        panel(1, {"uid": "-- Mixed --"}, {"refId": "A"}),
        panel(1, {"uid": "u1"}),
        panel(1, {"uid": "u1"}, on("__expr__")),
        panel(1, {"uid": "u1"}, on("u1")) | {"libraryPanel": {"uid": "l"}},
        {"id": 1, "type": "text"},
        {"id": 1, "targets": ["A"], "datasource": {"uid": "u1"}},
        {"type": "row"},
        {"id": "1"},
    ],
)
def test_a_panel_that_is_not_certain_is_not_there(unknown: dict[str, Any]) -> None:
    assert panels(unknown, panel(2, {"uid": "u2"}, on("u2"))) == {2: {"u2"}}


@pytest.mark.parametrize("count", [2, 3])
def test_an_id_given_twice_is_not_certain(count: int) -> None:
    assert panels(*[panel(1, None, on(f"u{at}")) for at in range(count)]) == {}
    assert panels(panel(1, None, on("u1")), {"id": 1, "type": "text"}) == {}
    assert panels({"id": 1, "type": "text"}, panel(1, None, on("u1"))) == {}


def element(number: object, *queries: dict[str, object], kind: str = "Panel") -> dict[str, Any]:
    asked = [{"kind": "PanelQuery", "spec": {"refId": "A", "hidden": False, "query": query}} for query in queries]
    return {"kind": kind, "spec": {"id": number, "data": {"kind": "QueryGroup", "spec": {"queries": asked}}}}


def test_the_second_schema() -> None:
    elements = {
        "panel-1": element(1, {"kind": "DataQuery", "group": "loki", "datasource": {"name": "u1"}, "spec": {}}),
        "panel-2": element(2, {"group": "loki", "datasource": {"name": "u1"}, "spec": on("u2")}),
        "panel-3": element(3, {"group": "loki", "spec": {}}),
        "panel-4": element(4, {"datasource": {"name": "${ds}"}, "spec": {}}),
        "panel-5": element(5, kind="LibraryPanel"),
        "panel-6": element(6, {"group": "__expr__", "datasource": {"name": "__expr__"}, "spec": {}}),
    }
    found = read_dashboard({"dashboard": {"elements": elements}, "meta": {"version": 7}})
    assert found is not None
    assert found.version == 7
    assert found.panels == {1: {"u1"}, 2: {"u2"}}


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"message": "Dashboard not found"},
        {"dashboard": None},
        {"dashboard": {"panels": []}},
        {"dashboard": {"version": "3", "panels": []}},
        {"dashboard": {"version": True, "panels": []}},
        {"dashboard": {"version": 0, "panels": []}},
    ],
)
def test_a_document_of_another_shape(document: object) -> None:
    assert read_dashboard(document) is None


@pytest.mark.parametrize("panels", [None, {}, "", [None, 1, "x", []]])
def test_panels_of_another_shape(panels: object) -> None:
    found = read_dashboard({"dashboard": {"version": 1, "panels": panels}})
    assert found is not None
    assert dict(found.panels) == {}
