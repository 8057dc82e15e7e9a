"""Resources by each of their paths."""

import pytest

from .server import Grafana, basic

_VIEWER = basic("viewer")
_SERVICE = "/apis/prometheus.datasource.grafana.app/v0alpha1/namespaces/default/datasources/prom/resources"


@pytest.mark.parametrize("root", ["/api/datasources/uid/prom/resources", "/api/datasources/1/resources", _SERVICE])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_call_says_who_asked_what(grafana: Grafana, root: str, method: str) -> None:
    for call in (1, 2):
        body = b"match=up" if method == "POST" else None
        reply = grafana.ask(method, f"{root}/api/v1/labels?start=1&a=%2F", headers=_VIEWER, body=body)
        told = {"call": call, "org": 1, "user": "viewer", "uid": "prom", "version": 1, "method": method}
        asked = {"path": "api/v1/labels", "query": "start=1&a=%2F", "body": "match=up" if body else ""}
        assert (reply.status, reply.json | told | asked) == (200, reply.json)
        assert reply.header("Content-Security-Policy") == "sandbox"
        assert reply.header("Cache-Control") == "no-store"
    assert grafana.resource_calls("prom", "api/v1/labels") == 2


@pytest.mark.parametrize(
    ("path", "login", "status"),
    [
        ("/api/datasources/uid/none/resources/x", "viewer", 404),
        ("/api/datasources/uid/mysql-2/resources/x", "viewer", 404),
        ("/api/datasources/uid/prom/resources/x", "nobody", 403),
        ("/api/datasources/uid/prom/resources/status/502", "viewer", 502),
        (f"{_SERVICE}/x", "viewer2", 403),
        (f"{_SERVICE}/x", "nobody", 403),
        (_SERVICE.replace("prometheus.", "loki.") + "/x", "viewer", 404),
        ("/api/datasources/uid/prom/resources", "viewer", 200),
    ],
)
def test_who_gets_none(grafana: Grafana, path: str, login: str, status: int) -> None:
    assert grafana.ask("GET", path, headers=basic(login)).status == status


def test_the_right_is_of_the_source(grafana: Grafana) -> None:
    grafana.revoke("role:Viewer", "datasources:query", "datasources:uid:prom")
    statuses = [
        grafana.ask("GET", f"/api/datasources/uid/{uid}/resources/x", headers=_VIEWER).status
        for uid in ("prom", "loki")
    ]
    assert statuses == [403, 200]


def test_answers_of_other_kinds(grafana: Grafana) -> None:
    root = "/api/datasources/uid/prom/resources"
    assert grafana.ask("GET", f"{root}/text", headers=_VIEWER).header("Content-Type") == "text/plain; charset=utf-8"
    chunks = grafana.ask("GET", f"{root}/chunks?kilobytes=3", headers=_VIEWER)
    assert (chunks.header("Transfer-Encoding"), len(chunks.json["pad"])) == ("chunked", 3072)
    plugin = grafana.ask("GET", f"{root}/cookie", headers=_VIEWER)
    assert (plugin.cookies, plugin.header("X-Plugin")) == ({}, "1")
