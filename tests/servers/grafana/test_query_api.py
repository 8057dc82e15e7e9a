"""Queries: validation, statuses, and what an answer says."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from .server import Grafana, Reply, basic, cookie

_PROM = {"type": "prometheus", "uid": "prom"}


def body(*queries: dict[str, Any], **more: Any) -> dict[str, Any]:
    asked = [{"refId": "A", "datasource": _PROM, "expr": "up"} | query for query in queries or ({},)]
    return {"queries": asked, "from": "1000", "to": "2000"} | more


def ask(grafana: Grafana, content: object, login: str = "viewer", path: str = "/api/ds/query", **headers: str) -> Reply:
    return grafana.ask("POST", path, headers=basic(login) | headers, body=content)


def row(reply: Reply, ref_id: str = "A") -> dict[str, Any]:
    """Of the first frame, by the names of its fields."""
    frame = reply.json["results"][ref_id]["frames"][0]
    names = [field["name"] for field in frame["schema"]["fields"]]
    return dict(zip(names, (values[0] for values in frame["data"]["values"]), strict=True))


def test_the_answer_says_who_asked_what(grafana: Grafana) -> None:
    first = row(ask(grafana, body({"refId": "who"}), login="editor2"), "who")
    assert first | {"org": 2, "user": "editor2", "uid": "prom", "text": "up", "from": "1000", "to": "2000"} == first
    assert (first["version"], first["maxDataPoints"], first["intervalMs"], first["time"]) == (1, 100, 1000, 1000)
    again = row(ask(grafana, body({"refId": "who"}), login="editor2"), "who")
    assert again["execution"] == first["execution"] + 1 == grafana.executions("prom", "who", org_id=2)


def test_the_body_is_as_go_writes_it(grafana: Grafana) -> None:
    reply = ask(grafana, body({"refId": "B", "expr": "a<b&c"}, {"refId": "A"}))
    assert reply.body.startswith(
        b'{"results":{"A":{"status":200,"frames":[{"schema":{"refId":"A","meta":{"type":"table",'
    )
    assert b'"a\\u003cb\\u0026c"' in reply.body
    assert reply.body.endswith(b"}}\n")
    assert (reply.header("Content-Type"), reply.header("Cache-Control")) == ("application/json", "no-store")


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        (b"{", 400, "bad request data"),
        ([], 400, "bad request data"),
        ({"queries": "no"}, 400, "bad request data"),
        ({}, 400, "No queries found"),
        (body({"datasource": None}), 400, "Query does not contain a valid data source identifier"),
        (body({"datasource": {"uid": "none"}}), 404, "Data source not found"),
        (body({}, {"datasource": {"uid": "-- Mixed --"}}), 404, "Data source not found"),
        (body({"datasource": {"uid": "mysql-2"}}), 404, "Data source not found"),
    ],
)
def test_what_is_no_query(grafana: Grafana, content: object, status: int, message: str) -> None:
    reply = ask(grafana, content)
    assert (reply.status, reply.json["message"]) == (status, message)


def test_the_content_type_must_be_json(grafana: Grafana) -> None:
    reply = ask(grafana, json.dumps(body()).encode(), **{"Content-Type": "text/plain"})
    assert (reply.status, reply.json) == (400, {"message": "bad request data"})


@pytest.mark.parametrize(
    "reference", [{"datasource": "prom"}, {"datasource": None, "datasourceId": 1}, {"datasource": {"uid": "grafana"}}]
)
def test_the_other_ways_to_name_a_source(grafana: Grafana, reference: dict[str, Any]) -> None:
    assert row(ask(grafana, body(reference)))["uid"] in ("prom", "grafana")


def test_a_failed_refid_makes_it_a_400_with_results(grafana: Grafana) -> None:
    reply = ask(grafana, body({}, {"refId": "B", "fail": "no such table", "failStatus": 500}))
    assert reply.status == 400
    assert reply.json["results"]["B"] == {"error": "no such table", "errorSource": "downstream", "status": 500}
    assert row(reply)["text"] == "up"


def test_or_a_207() -> None:
    with Grafana(multi_status=True) as server:
        assert ask(server, body({}, {"refId": "B", "fail": "no"})).status == 207


def test_sources_are_mixed_in_one_request(grafana: Grafana) -> None:
    reply = ask(grafana, body({}, {"refId": "B", "datasource": {"uid": "mysql"}, "rawSql": "SELECT 1"}))
    assert (row(reply)["uid"], row(reply, "B")["uid"], row(reply, "B")["text"]) == ("prom", "mysql", "SELECT 1")


def test_the_fields_for_the_tests(grafana: Grafana) -> None:
    query = {"channel": "ds/prom/x", "asyncStatus": "running", "notice": "careful", "kilobytes": 60, "series": 2}
    reply = ask(grafana, body(query))
    frames = reply.json["results"]["A"]["frames"]
    meta = frames[0]["schema"]["meta"]
    assert (meta["channel"], meta["custom"]["status"]) == ("ds/prom/x", "running")
    assert meta["notices"] == [{"severity": "warning", "text": "careful"}]
    assert len(frames) == 2
    assert len(row(reply)["pad"]) == 60 * 1024


def expression(ref_id: str, kind: str, text: str, **more: Any) -> dict[str, Any]:
    source = {"type": "__expr__", "uid": "__expr__"}
    return {"refId": ref_id, "datasource": source, "type": kind, "expression": text, **more}


def value(reply: Reply, ref_id: str) -> float:
    return float(reply.json["results"][ref_id]["frames"][0]["data"]["values"][0][0])


def test_expressions_are_of_what_they_name(grafana: Grafana) -> None:
    source = {"refId": "S", "hide": True}
    reply = ask(grafana, body(expression("C", "math", "$B * 2 + ${B}"), expression("B", "reduce", "S"), source))
    executions = grafana.executions("prom", "S")
    assert (value(reply, "B"), value(reply, "C")) == (executions, 3 * executions)
    assert list(reply.json["results"]) == ["B", "C"]  # the hidden one went


def test_an_expression_of_what_failed_or_is_not_there(grafana: Grafana) -> None:
    failed = ask(grafana, body({"fail": "no"}, expression("B", "reduce", "A")))
    assert (failed.status, failed.json["results"]["B"]["status"]) == (400, 400)
    assert ask(grafana, body({}, expression("B", "reduce", "X"))).json["messageId"] == "sse.dependencyNotFound"
    assert ask(grafana, body(expression("B", "math", "$C"), expression("C", "math", "$B"))).status == 400


def test_times_in_the_query_count_with_the_header_alone(grafana: Grafana) -> None:
    content = body({"timeRange": {"from": "5", "to": "6"}})
    assert row(ask(grafana, content))["from"] == "1000"
    assert row(ask(grafana, content, **{"X-Query-V2": "true"}))["from"] == "5"


def test_a_query_waits_at_its_gate(grafana: Grafana) -> None:
    before = grafana.executions("prom", "slow")
    with ThreadPoolExecutor() as pool, grafana.closed_gate("g") as open_gate:
        waiting = pool.submit(ask, grafana, body({"refId": "slow", "gate": "g"}))
        grafana.wait_for("g")
        assert grafana.executions("prom", "slow") == before + 1
        assert not waiting.done()
        open_gate()
        assert waiting.result().status == 200
    assert ask(grafana, body({"gate": "g"})).status == 200


def test_what_of_the_caller_reaches_the_source(grafana: Grafana) -> None:
    oauth = row(ask(grafana, body({"datasource": {"uid": "oauth"}})))
    assert oauth["forwarded"] == "Authorization=Bearer oauth-of-viewer"
    login = cookie(grafana.log_in("viewer"))["Cookie"]
    kept = ask(grafana, body({"datasource": {"uid": "cookies"}}), Cookie=f"{login}; tenant=a; other=b")
    assert row(kept)["forwarded"] == "Cookie=tenant=a"
    assert row(ask(grafana, body(), Cookie="tenant=a", FromAlert="true"))["headers"] == "FromAlert=true"


_SERVICE = "/apis/query.grafana.app/v0alpha1/namespaces/default/query"


@pytest.mark.parametrize(
    ("path", "login", "status"),
    [
        (_SERVICE, "viewer", 200),
        (f"{_SERVICE}/name", "viewer", 200),
        ("/apis/datasource.grafana.app/v0alpha1/namespaces/default/query", "viewer", 200),
        ("/apis/prometheus.datasource.grafana.app/v0alpha1/namespaces/default/datasources/prom/query", "viewer", 200),
        ("/apis/query.grafana.app/v0alpha1/namespaces/org-2/query", "viewer2", 200),
        ("/apis/query.grafana.app/v0alpha1/namespaces/org-2/query", "viewer", 403),
        (_SERVICE, "nobody", 403),
        ("/apis/other.grafana.app/v0alpha1/namespaces/default/query", "viewer", 404),
    ],
)
def test_the_query_service_answers_the_same(grafana: Grafana, path: str, login: str, status: int) -> None:
    reply = ask(grafana, body(), login=login, path=path)
    assert reply.status == status
    if status == 200:
        assert row(reply)["user"] == login
    if status == 403:
        assert (reply.json["kind"], reply.json["code"]) == ("Status", 403)


def test_the_query_service_tells_failures_by_207(grafana: Grafana) -> None:
    assert ask(grafana, body({"fail": "no"}), path=_SERVICE).status == 207
    unsigned = grafana.ask("POST", _SERVICE, body=body())
    assert (unsigned.status, unsigned.json["reason"]) == (401, "Unauthorized")


def test_what_it_was_asked_can_be_read(grafana: Grafana) -> None:
    grafana.forget()
    ask(grafana, body(), **{"X-PANEL-Id": "2"})
    (seen,) = grafana.requests
    assert (seen["method"], seen["target"]) == ("POST", "/api/ds/query")
    assert ["X-PANEL-Id", "2"] in seen["headers"]
    assert grafana.all_executions == {"1/prom/A": 1}
