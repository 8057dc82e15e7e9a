"""Grafana's data source proxy, with a real Prometheus behind it: answers put together from parts, for those who may."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.servers.grafana.model import Permission
from tests.servers.grafana.server import basic
from tests.servers.prometheus import END_S, Prometheus

from . import calls
from .stand import NOW_S, PERMISSION_SECONDS, Call, Stand, standing

VIEWER, EDITOR, OTHER = basic("viewer"), basic("editor"), basic("viewer2")
QUERY = "sum%20by%20(status)%20(rate(demo_requests_total%5B5m%5D))"


def graph(end_s: int, *, by: str = "uid/prom", post: bool = False) -> Call:
    """The hour before."""
    path = f"/api/datasources/proxy/{by}/api/v1/query_range"
    parameters = f"query={QUERY}&start={end_s - 3600}&end={end_s}&step=15"
    if not post:
        return Call(method="GET", path=f"{path}?{parameters}")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return Call(method="POST", path=path, headers=headers, body=parameters.encode())


@asynccontextmanager
async def measured(data_dir: Path, prometheus: Prometheus) -> AsyncIterator[Stand]:
    async with standing(data_dir) as stand:
        stand.turn(END_S - NOW_S)
        for source in stand.world.sources.values():
            source.url = prometheus.url
        yield stand


def asked_from(stand: Stand) -> list[int]:
    """The start of each range that Grafana was asked for, since the last time."""
    targets = [str(each["target"]) for each in stand.world.requests if "/query_range?" in str(each["target"])]
    stand.world.requests.clear()
    return [round(float(parse_qs(urlsplit(target).query)["start"][0])) for target in targets]


async def test_a_later_range_is_asked_for_where_it_is_new_and_shared_with_all_who_may(
    tmp_path: Path, prometheus: Prometheus
) -> None:
    async with measured(tmp_path, prometheus) as stand:
        for number, who in enumerate((VIEWER, EDITOR, basic("admin"), VIEWER)):
            end_s = END_S - 1800 + 60 * number
            expected = await stand.oracle(graph(end_s), who)
            answer = await stand.ask(graph(end_s), who)
            assert (answer.status, answer.json["data"]) == (200, expected.json["data"])
            assert answer.x_cache == "MISS"
            (start_s,) = asked_from(stand)
            assert (start_s == end_s - 3600) == (number == 0)
        again = await stand.ask(graph(END_S - 1800), EDITOR)
        assert again.x_cache == "HIT"
        assert asked_from(stand) == []


async def test_another_organisation_has_parts_of_its_own(tmp_path: Path, prometheus: Prometheus) -> None:
    async with measured(tmp_path, prometheus) as stand:
        await stand.ask(graph(END_S - 1800), VIEWER)
        asked_from(stand)
        answer = await stand.ask(graph(END_S - 1740), OTHER)
        assert (answer.status, answer.x_cache) == (200, "MISS")
        assert asked_from(stand) == [END_S - 1740 - 3600]


async def test_who_may_no_longer_query_gets_no_part(tmp_path: Path, prometheus: Prometheus) -> None:
    async with measured(tmp_path, prometheus) as stand:
        for who, x_cache in ((EDITOR, "MISS"), (VIEWER, "HIT")):
            assert (await stand.ask(graph(END_S - 1800), who)).x_cache == x_cache
        stand.world.permissions.append(
            Permission(
                given=False, subject="user:viewer", org_id=1, action="datasources:query", scope="datasources:uid:prom"
            )
        )
        stand.turn(PERMISSION_SECONDS)
        for end_s in (END_S - 1800, END_S - 1740):
            answer = await stand.ask(graph(end_s), VIEWER)
            assert (answer.status, answer.x_cache) == (403, "BYPASS")
        assert (await stand.ask(graph(END_S - 1800), EDITOR)).x_cache == "HIT"


@pytest.mark.parametrize("post", [False, True], ids=["GET", "POST"])
async def test_an_edited_source_has_no_old_parts(tmp_path: Path, prometheus: Prometheus, post: bool) -> None:
    async with measured(tmp_path, prometheus) as stand:
        for x_cache in ("MISS", "HIT"):
            assert (await stand.ask(graph(END_S - 1800, post=post), VIEWER)).x_cache == x_cache
        changed = {"name": "prom", "type": "prometheus", "access": "proxy", "url": prometheus.url}
        write = calls.ds_query().but(
            method="PUT", path="/api/datasources/uid/prom", body=str(changed).replace("'", '"').encode()
        )
        assert (await stand.ask(write, basic("admin"))).status == 200
        call = graph(END_S - 1800, post=post)
        expected = await stand.oracle(call, VIEWER)
        answer = await stand.ask(call, VIEWER)
        assert (answer.x_cache, answer.json["data"]) == ("MISS", expected.json["data"])
