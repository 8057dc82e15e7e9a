"""A header that names a user: of the proxy that the operator names it says who asks, of anybody else it says nothing."""

from pathlib import Path

import pytest

from proxy.config.schema import AuthProxy
from tests.servers.grafana.model import Flags
from tests.servers.grafana.server import basic

from . import calls
from .stand import same_answer, standing

HEADER = "X-WEBAUTH-USER"
GRAFANA = Flags(auth_proxy_header=HEADER)


async def test_whom_the_operators_proxy_names_is_who_asks(tmp_path: Path) -> None:
    named = AuthProxy(headers=(HEADER,), addresses=("127.0.0.1",))
    async with standing(tmp_path, GRAFANA, auth_proxy=named) as stand:
        told = []
        for login in ("viewer", "editor", "viewer2", "orgadmin2", "nobody", "ghost"):
            expected = await stand.oracle(calls.asked("prom"), {HEADER: login})
            answer = await stand.ask(calls.asked("prom"), {HEADER: login})
            assert answer.status == expected.status
            told.append((answer.status, answer.x_cache, answer.row()["org"] if answer.status == 200 else None))
        assert told == [
            (200, "MISS", 1),
            (200, "HIT", 1),
            (200, "MISS", 2),
            (200, "HIT", 2),
            (403, "BYPASS", None),
            (401, "BYPASS", None),
        ]


async def test_each_user_whom_it_names_has_answers_of_his_own(tmp_path: Path) -> None:
    named = AuthProxy(headers=(HEADER,), addresses=("127.0.0.1",))
    async with standing(tmp_path, GRAFANA, auth_proxy=named) as stand:
        for login, x_cache in (("viewer", "MISS"), ("editor", "MISS"), ("viewer", "HIT"), ("editor", "HIT")):
            answer = await stand.ask(calls.asked("oauth"), {HEADER: login})
            assert (answer.x_cache, answer.row()["forwarded"]) == (x_cache, f"Authorization=Bearer oauth-of-{login}")


@pytest.mark.parametrize("addresses", [("192.0.2.0/24",), ("::1",)])
async def test_of_another_address_it_says_nothing(tmp_path: Path, addresses: tuple[str, ...]) -> None:
    async with standing(tmp_path, GRAFANA, auth_proxy=AuthProxy(headers=(HEADER,), addresses=addresses)) as stand:
        await stand.ask(calls.asked("prom"), basic("admin"))
        for headers in ({HEADER: "admin"}, {"x_webauth_user": "admin"}, {HEADER: "admin", "Connection": HEADER}):
            answer = await stand.ask(calls.asked("prom"), headers)
            assert same_answer(answer, await stand.oracle(calls.asked("prom")))
            assert (answer.status, answer.x_cache) == (401, "BYPASS")
