"""What the Caching API answers on Grafana's own address, and that its settings are those of one organisation's source."""

from datetime import datetime
from typing import Any

import pytest

from proxy.web import openapi
from tests.servers.grafana.server import Grafana, basic
from tests.servers.millpond import Millpond
from tests.web.answer_fields import FIELDS

from .place import ADMIN, CONFIG, Place, in_org, source_body, x_cache

OPERATIONS: list[tuple[str, str, object, str]] = [
    ("GET", "", None, "Data source cache settings loaded"),
    ("POST", "", {}, "Data source cache settings updated"),
    ("POST", "/enable", None, "Data source cache enabled"),
    ("POST", "/disable", None, "Data source cache disabled"),
    ("POST", "/clean", None, "Data source cache cleaned"),
]


@pytest.mark.parametrize(("method", "operation", "body", "message"), OPERATIONS)
@pytest.mark.parametrize("form", ["{uid}", "uid/{uid}", "{id}"])
@pytest.mark.parametrize("rest", ["", "/", "?dataSourceType=loki"])
@pytest.mark.parametrize("edition", ["oss", "enterprise", "legacy"])
def test_every_operation_in_every_spelling_has_all_fields(
    request: pytest.FixtureRequest,
    method: str,
    operation: str,
    body: object,
    message: str,
    form: str,
    rest: str,
    edition: str,
) -> None:
    place: Place = request.getfixturevalue(edition)
    segment = form.format(uid="postgres", id=place.id_of("postgres"))
    reply = place.ask(method, f"/api/datasources/{segment}/cache{operation}{rest}", body=body)
    assert (reply.status, reply.header("Content-Type")) == (200, "application/json; charset=utf-8")
    assert {name: type(value) for name, value in reply.json.items()} == FIELDS
    assert (reply.json["message"], reply.json["dataSourceUID"]) == (message, "postgres")
    assert reply.json["dataSourceID"] == place.id_of("postgres")
    assert all(datetime.fromisoformat(reply.json[name]).tzinfo for name in ("created", "updated"))
    assert (reply.header("Cache-Control"), x_cache(reply)) == ("no-store", None)


def test_the_document_has_the_same_fields() -> None:
    document: Any = openapi.document()
    response = document["components"]["schemas"]["CacheConfigResponse"]
    types = {int: "integer", str: "string", bool: "boolean"}
    assert {name: each["type"] for name, each in response["properties"].items()} == {
        name: types[kind] for name, kind in FIELDS.items()
    }
    assert response["required"] == list(FIELDS)
    paths = {path for path in document["paths"] if path.endswith(("cache", "enable", "disable", "clean"))}
    assert paths == {
        f"/api/datasources/{form}/cache{operation}"
        for form in ("{uid}", "uid/{uid}")
        for _, operation, _, _ in OPERATIONS
    }


def test_a_data_source_that_nobody_configured_is_off_by_default(oss: Place) -> None:
    settings = oss.settings(oss.create())
    assert (settings["enabled"], settings["useDefaultTTL"]) == (False, True)
    assert {settings[name] for name in ("ttlQueriesMs", "ttlResourcesMs", "defaultTTLMs")} == {300_000}
    assert settings["created"] == settings["updated"]


def test_the_python_sdk_sends_all_six_fields_and_needs_a_number_back(oss: Place) -> None:
    uid = oss.create()
    body = {
        "dataSourceID": oss.id_of(uid),
        "dataSourceUID": uid,
        "enabled": True,
        "useDefaultTTL": False,
        "ttlQueriesMs": 60_000,
        "ttlResourcesMs": 300_000,
    }
    reply = oss.cache(uid, body=body)
    assert {name: reply.json[name] for name in body} == body


def test_a_change_is_updated_and_not_created(oss: Place) -> None:
    uid = oss.create()
    created = oss.settings(uid)["created"]
    changed = oss.cache(uid, "/enable").json
    assert changed["created"] == created <= changed["updated"] == oss.settings(uid)["updated"]


def test_max_ttl_is_not_what_reads_back(oss: Place) -> None:
    uid = oss.create()
    assert oss.cache(uid, body={"enabled": True, "ttlQueriesMs": 900_000}).json["ttlQueriesMs"] == 900_000


def test_a_uid_of_digits_wins_over_an_id(oss: Place) -> None:
    number = str(oss.id_of("mysql"))
    oss.create(number)
    assert oss.settings(number)["dataSourceUID"] == number
    assert oss.settings(number)["dataSourceID"] == oss.id_of(number)


@pytest.mark.parametrize("uid", ["cache", "uid", "name", "a.b", "x" * 40, "_-"])
def test_odd_uids(oss: Place, uid: str) -> None:
    oss.create(uid)
    reply = oss.ask("GET", f"/api/datasources/uid/{uid}/cache")
    assert (reply.status, reply.json["dataSourceUID"]) == (200, uid)


class TestTwoOrganisations:
    """With one uid."""

    @pytest.fixture
    def uid(self, oss: Place) -> str:
        return oss.create(oss.create(headers=in_org(1)), in_org(2))

    def test_their_settings_are_apart(self, oss: Place, uid: str) -> None:
        oss.cache(uid, headers=in_org(1), body={"enabled": True, "ttlQueriesMs": 1000})
        assert oss.settings(uid, in_org(2))["enabled"] is False
        oss.cache(uid, headers=in_org(2), body={"ttlQueriesMs": 2000})
        read = [oss.settings(uid, in_org(org_id)) for org_id in (1, 2)]
        assert [(each["enabled"], each["ttlQueriesMs"]) for each in read] == [(True, 1000), (False, 2000)]
        assert [each["dataSourceID"] for each in read] == [oss.id_of(uid, in_org(org_id)) for org_id in (1, 2)]

    def test_their_answers_are_apart(self, oss: Place, uid: str) -> None:
        oss.kept(uid, in_org(1))
        assert x_cache(oss.query(uid, in_org(2))) == "DISABLED"
        oss.kept(uid, in_org(2))
        for operation in ("/disable", "/clean?scope=datasource"):
            oss.cache(uid, "/enable", in_org(1))
            assert [x_cache(oss.query(uid, in_org(1))) for _ in range(2)][1] == "HIT"
            oss.cache(uid, operation, in_org(1))
            assert x_cache(oss.query(uid, in_org(1))) != "HIT"
            assert x_cache(oss.query(uid, in_org(2))) == "HIT"

    def test_clean_is_of_all(self, oss: Place, uid: str) -> None:
        for org_id in (1, 2):
            oss.kept(uid, in_org(org_id))
        oss.cache(uid, "/clean", in_org(1))
        assert [x_cache(oss.query(uid, in_org(org_id))) for org_id in (1, 2)] == ["MISS", "MISS"]

    def test_whose_it_is_goes_by_the_org_that_one_is_in(self, oss: Place, uid: str) -> None:
        oss.cache(uid, "/enable", basic("orgadmin2"))
        assert [oss.settings(uid, basic(login))["enabled"] for login in ("orgadmin", "orgadmin2")] == [False, True]


def test_settings_survive_a_restart_whether_or_not_their_source_is_met_again() -> None:
    with Grafana() as grafana, Millpond("--grafana-url", grafana.url, config=CONFIG) as millpond:
        before = Place(grafana, millpond)
        uids = [before.create() for _ in range(2)]
        changed = [before.cache(uid, body={"enabled": True, "ttlQueriesMs": 1000}).json for uid in uids]
        millpond.kill()
        millpond.start()
        token = {"Authorization": "Bearer mp_writer"}
        assert before.cache(uids[0], headers=token, method="GET").json["ttlQueriesMs"] == 1000
        for uid, old in zip(uids, changed, strict=True):
            assert before.settings(uid) == old | {"message": "Data source cache settings loaded"}
            assert [x_cache(before.query(uid)) for _ in range(2)] == ["MISS", "HIT"]


def test_ids_follow_grafana(oss: Place) -> None:
    uid = oss.create()
    first = oss.settings(uid)["dataSourceID"]
    oss.ask("DELETE", f"/api/datasources/uid/{uid}")
    oss.ask("POST", "/api/datasources", ADMIN, source_body(uid))
    assert first != oss.id_of(uid) == oss.settings(uid)["dataSourceID"]
