"""A data source that was edited through Millpond answers nothing of before from the very next query on; one that was edited
behind its back, from half a minute later.
"""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.config.schema import Config
from proxy.config.schema import Grafana as GrafanaConfig
from tests.servers.application import Application, running
from tests.servers.grafana.server import Grafana, basic
from tests.servers.millpond import Millpond

from .place import ADMIN, Place, in_org, query_body, row, source_body, x_cache

Edit = Callable[[Place, str], tuple[str, str, object]]
"""Method, path and body of an edit of the data source with that uid."""


def by_uid(place: Place, uid: str) -> tuple[str, str, object]:
    return "PUT", f"/api/datasources/uid/{uid}", source_body(uid, url="other:1")


def by_id(place: Place, uid: str) -> tuple[str, str, object]:
    return "PUT", f"/api/datasources/{place.id_of(uid)}", source_body(uid, url="other:2")


def by_provisioning(place: Place, uid: str) -> tuple[str, str, object]:
    place.grafana.stage(uid, url="other:3")
    return "POST", "/api/admin/provisioning/datasources/reload", {}


EDITS: list[Edit] = [by_uid, by_id, by_provisioning]
DELETES: list[Edit] = [
    lambda place, uid: ("DELETE", f"/api/datasources/uid/{uid}", None),
    lambda place, uid: ("DELETE", f"/api/datasources/{place.id_of(uid)}", None),
    lambda place, uid: ("DELETE", f"/api/datasources/name/{uid}", None),
]


@pytest.mark.parametrize("edit", EDITS)
def test_the_very_next_query_is_of_the_new_version(oss: Place, edit: Edit) -> None:
    uid = oss.create()
    oss.kept(uid)
    method, path, body = edit(oss, uid)
    assert oss.ask(method, path, body=body).status == 200
    reply = oss.query(uid)
    assert (x_cache(reply), row(reply)["version"]) == ("MISS", 2)
    assert x_cache(oss.query(uid)) == "HIT"


@pytest.mark.parametrize("delete", DELETES)
def test_a_deleted_one_answers_no_more_and_its_successor_has_its_own_answers(oss: Place, delete: Edit) -> None:
    uid = oss.create()
    oss.kept(uid)
    method, path, body = delete(oss, uid)
    assert oss.ask(method, path, body=body).status == 200
    gone = oss.query(uid)
    assert (gone.status, x_cache(gone)) == (404, "BYPASS")
    oss.create(uid)
    first = oss.query(uid)
    assert x_cache(first) != "HIT"
    assert row(first)["source"] == oss.id_of(uid)


def test_its_settings_stay_where_it_is_edited(oss: Place) -> None:
    uid = oss.create()
    oss.cache(uid, body={"enabled": True, "ttlQueriesMs": 1000})
    oss.ask("PUT", f"/api/datasources/uid/{uid}", body=source_body(uid, url="elsewhere:1"))
    assert (oss.settings(uid)["enabled"], oss.settings(uid)["ttlQueriesMs"]) == (True, 1000)


def test_a_renamed_uid_is_another_source(oss: Place) -> None:
    old, new = oss.create(), oss.new_uid()
    oss.kept(old)
    assert oss.ask("PUT", f"/api/datasources/uid/{old}", body=source_body(new)).status == 200
    assert (oss.query(old).status, x_cache(oss.query(new))) == (404, "DISABLED")


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("PUT", "/api/datasources/uid/{uid}", basic("viewer")),  # 403
        ("DELETE", "/api/datasources/uid/absent", ADMIN),  # 404
        ("GET", "/api/datasources/uid/{uid}", ADMIN),
        ("GET", "/api/datasources/uid/{uid}/health", ADMIN),
    ],
)
def test_what_changes_nothing_costs_no_answer(oss: Place, method: str, path: str, headers: dict[str, str]) -> None:
    uid = oss.create()
    oss.kept(uid)
    body = source_body(uid) if method == "PUT" else None
    oss.ask(method, path.format(uid=uid), headers, body)
    assert x_cache(oss.query(uid)) == "HIT"


def test_another_data_source_keeps_its_answers_where_the_path_tells(oss: Place) -> None:
    edited, deleted, other = (oss.create() for _ in range(3))
    for uid in (edited, deleted, other):
        oss.kept(uid)
    for path in (f"/api/datasources/uid/{edited}", f"/api/datasources/{oss.id_of(edited)}"):
        oss.ask("PUT", path, body=source_body(edited))
    oss.ask("DELETE", f"/api/datasources/uid/{deleted}")
    assert x_cache(oss.query(other)) == "HIT"


def test_no_path_tells_the_organisation_so_another_ones_of_the_same_uid_is_asked_again(oss: Place) -> None:
    uid = oss.create(oss.create(headers=in_org(1)), in_org(2))
    for org_id in (1, 2):
        oss.kept(uid, in_org(org_id))
    oss.ask("PUT", f"/api/datasources/uid/{uid}", in_org(2), source_body(uid, url="elsewhere:1"))
    replies = [oss.query(uid, in_org(org_id)) for org_id in (1, 2)]
    assert [(x_cache(reply), row(reply)["version"]) for reply in replies] == [("MISS", 1), ("MISS", 2)]


class TestAnyGrafana:
    """Calls that the small one does not have: Grafana's answer counts, whatever was changed."""

    @pytest.fixture
    def uid(self, oss: Place) -> str:
        uid = oss.create()
        oss.kept(uid)
        return uid

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("PUT", "/apis/mysql.datasource.grafana.app/v0alpha1/namespaces/default/datasources/{uid}"),
            ("PATCH", "/apis/mysql.datasource.grafana.app/v0alpha1/namespaces/default/datasources/{uid}"),
            ("DELETE", "/apis/mysql.datasource.grafana.app/v0alpha1/namespaces/default/datasources/{uid}"),
            ("PUT", "/api/datasources/uid/{uid}/"),
            ("POST", "/api/access-control/datasources/{uid}/users/7"),
            ("POST", "/api/datasources/uid/{uid}/permissions"),
            ("DELETE", "/api/datasources/{uid}/permissions/7"),
            ("PUT", "/api/datasources/uid/{uid}/lbac/teams"),
        ],
    )
    @pytest.mark.parametrize("status", [200, 202, 400])
    def test_counts_by_what_it_answered(self, oss: Place, uid: str, method: str, path: str, status: int) -> None:
        oss.grafana.answer_with(method, path.format(uid=uid), status)
        assert oss.ask(method, path.format(uid=uid), body={}).status == status
        assert x_cache(oss.query(uid)) == ("HIT" if status == 400 else "MISS")


@pytest.fixture
def remembering() -> Iterator[Place]:
    """What callers may is remembered for as long as it can be."""
    with (
        Grafana() as grafana,
        Millpond("--grafana-url", grafana.url, config="grafana: {permission_ttl: 1m}") as millpond,
    ):
        yield Place(grafana, millpond)


def test_a_permission_taken_through_millpond_is_gone_at_once(remembering: Place) -> None:
    place = remembering
    place.kept("mysql")
    assert x_cache(place.query("mysql", basic("viewer"))) == "HIT"
    place.grafana.revoke("role:Viewer", "datasources:query", "datasources:uid:mysql")
    assert x_cache(place.query("mysql", basic("viewer"))) == "HIT"  # behind its back: within the minute
    call = ("POST", "/api/access-control/datasources/mysql/builtInRoles/Viewer")
    place.grafana.answer_with(*call, 200)
    place.ask(*call, body={"permission": ""})
    refused = place.query("mysql", basic("viewer"))
    assert (refused.status, x_cache(refused)) == (403, "BYPASS")


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


async def asked(app: Application, uid: str) -> tuple[str | None, int]:
    """What the cache said, and the version that answered; 0 for none."""
    async with app.client.post(f"{app.url}/api/ds/query", json=query_body(uid), headers=ADMIN) as response:
        frames: Any = (await response.json()).get("results", {}).get("A", {}).get("frames")
        names = [] if frames is None else [each["name"] for each in frames[0]["schema"]["fields"]]
        version = frames[0]["data"]["values"][names.index("version")][0] if names else 0
        return response.headers.get("X-Cache"), version


@pytest.mark.parametrize(
    ("changes", "expected"), [({"url": "elsewhere:1"}, ("MISS", 2)), ({"delete": True}, ("BYPASS", 0))]
)
async def test_an_edit_behind_its_back_is_noticed_within_a_minute(
    tmp_path: Path, changes: dict[str, Any], expected: tuple[str, int]
) -> None:
    clock = Clock()
    with Grafana() as grafana:
        config = Config(grafana=GrafanaConfig(url=grafana.url))
        async with running(config, tmp_path, monotonic=clock) as app:
            enable = f"{app.url}/api/datasources/mysql/cache/enable"
            async with app.client.post(enable, headers=ADMIN) as response:
                assert response.status == 200
            assert [await asked(app, "mysql") for _ in range(2)] == [("MISS", 1), ("HIT", 1)]
            await asyncio.to_thread(grafana.provision, "mysql", **changes)
            clock.seconds += 29
            assert await asked(app, "mysql") == ("HIT", 1)  # so long may it be
            clock.seconds += 2
            assert await asked(app, "mysql") == expected
