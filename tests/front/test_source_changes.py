"""A data source that was changed or deleted: through Millpond its answers are gone at once, past it within a minute."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.servers.grafana.server import basic
from tests.servers.grafana.world import World

from . import calls
from .stand import Call, Stand, standing
from .steps import ADMIN, KINDS, answers, is_as_grafanas, is_hit, source

A_MINUTE = 60


def edit(world: World) -> None:
    source(world).url = "http://elsewhere"
    source(world).version += 1


def delete(world: World) -> None:
    del world.sources[source(world).id]


def replace(world: World) -> None:
    delete(world)
    world.add_source(1, "prom", "prometheus", name="another")


def forward_users(world: World) -> None:
    source(world).json_data = {"keepCookies": ["tenant"]}
    source(world).version += 1


@pytest.mark.parametrize("effect", [edit, delete, replace, forward_users], ids=lambda effect: effect.__name__)
@pytest.mark.parametrize("call", KINDS.values(), ids=KINDS)
async def test_a_data_source_changed_behind_millponds_back_is_noticed_within_a_minute(
    tmp_path: Path, effect: Callable[[World], None], call: Call
) -> None:
    async with standing(tmp_path) as stand:
        await is_hit(stand, basic("viewer"), call)
        effect(stand.world)
        stand.turn(A_MINUTE)
        await is_as_grafanas(stand, basic("viewer"), call)


def _put(stand: Stand, path: str) -> Call:
    changed = {"name": "prom", "type": "prometheus", "access": "proxy", "url": "http://elsewhere"}
    return calls.ds_query().but(method="PUT", path=path, body=str(changed).replace("'", '"').encode())


WRITES: Mapping[str, Callable[[Stand], Call]] = {
    "changed by uid": lambda stand: _put(stand, "/api/datasources/uid/prom"),
    "changed by id": lambda stand: _put(stand, f"/api/datasources/{source(stand.world).id}"),
    "changed by another spelling": lambda stand: _put(stand, "/api/datasources/uid/%70rom"),
    "changed, a slash at the end": lambda stand: _put(stand, "/api/datasources/uid/prom/"),
    "deleted by uid": lambda _: Call(method="DELETE", path="/api/datasources/uid/prom"),
    "deleted by id": lambda stand: Call(method="DELETE", path=f"/api/datasources/{source(stand.world).id}"),
    "deleted by name": lambda _: Call(method="DELETE", path="/api/datasources/name/prom"),
    "reloaded": lambda _: Call(method="POST", path="/api/admin/provisioning/datasources/reload"),
    "changed by the newer API": lambda _: Call(
        method="PATCH", path="/apis/prometheus.datasource.grafana.app/v0alpha1/namespaces/default/datasources/prom"
    ),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("call", [calls.asked("prom"), calls.resource("prom", "up")], ids=["query", "resource"])
async def test_a_data_source_changed_through_millpond_has_no_old_answers_from_then_on(
    tmp_path: Path, write: Callable[[Stand], Call], call: Call
) -> None:
    async with standing(tmp_path) as stand:
        await is_hit(stand, basic("viewer"), call)
        written = write(stand)
        stand.world.staged.append({"org": 1, "uid": "prom", "url": "http://elsewhere"})
        if written.path.startswith("/apis/") or written.path.endswith("/"):
            answers(stand, written.path, lambda: edit(stand.world))
        assert (await stand.ask(written, ADMIN)).status == 200
        await is_as_grafanas(stand, basic("viewer"), call)


async def test_a_secret_changed_through_millpond_moves_no_version_and_still_leaves_nothing(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        await is_hit(stand, basic("viewer"))
        answers(stand, "/api/datasources/uid/prom", lambda: None)
        await stand.ask(Call(method="PUT", path="/api/datasources/uid/prom"), ADMIN)
        stand.faults.clear()
        assert (await stand.ask(calls.asked("prom"), basic("viewer"))).x_cache == "MISS"


async def test_what_was_refused_changes_nothing(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        await is_hit(stand, basic("viewer"))
        write = Call(method="DELETE", path="/api/datasources/uid/prom")
        assert (await stand.ask(write, basic("viewer"))).status == 403
        assert (await stand.ask(calls.asked("prom"), basic("viewer"))).x_cache == "HIT"
