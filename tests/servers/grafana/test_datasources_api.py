"""Data sources through their API: shapes, versions, orgs."""

from typing import Any

import pytest

from .server import Grafana, basic

_ADMIN = basic("orgadmin")
_NEW = {"name": "New", "type": "mysql", "access": "proxy", "url": "db:3306", "uid": "new", "jsonData": {"b": 1, "a": 2}}


@pytest.fixture
def created(grafana: Grafana) -> dict[str, Any]:
    """The source `new`, made anew."""
    grafana.ask("DELETE", "/api/datasources/uid/new", headers=_ADMIN)
    reply = grafana.ask("POST", "/api/datasources", headers=_ADMIN, body=_NEW)
    assert (reply.status, reply.json["message"], reply.json["name"]) == (200, "Datasource added", "New")
    source: dict[str, Any] = reply.json["datasource"]
    return source


def test_one_source_in_full(grafana: Grafana, created: dict[str, Any]) -> None:
    expected = {
        "uid": "new",
        "orgId": 1,
        "type": "mysql",
        "version": 1,
        "readOnly": False,
        "jsonData": {"a": 2, "b": 1},
    }
    assert created | expected == created
    for path in ("uid/new", f"{created['id']}", "name/New"):
        assert grafana.ask("GET", f"/api/datasources/{path}", headers=_ADMIN).json == created
    assert grafana.ask("GET", "/api/datasources/id/New", headers=_ADMIN).json == {"id": created["id"]}
    assert grafana.ask("GET", "/api/datasources/uid/new/health", headers=_ADMIN).json["status"] == "OK"


def test_the_list_is_the_orgs_in_order_and_shorter(grafana: Grafana) -> None:
    items = grafana.ask("GET", "/api/datasources", headers=_ADMIN).json
    assert [item["name"] for item in items] == sorted(item["name"] for item in items)
    assert {item["orgId"] for item in items} == {1}
    assert not any("version" in item for item in items)


def test_a_uid_in_both_orgs_is_two_sources(grafana: Grafana) -> None:
    first, second = (
        grafana.ask("GET", "/api/datasources/uid/prom", headers=basic(login)).json for login in ("viewer", "viewer2")
    )
    assert (first["orgId"], second["orgId"]) == (1, 2)
    assert first["id"] != second["id"]
    assert grafana.ask("GET", f"/api/datasources/{second['id']}", headers=_ADMIN).status == 404


@pytest.mark.parametrize("path", ["uid/new", "{id}"])
def test_each_write_raises_the_version(grafana: Grafana, created: dict[str, Any], path: str) -> None:
    path = f"/api/datasources/{path.format(**created)}"
    body = _NEW | {"url": "db:3307"}
    reply = grafana.ask("PUT", path, headers=_ADMIN, body=body)
    assert (reply.json["message"], reply.json["datasource"]["version"]) == ("Datasource updated", 2)
    assert grafana.ask("PUT", path, headers=_ADMIN, body=body | {"version": 1}).status == 409
    assert grafana.ask("GET", path, headers=_ADMIN).json["version"] == 2
    grafana.provision("new", url="db:3308")
    assert grafana.ask("GET", path, headers=_ADMIN).json["version"] == 3


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("uid/new", {"id": 0, "message": "Data source deleted"}),
        ("name/New", {"id": 0, "message": "Data source deleted"}),
        ("{id}", {"message": "Data source deleted"}),
    ],
)
def test_deleted_is_gone(grafana: Grafana, created: dict[str, Any], path: str, answer: dict[str, Any]) -> None:
    reply = grafana.ask("DELETE", f"/api/datasources/{path.format(**created)}", headers=_ADMIN)
    assert reply.json == answer | ({"id": created["id"]} if "id" in answer else {})
    gone = grafana.ask("GET", "/api/datasources/uid/new", headers=_ADMIN)
    assert (gone.status, gone.json) == (404, {"message": "Data source not found"})


def test_what_is_refused(grafana: Grafana, created: dict[str, Any]) -> None:
    refused = [
        ("POST", "", _NEW | {"uid": "other"}, 409),
        ("POST", "", _NEW | {"name": "Other"}, 409),
        ("POST", "", {"name": "Nameless"}, 400),
        ("POST", "", b"{", 400),
        ("PUT", "/uid/provisioned", _NEW | {"uid": "provisioned", "name": "p"}, 403),
        ("DELETE", "/uid/provisioned", None, 403),
        ("GET", "/nothing", None, 400),
    ]
    for method, path, body, status in refused:
        reply = grafana.ask(method, f"/api/datasources{path}", headers=_ADMIN, body=body)
        assert (method, path, reply.status) == (method, path, status)


def test_a_reload_brings_what_was_staged(grafana: Grafana) -> None:
    path = "/api/admin/provisioning/datasources/reload"
    before = grafana.ask("GET", "/api/datasources/uid/provisioned", headers=_ADMIN).json["version"]
    grafana.stage("provisioned", url="elsewhere:3306")
    assert grafana.ask("POST", path, headers=_ADMIN).status == 403
    assert grafana.ask("POST", path, headers=basic("admin")).json == {"message": "Datasources config reloaded"}
    after = grafana.ask("GET", "/api/datasources/uid/provisioned", headers=_ADMIN).json
    assert (after["version"], after["url"]) == (before + 1, "elsewhere:3306")


def test_no_answer_is_for_storing(grafana: Grafana) -> None:
    reply = grafana.ask("GET", "/api/datasources", headers=_ADMIN)
    assert (reply.header("Cache-Control"), reply.header("Content-Type")) == ("no-store", "application/json")
    assert reply.header("Server") is None
