"""What each edition lets each role do."""

from collections.abc import Iterator

import pytest

from .server import Grafana, basic, bearer

_EDITIONS = ("oss", "enterprise", "legacy")
_ALL = ["datasources:*"]


@pytest.fixture(scope="module")
def started() -> Iterator[dict[str, Grafana]]:
    with (
        Grafana() as oss,
        Grafana(edition="enterprise") as enterprise,
        Grafana(edition="legacy", rotation="old") as legacy,
    ):
        yield {"oss": oss, "enterprise": enterprise, "legacy": legacy}


@pytest.fixture
def servers(started: dict[str, Grafana]) -> dict[str, Grafana]:
    for server in started.values():
        server.reset()
    return started


def permissions(server: Grafana, login: str, org_id: int = 1) -> dict[str, list[str]]:
    headers = basic(login) | {"X-Grafana-Org-Id": str(org_id)}
    held: dict[str, list[str]] = server.ask("GET", "/api/access-control/user/permissions", headers=headers).json
    return held


def test_oss_every_role_reads_and_queries_all(servers: dict[str, Grafana]) -> None:
    for login in ("viewer", "editor", "orgadmin"):
        held = permissions(servers["oss"], login)
        assert (held["datasources:read"], held["datasources:query"]) == (_ALL, _ALL)
        assert ("datasources:write" in held) == (login == "orgadmin")
        assert list(held) == sorted(held)
        assert "datasources.caching:read" not in held
    assert permissions(servers["oss"], "nobody") == {}


def test_enterprise_grants_queries_source_by_source(servers: dict[str, Grafana]) -> None:
    server = servers["enterprise"]
    held = permissions(server, "viewer")
    assert "datasources:read" not in held
    assert "datasources:uid:prom" in held["datasources:query"]
    assert "datasources.caching:read" not in held
    admin = permissions(server, "orgadmin")
    assert (admin["datasources.caching:read"], admin["datasources.caching:write"]) == (_ALL, _ALL)


def test_legacy_knows_no_such_call(servers: dict[str, Grafana]) -> None:
    for call in ("permissions", "actions"):
        reply = servers["legacy"].ask("GET", f"/api/access-control/user/{call}", headers=basic("viewer"))
        assert (reply.status, reply.json) == (404, {"message": "Not found"})


def test_actions_are_the_keys_of_the_permissions(servers: dict[str, Grafana]) -> None:
    actions = servers["oss"].ask("GET", "/api/access-control/user/actions", headers=basic("viewer")).json
    assert actions == dict.fromkeys(permissions(servers["oss"], "viewer"), True)


@pytest.mark.parametrize(
    ("edition", "login", "reads", "queries", "sees_org"),
    [
        ("oss", "viewer", 200, 200, 200),
        ("oss", "orgadmin", 200, 200, 200),
        ("oss", "nobody", 403, 403, 403),
        ("enterprise", "viewer", 403, 200, 200),
        ("enterprise", "orgadmin", 200, 200, 200),
        ("legacy", "viewer", 403, 200, 200),
        ("legacy", "orgadmin", 200, 200, 200),
    ],
)
def test_the_routes_hold_to_it(
    servers: dict[str, Grafana], edition: str, login: str, reads: int, queries: int, sees_org: int
) -> None:
    server = servers[edition]
    body = {"queries": [{"refId": "A", "datasource": {"uid": "prom"}}], "from": "0", "to": "1"}
    assert server.ask("GET", "/api/datasources/uid/prom", headers=basic(login)).status == reads
    assert server.ask("POST", "/api/ds/query", headers=basic(login), body=body).status == queries
    assert server.ask("GET", "/api/org", headers=basic(login)).status == sees_org


def test_the_envelope_of_a_refusal(servers: dict[str, Grafana]) -> None:
    reply = servers["oss"].ask("POST", "/api/datasources", headers=basic("viewer"), body={})
    assert (reply.status, list(reply.json)) == (403, ["accessErrorId", "message", "title"])
    assert reply.json["message"].endswith("Permissions needed: datasources:create")
    assert reply.json["accessErrorId"].startswith("ACE")
    old = servers["legacy"].ask("POST", "/api/datasources", headers=basic("viewer"), body={})
    assert (old.status, old.json) == (403, {"message": "Permission denied"})


@pytest.mark.parametrize("edition", ["oss", "enterprise"])
def test_a_permission_is_taken_and_given_back(servers: dict[str, Grafana], edition: str) -> None:
    server = servers[edition]

    def status(uid: str, login: str = "viewer") -> int:
        body = {"queries": [{"refId": "A", "datasource": {"uid": uid}}], "from": "0", "to": "1"}
        return server.ask("POST", "/api/ds/query", headers=basic(login), body=body).status

    server.revoke("role:Viewer", "datasources:query", "datasources:uid:mysql")
    assert [status(uid) for uid in ("mysql", "prom")] == [403, 200]
    assert "datasources:uid:mysql" not in permissions(server, "viewer")["datasources:query"]
    server.grant("role:Viewer", "datasources:query", "datasources:uid:mysql")
    assert status("mysql") == 200
    server.revoke("user:viewer", "datasources:query")
    assert [status("prom"), status("prom", "editor")] == [403, 200]
    server.grant("user:viewer", "datasources:query", "datasources:*")
    assert status("mysql") == 200


def test_a_service_account_has_its_roles(servers: dict[str, Grafana]) -> None:
    server = servers["oss"]
    token = server.add_account("terraform", "Admin")
    assert server.ask("GET", "/api/datasources", headers=bearer(token)).status == 200
    server.remove_account(token)
    assert server.ask("GET", "/api/datasources", headers=bearer(token)).status == 401
