"""What somebody sees first, and what is seen once something has been taken away."""

from collections.abc import Callable, Mapping

from aiohttp import web

from tests.servers.grafana.model import DataSource, Permission
from tests.servers.grafana.server import basic
from tests.servers.grafana.world import World

from . import calls
from .stand import Answer, Call, Handler, Stand

Headers = Mapping[str, str]
ADMIN = basic("admin")

KINDS = {
    "query": calls.asked("prom"),
    "query service": calls.asked_of_service("prom", "up"),
    "mixed query": calls.ds_query(calls.query("prom", ref_id="A"), calls.query("loki", ref_id="B", kind="loki")),
    "resource": calls.resource("prom", "up"),
    "resource by POST": calls.posted_resource("prom", "up"),
}


def source(world: World, uid: str = "prom", org_id: int = 1) -> DataSource:
    found = world.source(org_id, uid=uid)
    assert found is not None
    return found


def deny(world: World, subject: str) -> None:
    world.permissions.append(
        Permission(given=False, subject=subject, org_id=1, action="datasources:query", scope="datasources:uid:prom")
    )


async def is_hit(stand: Stand, who: Headers, call: Call = KINDS["query"]) -> None:
    """Another caller has filled the cache, and this one is answered from it."""
    await stand.ask(call, ADMIN)
    answer = await stand.ask(call, who)
    assert (answer.status, answer.x_cache) == (200, "HIT")


async def is_as_grafanas(stand: Stand, who: Headers, call: Call = KINDS["query"]) -> Answer:
    """No hit, though what another caller has filled is there, and the oracle's answer."""
    expected = await stand.oracle(call, who)
    answer = await stand.ask(call, who)
    assert answer.x_cache != "HIT"
    assert answer.status == expected.status
    if answer.status == 200:
        names = ("org", "uid", "version")
        assert [calls.said(answer)[name] for name in names] == [calls.said(expected)[name] for name in names]
    return answer


def answers(stand: Stand, path: str, effect: Callable[[], object]) -> None:
    """A part of Grafana's API that the small one does not have."""

    async def carry_out(_: web.Request, __: Handler) -> web.StreamResponse:
        effect()
        return web.json_response({"message": "done"})

    stand.faults[path] = carry_out
