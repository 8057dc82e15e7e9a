"""Public dashboards: whoever has the link shares the panels' answers, for as long as Grafana serves the dashboard."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.servers.grafana import sessions
from tests.servers.grafana.model import PublicDashboard
from tests.servers.grafana.server import basic, cookie

from . import calls
from .stand import PERMISSION_SECONDS, Answer, Call, Stand, same_answer, standing
from .steps import answers, source

TOKEN, OTHER = "a" * 32, "b" * 32
PANELS = {1: [calls.query("prom", "up")], 2: [calls.query("oauth", "me")], 3: [calls.query("cookies", "us")]}


def panel(number: int = 1, token: str = TOKEN, **members: Any) -> Call:
    body = {
        "intervalMs": 15_000,
        "maxDataPoints": 240,
        "timeRange": {"from": str(calls.FROM_MS), "to": str(calls.TO_MS)},
    }
    return Call(
        method="POST",
        path=f"/api/public/dashboards/{token}/panels/{number}/query",
        headers=calls.JSON,
        body=json.dumps(body | members).encode(),
    )


async def publish(stand: Stand) -> None:
    """With caching on for its data sources, as it is once somebody has asked them."""
    for token in (TOKEN, OTHER):
        stand.world.public[token] = PublicDashboard(token=token, org_id=1, panels=PANELS)
    for uid in ("prom", "oauth", "cookies"):
        await stand.ask(calls.asked(uid, "met"), basic("admin"))


async def asked(stand: Stand, call: Call, headers: Mapping[str, str] | None = None) -> Answer:
    """It is as Grafana itself would answer."""
    expected = await stand.oracle(call, headers)
    answer = await stand.ask(call, headers)
    assert same_answer(answer, expected)
    return answer


async def test_everybody_shares_a_panels_answer(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        await publish(stand)
        for x_cache in ("MISS", "HIT", "HIT"):
            assert (await asked(stand, panel())).x_cache == x_cache
        for other in (panel(token=OTHER), panel(intervalMs=30_000), panel(maxDataPoints=100)):
            assert (await asked(stand, other)).x_cache == "MISS"


async def test_a_large_body_which_anybody_may_send_passes_unread(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        await publish(stand)
        large = panel(padding="a" * 70_000)
        for _ in range(2):
            assert (await asked(stand, large)).headers["Cache-Status"] == "millpond; fwd=bypass; detail=body"


@pytest.mark.parametrize("number", [2, 3], ids=["OAuth", "cookies"])
async def test_what_a_visitor_brings_along_tells_his_answers_from_others(tmp_path: Path, number: int) -> None:
    """A data source that keeps cookies gets the visitor's, of a public dashboard too."""
    async with standing(tmp_path) as stand:
        await publish(stand)
        session = cookie(sessions.begin(stand.world, 2).token)["Cookie"]
        for brought in ("tenant=a", "tenant=b", "", f"tenant=a; {session}", "tenant=c"):
            await asked(stand, panel(number), {"Cookie": brought} if brought else {})
        assert (await asked(stand, panel(number), {"Cookie": "tenant=a"})).x_cache == "HIT"


async def test_the_signed_in_are_not_told_what_visitors_are(tmp_path: Path) -> None:
    """Their OAuth token may go to the data source."""
    async with standing(tmp_path) as stand:
        await publish(stand)
        await stand.ask(panel())
        session = cookie(sessions.begin(stand.world, 2).token)
        for who in (session, basic("viewer"), {"X-JWT-Assertion": "a.b.c"}):
            assert (await asked(stand, panel(), who)).x_cache == "BYPASS"


def disable(stand: Stand) -> None:
    stand.world.public[TOKEN] = dataclasses.replace(stand.world.public[TOKEN], enabled=False)


def remove(stand: Stand) -> None:
    del stand.world.public[TOKEN]


@pytest.mark.parametrize("effect", [disable, remove], ids=lambda effect: effect.__name__)
async def test_taken_back_it_has_no_hits_within_the_permission_ttl(
    tmp_path: Path, effect: Callable[[Stand], None]
) -> None:
    async with standing(tmp_path) as stand:
        await publish(stand)
        await stand.ask(panel())
        assert (await stand.ask(panel())).x_cache == "HIT"
        effect(stand)
        stand.turn(PERMISSION_SECONDS)
        assert (await asked(stand, panel())).x_cache == "BYPASS"


@pytest.mark.parametrize(
    "change",
    [
        "PATCH /api/dashboards/uid/abc/public-dashboards/def",
        "DELETE /api/dashboards/uid/abc/public-dashboards/def",
        "DELETE /api/dashboards/uid/abc",
        "POST /api/dashboards/db",
        "DELETE /apis/dashboard.grafana.app/v1/namespaces/default/dashboards/abc",
    ],
)
async def test_taken_back_through_millpond_it_has_none_from_then_on(tmp_path: Path, change: str) -> None:
    async with standing(tmp_path) as stand:
        await publish(stand)
        await stand.ask(panel())
        method, _, path = change.partition(" ")
        answers(stand, path, lambda: disable(stand))
        assert (await stand.ask(Call(method=method, path=path), basic("admin"))).status == 200
        assert (await asked(stand, panel())).x_cache == "BYPASS"


async def test_an_edited_data_source_leaves_nothing(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        await publish(stand)
        await stand.ask(panel())
        changed = {"name": "prom", "type": "prometheus", "access": "proxy", "url": "http://elsewhere"}
        write = Call(
            method="PUT", path="/api/datasources/uid/prom", headers=calls.JSON, body=json.dumps(changed).encode()
        )
        assert (await stand.ask(write, basic("admin"))).status == 200
        assert (await asked(stand, panel())).x_cache == "MISS"


async def test_a_data_source_edited_behind_millponds_back_is_noticed_within_a_minute(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        await publish(stand)
        await stand.ask(panel())
        source(stand.world).version += 1
        stand.turn(60)
        assert (await asked(stand, panel())).x_cache == "MISS"
