"""The life of a `grafana_data_source_cache_config`: the calls of Terraform's provider, in its order (spec §4 of Grafana).

Its client is Go's: fields that are false or 0 are left out of a body, and times are parsed strictly.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from tests.servers.grafana.server import Reply, basic, bearer

from .place import ADMIN, Place, in_org, source_body

READ = ("enabled", "useDefaultTTL", "ttlQueriesMs", "ttlResourcesMs", "dataSourceUID")
"""What the provider keeps in its state."""


@dataclass(frozen=True)
class Provider:
    place: Place
    credentials: Mapping[str, str]

    def apply(self, uid: str, **config: Any) -> dict[str, Any]:
        """Create and update are one. Returns the state."""
        if not config.get("enabled") and self._call("GET", f"/api/datasources/{uid}/cache").status == 200:
            self._require("POST", f"/api/datasources/{uid}/cache/disable")
        set_fields = {name: value for name, value in {"dataSourceUID": uid, **config}.items() if value}
        self._require("POST", f"/api/datasources/{uid}/cache", set_fields)
        state = self.read(uid)
        assert state is not None
        return state

    def read(self, uid: str) -> dict[str, Any] | None:
        """None: it is gone, and taken out of the state."""
        source = self._call("GET", f"/api/datasources/uid/{uid}")
        reply = self._call("GET", f"/api/datasources/{uid}/cache?dataSourceType=mysql")
        if reply.status == 404:
            return None
        assert (source.status, reply.status) == (200, 200)
        assert source.json["uid"] == uid
        assert reply.json["dataSourceID"] == source.json["id"]
        assert all(datetime.fromisoformat(reply.json[name]).tzinfo for name in ("created", "updated"))
        return {name: reply.json[name] for name in READ}

    def destroy(self, uid: str) -> None:
        self._require("POST", f"/api/datasources/{uid}/cache/disable")

    def _require(self, method: str, path: str, body: object = None) -> None:
        reply = self._call(method, path, body)
        assert reply.status == 200, reply

    def _call(self, method: str, path: str, body: object = None) -> Reply:
        headers = {"Accept": "application/json", "User-Agent": "terraform-provider-grafana", **self.credentials}
        return self.place.ask(method, path, headers, body)


def state(uid: str, **expected: Any) -> dict[str, Any]:
    default = {"enabled": False, "useDefaultTTL": False, "ttlQueriesMs": 0, "ttlResourcesMs": 0}
    return {**default, **expected, "dataSourceUID": uid}


@pytest.fixture(params=["basic", "bearer", "org header"])
def provider(request: pytest.FixtureRequest, oss: Place) -> Provider:
    credentials = {
        "basic": lambda: basic("orgadmin"),
        "bearer": lambda: bearer(oss.grafana.add_account("terraform", "Admin")),
        "org header": lambda: in_org(2),
    }
    return Provider(oss, credentials[request.param]())


def test_the_first_apply_on_a_data_source_created_a_moment_before(provider: Provider) -> None:
    uid = provider.place.new_uid()
    assert provider.read(uid) is None  # the plan, before there is any
    provider.place.create(uid, provider.credentials)
    wanted = {"enabled": True, "ttlQueriesMs": 60_000, "ttlResourcesMs": 300_000}
    assert provider.apply(uid, **wanted) == state(uid, **wanted)
    assert provider.read(uid) == state(uid, **wanted)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"enabled": True}, {"enabled": True}),
        (
            {"enabled": True, "useDefaultTTL": True},
            {"enabled": True, "useDefaultTTL": True, "ttlQueriesMs": 300_000, "ttlResourcesMs": 300_000},
        ),
        (
            {"enabled": False, "useDefaultTTL": True},
            {"useDefaultTTL": True, "ttlQueriesMs": 300_000, "ttlResourcesMs": 300_000},
        ),
        ({"enabled": False, "useDefaultTTL": False}, {}),
        ({"enabled": True, "ttlResourcesMs": 1}, {"enabled": True, "ttlResourcesMs": 1}),
    ],
)
def test_what_the_client_leaves_out_is_false_or_zero(
    oss: Place, config: dict[str, Any], expected: dict[str, Any]
) -> None:
    provider = Provider(oss, ADMIN)
    for uid in (oss.create(), oss.create()):
        assert provider.apply(uid, **config) == state(uid, **expected)
    before = {"enabled": True, "ttlQueriesMs": 60_000, "ttlResourcesMs": 300_000}
    assert provider.apply(uid, **before) == state(uid, **before)  # an update replaces what was there
    assert provider.apply(uid, **config) == state(uid, **expected)


def test_an_import_reads_what_the_api_was_told_by_another(oss: Place) -> None:
    uid = oss.create()
    oss.cache(uid, "/enable")
    default = {"useDefaultTTL": True, "ttlQueriesMs": 300_000, "ttlResourcesMs": 300_000}
    assert Provider(oss, ADMIN).read(uid) == state(uid, enabled=True, **default)


def test_destroyed_it_is_off_and_there(oss: Place) -> None:
    uid, provider = oss.create(), Provider(oss, ADMIN)
    provider.apply(uid, enabled=True, ttlQueriesMs=60_000)
    provider.destroy(uid)
    assert provider.read(uid) == state(uid, ttlQueriesMs=60_000)


def test_a_data_source_that_is_deleted_is_gone(oss: Place) -> None:
    uid, provider = oss.create(), Provider(oss, ADMIN)
    provider.apply(uid, enabled=True)
    assert oss.ask("DELETE", f"/api/datasources/uid/{uid}").status == 200
    assert provider.read(uid) is None


def test_its_data_source_calls_pass_through(oss: Place) -> None:
    uid, provider = oss.create(), Provider(oss, ADMIN)
    provider.apply(uid, enabled=True)
    changed = oss.ask("PUT", f"/api/datasources/uid/{uid}", body=source_body(uid, url="db2:3306"))
    assert (changed.status, changed.json["datasource"]["version"]) == (200, 2)
    assert oss.ask("GET", f"/api/datasources/uid/{uid}").json["url"] == "db2:3306"
    assert provider.read(uid) == state(uid, enabled=True)


def test_two_organisations_with_one_uid_are_two_resources(oss: Place) -> None:
    uid = oss.create()
    oss.create(uid, in_org(2))
    first, second = Provider(oss, in_org(1)), Provider(oss, in_org(2))
    first.apply(uid, enabled=True, ttlQueriesMs=1000)
    assert second.apply(uid, enabled=False, ttlQueriesMs=2000) == state(uid, ttlQueriesMs=2000)
    assert first.read(uid) == state(uid, enabled=True, ttlQueriesMs=1000)
    second.destroy(uid)
    assert first.read(uid) == state(uid, enabled=True, ttlQueriesMs=1000)
