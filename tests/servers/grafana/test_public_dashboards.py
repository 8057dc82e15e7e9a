"""A public dashboard: what it shows and what it runs, for nobody in particular."""

import pytest

from .server import Grafana

_TOKEN = "0123456789abcdef" * 2
_TARGET = {"refId": "A", "datasource": {"type": "prometheus", "uid": "prom"}, "expr": "secret"}
_ASKED = {"intervalMs": 1000, "maxDataPoints": 50, "timeRange": {"from": "1000", "to": "2000", "timezone": "utc"}}


@pytest.fixture
def published(grafana: Grafana) -> Grafana:
    hidden = _TARGET | {"refId": "B", "hide": True}
    grafana.publish(_TOKEN, {1: [_TARGET, hidden], 2: [_TARGET | {"fail": "no"}]}, org_id=2)
    return grafana


def test_it_shows_sources_and_no_queries(published: Grafana) -> None:
    reply = published.ask("GET", f"/api/public/dashboards/{_TOKEN}")
    panel = reply.json["dashboard"]["panels"][0]
    assert (panel["id"], panel["datasource"]["uid"], panel["targets"][0]["refId"]) == (1, "prom", "A")
    assert b"secret" not in reply.body
    assert reply.json["meta"]["publicDashboardEnabled"] is True


def test_it_runs_the_panels_queries_in_its_org(published: Grafana) -> None:
    reply = published.ask("POST", f"/api/public/dashboards/{_TOKEN}/panels/1/query", body=_ASKED)
    assert (reply.status, list(reply.json["results"])) == (200, ["A"])
    frame = reply.json["results"]["A"]["frames"][0]
    named = zip((field["name"] for field in frame["schema"]["fields"]), frame["data"]["values"], strict=True)
    row = {name: values[0] for name, values in named}
    asked = {"org": 2, "user": "public", "text": "secret", "from": "1000", "maxDataPoints": 50}
    assert row | asked == row
    failing = published.ask("POST", f"/api/public/dashboards/{_TOKEN}/panels/2/query", body=_ASKED)
    assert (failing.status, failing.json["results"]["A"]["error"]) == (400, "no")


@pytest.mark.parametrize(
    ("path", "status", "message_id"),
    [
        ("short", 400, "invalidAccessToken"),
        ("f" * 32, 404, "notFound"),
        (f"{_TOKEN}/panels/9/query", 404, "panelNotFound"),
        (f"{_TOKEN}/panels/x/query", 400, "invalidPanelId"),
    ],
)
def test_what_is_not_there(published: Grafana, path: str, status: int, message_id: str) -> None:
    method = "POST" if "query" in path else "GET"
    reply = published.ask(method, f"/api/public/dashboards/{path}", body=_ASKED if method == "POST" else None)
    assert (reply.status, reply.json["messageId"]) == (status, f"publicdashboards.{message_id}")


def test_one_that_is_paused_runs_nothing(published: Grafana) -> None:
    published.publish(_TOKEN, {1: [_TARGET]}, enabled=False)
    published.forget()
    assert published.ask("GET", f"/api/public/dashboards/{_TOKEN}").status == 403
    reply = published.ask("POST", f"/api/public/dashboards/{_TOKEN}/panels/1/query", body=_ASKED)
    assert (reply.status, published.all_executions) == (403, {})


def test_its_permissions_are_its_own(published: Grafana) -> None:
    published.revoke("role:Viewer", "datasources:query", org_id=2)
    assert published.ask("POST", f"/api/public/dashboards/{_TOKEN}/panels/1/query", body=_ASKED).status == 200
