"""Who may do what, over HTTP; and the generated token."""

import hashlib
import logging
import re
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.config.schema import Auth, Token
from proxy.errors import Unauthorized
from proxy.web.access import Access, Caller, ensure_admin_token, read_admin_token

from .admin_app import READ, UID, WRITE, Admin, admin

ROUTES = [
    (method, f"{prefix}/{uid}/cache{path}")
    for prefix in ("/api/datasources", "/api/datasources/uid")
    for uid in (UID, "1", "unknown")
    for method, path in (
        ("GET", ""),
        ("POST", ""),
        ("POST", "/enable"),
        ("POST", "/disable"),
        ("POST", "/clean"),
    )
]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Admin]:
    async with admin(tmp_path) as running:
        yield running


async def status(api: Admin, token: str, method: str, path: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    body: dict[str, object] | None = {} if path.endswith("/cache") and method == "POST" else None
    async with api.client.request(method, path, headers=headers, json=body) as response:
        return response.status


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({}, ""),
        ({"Authorization": ""}, ""),
        ({"Authorization": "Bearer"}, ""),
        ({"Authorization": "Bearer "}, ""),
        ({"Authorization": "Bearer wrong"}, ""),
        ({"Authorization": "Bearer adm"}, ""),
        ({"Authorization": "Bearer Admin"}, ""),
        ({"Authorization": "Bearer admin x"}, ""),
        ({"Authorization": "Bearer  admin"}, ""),
        ({"Authorization": "Bearer admin\xa0"}, ""),
        ({"Authorization": "Bearer\tadmin"}, ""),
        ({"Authorization": "Bearer admin,Bearer admin"}, ""),
        ({"Authorization": "admin"}, ""),
        ({"Authorization": "Token admin"}, ""),
        ({"Authorization": "Basic YWRtaW46YWRtaW4="}, ""),
        ({"X-Api-Key": "admin"}, ""),
        ({"Cookie": "token=admin; grafana_session=admin"}, ""),
        ({}, "?token=admin&access_token=admin&auth_token=admin"),
        ({"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "X-WEBAUTH-USER": "admin"}, ""),
    ],
    ids=str,
)
async def test_without_a_known_token_every_route_is_401(api: Admin, headers: dict[str, str], query: str) -> None:
    before = api.book.snapshot
    for method, path in ROUTES:
        async with api.client.request(method, path + query, headers=headers) as response:
            assert response.status == 401
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert await response.json() == {"message": "Unauthorized"}
    assert api.book.snapshot is before
    assert not api.clearing.calls


async def test_two_authorizations_are_none(api: Admin) -> None:
    headers = [("Authorization", "Bearer admin"), ("Authorization", "Bearer admin")]
    async with api.client.get(f"/api/datasources/{UID}/cache", headers=headers) as response:
        assert response.status == 401


async def test_the_scheme_is_written_in_any_case(api: Admin) -> None:
    async with api.client.get(f"/api/datasources/{UID}/cache", headers={"Authorization": "bEARER admin"}) as response:
        assert response.status == 200


READING = {"get": 200, "set": 403, "enable": 403, "disable": 403, "clean": 403, "clean one": 403}
WRITING = {"get": 403, "set": 200, "enable": 200, "disable": 200, "clean": 200, "clean one": 200}
NOTHING = dict.fromkeys(READING, 403)
CALLS = {
    "get": ("GET", ""),
    "set": ("POST", ""),
    "enable": ("POST", "/enable"),
    "disable": ("POST", "/disable"),
    "clean": ("POST", "/clean"),
    "clean one": ("POST", "/clean?scope=datasource"),
}


@pytest.mark.parametrize(
    ("token", "uid", "expected"),
    [
        ("admin", UID, dict.fromkeys(READING, 200)),
        ("admin", "unknown", dict.fromkeys(READING, 404)),
        ("reader", UID, READING),
        ("reader", "unknown", READING | {"get": 404}),
        ("writer", UID, WRITING),
        ("writer", "unknown", {call: 404 if code == 200 else 403 for call, code in WRITING.items()}),
        ("one", UID, dict.fromkeys(READING, 200) | {"clean": 403}),
        ("one", "1", dict.fromkeys(READING, 200) | {"clean": 403}),
        ("one", "eight", NOTHING),
        ("one", "8", NOTHING),
        ("one", "unknown", NOTHING),
        ("nobody", UID, NOTHING),
        ("nobody", "unknown", NOTHING),
    ],
)
async def test_permissions_are_of_an_action_on_a_scope(
    api: Admin, token: str, uid: str, expected: dict[str, int]
) -> None:
    answers = {
        name: await status(api, token, method, f"/api/datasources/{uid}/cache{path}")
        for name, (method, path) in CALLS.items()
    }
    assert answers == expected


async def test_what_is_forbidden_is_said_as_grafana_says_it(api: Admin) -> None:
    headers = {"Authorization": "Bearer reader"}
    async with api.client.post(f"/api/datasources/{UID}/cache/enable", headers=headers) as response:
        body = await response.json()
    assert re.fullmatch(r"ACE\d{10}", body.pop("accessErrorId"))
    assert body == {
        "title": "Access denied",
        "message": "You'll need additional permissions to perform this action. Permissions needed: "
        "datasources.caching:write",
    }


# The generated token


def caller(access: Access, authorization: str) -> Caller:
    return access.authenticate([authorization])


def test_a_token_is_generated_once_for_its_owner_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    directory = tmp_path / "data"
    assert read_admin_token(tmp_path) is None
    token = ensure_admin_token(directory)
    path = directory / "admin-token"
    assert len(token) >= 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(directory.iterdir()) == [path]
    assert str(path) in caplog.text
    assert token not in caplog.text
    caplog.clear()
    assert ensure_admin_token(directory) == read_admin_token(directory) == token
    assert not caplog.text


def test_an_emptied_token_file_gets_a_new_token(tmp_path: Path) -> None:
    path = tmp_path / "admin-token"
    path.write_text("")
    token = ensure_admin_token(tmp_path)
    assert path.read_text().strip() == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_generated_token_holds_while_none_is_configured() -> None:
    access = Access(Auth())
    with pytest.raises(Unauthorized):
        caller(access, "Bearer generated")
    access.admit("generated")
    assert set(caller(access, "Bearer generated").permissions) == {READ, WRITE}
    digest = hashlib.sha256(b"configured").hexdigest().upper()
    access.configure(Auth(tokens=(Token(name="new", sha256=digest, permissions={}),)))
    assert caller(access, "Bearer configured").name == "new"
    with pytest.raises(Unauthorized):
        caller(access, "Bearer generated")
