"""What an operator or a passer-by does beside the questions: a reload, wrong passwords, an edit that nobody may see."""

from functools import partial
from pathlib import Path

import msgspec
import pytest

from proxy.config.schema import Config
from tests.servers.grafana.model import Flags
from tests.servers.grafana.server import basic

from . import calls
from .stand import Call, standing
from .steps import is_hit, source

UNSEEN_SECONDS = 61


async def test_caching_is_turned_off_and_on_by_a_reload(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        await is_hit(stand, basic("viewer"), calls.BASE)
        on = stand.app._config
        off = msgspec.structs.replace(on, caching=msgspec.structs.replace(on.caching, enabled=False))
        for config, words in ((off, ["DISABLED", "DISABLED"]), (on, ["HIT", "HIT"])):
            stand.app._load = partial(Config, **msgspec.structs.asdict(config))
            await stand.app.reload()
            for call, word in zip((calls.BASE, calls.BASE), words, strict=True):
                assert (await stand.ask(call, basic("viewer"))).x_cache == word


async def test_a_wrong_password_makes_nobody_unknown(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        await is_hit(stand, basic("viewer"), calls.BASE)
        stand.world.requests.clear()
        wrong = Call(
            method="POST", path="/login", headers=calls.JSON, body=b'{"user":"viewer","password":"not this one"}'
        )
        assert (await stand.ask(wrong)).status == 401
        assert (await stand.ask(calls.BASE, basic("viewer"))).x_cache == "HIT"
        assert len(stand.world.requests) == 1


@pytest.mark.parametrize("call", [calls.asked("prom"), calls.resource("prom", "up")], ids=["query", "resource"])
async def test_an_edit_that_callers_cannot_see_is_over_in_a_minute(tmp_path: Path, call: Call) -> None:
    """A viewer of before 9 is told of data sources by Grafana's pages alone: without a version, and without passwords."""
    async with standing(tmp_path, Flags(edition="legacy")) as stand:
        await is_hit(stand, basic("viewer"), call)
        source(stand.world).version += 1
        stand.turn(UNSEEN_SECONDS)
        assert (await stand.ask(call, basic("viewer"))).x_cache == "MISS"
