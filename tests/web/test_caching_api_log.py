"""What the log tells of the Caching API: who changed what, who was refused."""

import logging
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request

from proxy.errors import Unauthorized
from proxy.telemetry.logs import Quiet
from proxy.web.access import Access

from .admin_app import CONFIG, UID, admin

CACHE = f"/api/datasources/{UID}/cache"


@pytest.mark.parametrize(
    ("token", "method", "path", "told"),
    [
        ("admin", "POST", "", (UID, "Data source cache settings updated")),
        ("one", "POST", "/enable", (UID, "Data source cache enabled")),
        ("one", "POST", "/disable", (UID, "Data source cache disabled")),
        ("admin", "POST", "/clean", ("all", "Data source cache cleaned")),
        ("one", "POST", "/clean?scope=datasource", (UID, "Data source cache cleaned")),
        ("admin", "GET", "", None),
        ("reader", "POST", "/disable", None),
        ("admin", "POST", "/clean?scope=nonsense", None),
    ],
)
async def test_a_change_is_told_with_the_name_of_its_token(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    token: str,
    method: str,
    path: str,
    told: tuple[str, str] | None,
) -> None:
    caplog.set_level(logging.INFO, "proxy.web.caching_api")
    async with admin(tmp_path) as api:
        headers = {"Authorization": f"Bearer {token}"}
        async with api.client.request(method, CACHE + path, headers=headers, json={}) as response:
            await response.read()
    records = [record.__dict__ for record in caplog.records if record.name == "proxy.web.caching_api"]
    expected = [] if told is None else [(*told, token)]
    assert [(record["datasource"], record["msg"], record["token"]) for record in records] == expected


def test_calls_without_a_known_token_are_told_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    clock = iter((1.0, 1.1, 1.2, 2.1))
    access = Access(CONFIG.auth, Quiet(1.0, lambda: next(clock)))
    request = make_mocked_request("GET", f"{CACHE}?token=secret", headers={"Authorization": "Bearer secret"})
    for _ in range(4):
        with pytest.raises(Unauthorized):
            access.caller(request)
    told = [(record.__dict__["path"], record.__dict__.get("times_before")) for record in caplog.records]
    assert told == [(CACHE, None), (CACHE, 2)]
    assert "secret" not in str([record.__dict__ for record in caplog.records])
