"""Who may do what with the Caching API in front of Grafana: what Grafana says of the caller, or a token's permissions."""

import re
from collections.abc import Iterator, Mapping

import pytest

from tests.servers.grafana.server import Reply, basic, bearer, cookie

from .place import ADMIN, READER, WRITER, Place, in_org, place

READ, WRITE = "datasources.caching:read", "datasources.caching:write"
WRITES = ("", "/enable", "/disable", "/clean?scope=datasource")


def read(place: Place, uid: str, headers: Mapping[str, str]) -> Reply:
    return place.cache(uid, headers=headers, method="GET")


def write(place: Place, uid: str, headers: Mapping[str, str], operation: str = "/enable") -> Reply:
    return place.cache(uid, operation, headers, body={} if operation == "" else None)


def statuses(place: Place, uid: str, headers: Mapping[str, str]) -> list[int]:
    """Of reading, of every write, of cleaning all."""
    writes = {write(place, uid, headers, operation).status for operation in WRITES}
    assert len(writes) == 1
    return [read(place, uid, headers).status, *writes, write(place, uid, headers, "/clean").status]


@pytest.mark.parametrize(
    ("edition", "login", "expected"),
    [
        ("oss", "orgadmin", [200, 200, 200]),
        ("oss", "editor", [200, 403, 403]),
        ("oss", "viewer", [200, 403, 403]),
        ("oss", "nobody", [403, 403, 403]),
        ("oss", "viewer2", [404, 403, 403]),
        ("oss", "orgadmin2", [404, 404, 404]),
        ("enterprise", "orgadmin", [200, 200, 200]),
        ("enterprise", "editor", [403, 403, 403]),
        ("enterprise", "viewer", [403, 403, 403]),
        ("enterprise", "viewer2", [403, 403, 403]),
        ("enterprise", "orgadmin2", [404, 404, 404]),
        ("legacy", "orgadmin", [200, 200, 200]),
        ("legacy", "editor", [403, 403, 403]),
        ("legacy", "viewer", [403, 403, 403]),
        ("legacy", "orgadmin2", [404, 404, 404]),
    ],
)
@pytest.mark.parametrize("by", ["password", "session"])
def test_roles(request: pytest.FixtureRequest, edition: str, login: str, expected: list[int], by: str) -> None:
    place: Place = request.getfixturevalue(edition)
    uid = place.create()
    read(place, uid, ADMIN)  # by now it is known what the edition has
    headers = basic(login) if by == "password" else cookie(place.grafana.log_in(login))
    assert statuses(place, uid, headers) == expected


@pytest.mark.parametrize(
    ("role", "expected"), [("Admin", [200, 200, 200]), ("Viewer", [200, 403, 403]), ("None", [403, 403, 403])]
)
def test_service_accounts(oss: Place, role: str, expected: list[int]) -> None:
    assert statuses(oss, oss.create(), bearer(oss.grafana.add_account(f"robot-{role}", role))) == expected  # type: ignore[arg-type]  # pytest has it as a str


@pytest.mark.parametrize("edition", ["oss", "enterprise", "legacy"])
@pytest.mark.parametrize(
    "headers", [{}, basic("viewer", "wrong"), bearer("glsa_unknown"), cookie("unknown"), bearer("mp_unknown")]
)
def test_who_is_nobody_is_unauthorized(request: pytest.FixtureRequest, edition: str, headers: dict[str, str]) -> None:
    place: Place = request.getfixturevalue(edition)
    for uid in ("mysql", "absent"):
        replies = [read(place, uid, headers), *(write(place, uid, headers, operation) for operation in WRITES)]
        assert {(reply.status, reply.body) for reply in replies} == {(401, b'{"message": "Unauthorized"}')}


def test_a_refusal_is_in_grafanas_words(oss: Place) -> None:
    refused = write(oss, "mysql", basic("viewer")).json
    assert re.fullmatch(r"ACE\d{10}", refused.pop("accessErrorId"))
    assert refused == {
        "title": "Access denied",
        "message": "You'll need additional permissions to perform this action. Permissions needed: datasources:write",
    }


@pytest.mark.parametrize("login", ["viewer", "nobody"])
def test_a_refusal_does_not_tell_whether_there_is_such_a_data_source(
    oss: Place, enterprise: Place, legacy: Place, login: str
) -> None:
    for each in (oss, enterprise, legacy):
        read(each, "mysql", ADMIN)
        for operation in WRITES:
            told = []
            for uid in ("mysql", "absent", str(each.id_of("mysql")), "123456"):
                refused = write(each, uid, basic(login), operation)
                told.append((refused.status, refused.json["message"], [name for name, _ in refused.headers]))
            assert told[0][0] == 403
            assert told == told[:1] * 4


class TestEnterprise:
    """Its own actions decide, source by source."""

    @pytest.fixture
    def uid(self, enterprise: Place) -> str:
        uid = enterprise.create()
        read(enterprise, uid, ADMIN)
        return uid

    @pytest.mark.parametrize("scope", ["datasources:uid:{uid}", "datasources:uid:*", "datasources:*", "*"])
    def test_an_action_may_be_held_in_every_scope(self, enterprise: Place, uid: str, scope: str) -> None:
        enterprise.grafana.add_user(f"reader-{uid}", {1: "Viewer"})
        enterprise.grafana.grant(f"user:reader-{uid}", READ, scope.format(uid=uid))
        headers = basic(f"reader-{uid}")
        assert statuses(enterprise, uid, headers) == [200, 403, 403]
        enterprise.grafana.grant(f"user:reader-{uid}", WRITE, scope.format(uid=uid))
        of_all = 403 if uid in scope.format(uid=uid) else 200
        assert statuses(enterprise, uid, headers) == [200, 200, of_all]

    def test_an_action_on_one_is_none_on_another(self, enterprise: Place, uid: str) -> None:
        other = enterprise.create()
        for action in (READ, WRITE):
            enterprise.grafana.grant("user:editor", action, f"datasources:uid:{other}")
        assert statuses(enterprise, other, basic("editor")) == [200, 200, 403]
        assert statuses(enterprise, uid, basic("editor")) == [403, 403, 403]

    def test_an_admin_who_has_lost_them_may_not(self, enterprise: Place, uid: str) -> None:
        enterprise.grafana.add_user(f"admin-{uid}", {1: "Admin"})
        assert read(enterprise, uid, basic(f"admin-{uid}")).status == 200
        for action in (READ, WRITE):
            enterprise.grafana.revoke(f"user:admin-{uid}", action)
        assert statuses(enterprise, uid, basic(f"admin-{uid}")) == [403, 403, 403]

    def test_who_may_write_its_caching_need_not_read_its_settings(self, enterprise: Place, uid: str) -> None:
        for action in (READ, WRITE):
            enterprise.grafana.grant("user:viewer", action, f"datasources:uid:{uid}")
        enterprise.grafana.grant("user:viewer", "datasources:query", f"datasources:uid:{uid}")
        reply = write(enterprise, uid, basic("viewer"))
        assert (reply.status, reply.json["dataSourceID"]) == (200, enterprise.id_of(uid))


class TestTokensOfTheConfiguration:
    @pytest.fixture
    def uid(self, oss: Place) -> str:
        uid = oss.create(oss.create(headers=in_org(1)), in_org(2))
        for org_id in (1, 2):
            oss.settings(uid, in_org(org_id))
        return uid

    @pytest.fixture(params=["data", "admin"])
    def base(self, oss: Place, request: pytest.FixtureRequest) -> str:
        return oss.millpond.url if request.param == "data" else oss.millpond.admin_url

    def test_they_are_of_the_first_organisation_or_of_the_one_they_name(self, oss: Place, uid: str, base: str) -> None:
        path = f"/api/datasources/{uid}/cache"
        for headers, org_id in ((bearer(WRITER), 1), (in_org(2, bearer(WRITER)), 2), (in_org(1, bearer(WRITER)), 1)):
            reply = oss.ask("POST", path, headers, {"ttlQueriesMs": 1000 + org_id}, base=base)
            assert (reply.status, reply.json["dataSourceID"]) == (200, oss.id_of(uid, in_org(org_id)))
            assert oss.settings(uid, in_org(org_id))["ttlQueriesMs"] == 1000 + org_id
        assert oss.ask("GET", path, in_org(3, bearer(WRITER)), base=base).status == 404

    def test_they_are_held_to_their_permissions(self, oss: Place, uid: str, base: str) -> None:
        path = f"/api/datasources/{uid}/cache"
        assert oss.ask("GET", path, bearer(READER), base=base).status == 403
        assert oss.ask("POST", f"{path}/enable", bearer(READER), base=base).status == 403
        assert oss.ask("GET", "/api/datasources/absent/cache", bearer(READER), base=base).status == 403

    def test_by_number(self, oss: Place, uid: str, base: str) -> None:
        number = oss.id_of(uid, in_org(2))
        reply = oss.ask("GET", f"/api/datasources/{number}/cache", in_org(2, bearer(WRITER)), base=base)
        assert reply.json["dataSourceUID"] == uid
        other_org = oss.ask("GET", f"/api/datasources/{number}/cache", bearer(WRITER), base=base)
        assert other_org.status == 404

    def test_grafanas_credentials_are_none_of_the_admin_listeners(self, oss: Place, uid: str) -> None:
        reply = oss.ask("GET", f"/api/datasources/{uid}/cache", base=oss.millpond.admin_url)
        assert reply.status == 401

    def test_grafana_is_not_told_them(self, oss: Place, uid: str) -> None:
        oss.grafana.forget()
        oss.cache(uid, "/enable", bearer(WRITER))
        oss.ask("GET", f"/api/datasources/{uid}/cache", bearer(WRITER), base=oss.millpond.admin_url)
        assert not any(WRITER in value for seen in oss.grafana.requests for _, value in seen["headers"])


class TestOtherSites:
    """Grafana refuses a page of another site that sends its cookie along; so does this."""

    @pytest.fixture
    def headers(self, oss: Place) -> dict[str, str]:
        return cookie(oss.grafana.log_in("orgadmin"))

    @pytest.mark.parametrize("operation", WRITES)
    @pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example", "x", ""])
    def test_their_pages_change_nothing(self, oss: Place, headers: dict[str, str], operation: str, origin: str) -> None:
        uid = oss.create()
        before = oss.settings(uid)
        assert write(oss, uid, {**headers, "Origin": origin}, operation).status == 403
        assert oss.settings(uid) == before

    def test_its_own_pages_may(self, oss: Place, headers: dict[str, str]) -> None:
        assert write(oss, oss.create(), {**headers, "Origin": oss.millpond.url}).status == 200

    def test_nor_with_a_token(self, oss: Place) -> None:
        assert write(oss, oss.create(), {**bearer(WRITER), "Origin": "https://evil.example"}).status == 403

    @pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
    def test_a_form_is_no_client(self, oss: Place, headers: dict[str, str], kind: str) -> None:
        uid = oss.create()
        reply = oss.cache(uid, headers={**headers, "Content-Type": kind}, body={"enabled": True})
        assert (reply.status, oss.settings(uid)["enabled"]) == (415, False)


@pytest.fixture(scope="module")
def anonymous() -> Iterator[Place]:
    with place(anonymous_org=1) as running:
        yield running


def test_an_anonymous_visitor_is_a_viewer(anonymous: Place) -> None:
    assert statuses(anonymous, "mysql", {}) == [200, 403, 403]
    assert read(anonymous, "mysql-2", {}).status == 404


def test_a_role_taken_away_works(oss: Place) -> None:
    oss.grafana.add_user("leaving", {1: "Admin"})
    uid = oss.create()
    assert statuses(oss, uid, basic("leaving")) == [200, 200, 200]
    oss.grafana.set_role("leaving", 1, "Viewer")
    assert statuses(oss, uid, basic("leaving")) == [200, 403, 403]
    oss.grafana.set_role("leaving", 1, "")
    assert read(oss, uid, basic("leaving")).status in (401, 403)
