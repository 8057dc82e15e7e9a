"""The life of a login in both manners: cookies, rotation, expiry, the end."""

from collections.abc import Iterator

import pytest

from .server import Grafana, Reply, cookie

_INTERVAL_S = 600


@pytest.fixture(scope="module")
def new() -> Iterator[Grafana]:
    with Grafana() as server:
        yield server


@pytest.fixture(scope="module")
def old() -> Iterator[Grafana]:
    with Grafana(rotation="old") as server:
        yield server


def who(server: Grafana, token: str) -> Reply:
    return server.ask("GET", "/api/user", headers=cookie(token))


def log_in(server: Grafana) -> str:
    reply = server.ask("POST", "/login", body={"user": "viewer", "password": "secret"})
    assert reply.json == {"message": "Logged in", "redirectUrl": "/"}
    return reply.cookies["grafana_session"]


def test_login_sets_the_cookies_as_grafana_does(new: Grafana) -> None:
    reply = new.ask("POST", "/login", body={"user": "viewer", "password": "secret"})
    lines = [value for name, value in reply.headers if name == "Set-Cookie"]
    token, expiry = reply.cookies["grafana_session"], reply.cookies["grafana_session_expiry"]
    assert lines == [
        f"grafana_session={token}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax",
        f"grafana_session_expiry={expiry}; Path=/; Max-Age=2592000; SameSite=Lax",
    ]
    assert who(new, token).json["login"] == "viewer"


def test_a_wrong_password_gets_no_cookie(new: Grafana) -> None:
    reply = new.ask("POST", "/login", body={"user": "viewer", "password": "wrong"})
    assert (reply.status, reply.json["messageId"], reply.cookies) == (401, "password-auth.failed", {})


def test_logout_ends_the_session(new: Grafana) -> None:
    token = log_in(new)
    reply = new.ask("GET", "/logout", headers=cookie(token))
    assert (reply.status, reply.header("Location")) == (302, "/login")
    assert reply.cookies == {"grafana_session": "", "grafana_session_expiry": ""}
    assert who(new, token).status == 401


def test_new_a_session_past_its_interval_must_be_rotated(new: Grafana) -> None:
    token = log_in(new)
    assert who(new, token).status == 200
    new.turn_clock(_INTERVAL_S)
    stale = who(new, token)
    assert (stale.status, stale.json["messageId"], stale.cookies) == (401, "session.token.rotate", {})
    rotated = new.ask("POST", "/api/user/auth-tokens/rotate", headers=cookie(token))
    assert (rotated.status, rotated.json) == (200, {})
    successor = rotated.cookies["grafana_session"]
    assert successor != token
    assert who(new, successor).status == 200
    assert who(new, token).status == 200  # its owner may still use it in another tab


def test_new_a_page_goes_by_the_rotation(new: Grafana) -> None:
    token = log_in(new)
    assert who(new, token).status == 200
    new.turn_clock(_INTERVAL_S)
    reply = new.ask("GET", "/user/auth-tokens/rotate?redirectTo=%2Fd%2Fpanel", headers=cookie(token))
    assert (reply.status, reply.header("Location")) == (302, "/d/panel")
    assert who(new, reply.cookies["grafana_session"]).status == 200


def test_old_any_answer_brings_the_new_cookie(old: Grafana) -> None:
    token = log_in(old)
    assert who(old, token).cookies == {}
    old.turn_clock(_INTERVAL_S)
    reply = who(old, token)
    assert (reply.status, list(reply.cookies)) == (200, ["grafana_session"])
    successor = reply.cookies["grafana_session"]
    assert who(old, token).status == 200
    assert who(old, successor).cookies == {}
    assert old.ask("POST", "/api/user/auth-tokens/rotate", headers=cookie(successor)).status == 404


def test_old_a_refused_answer_brings_it_too(old: Grafana) -> None:
    token = log_in(old)
    assert who(old, token).status == 200
    old.turn_clock(_INTERVAL_S)
    reply = old.ask("POST", "/api/datasources", headers=cookie(token), body={})
    assert (reply.status, list(reply.cookies)) == (403, ["grafana_session"])


def test_a_token_dies_with_the_rotation_of_its_successor(old: Grafana) -> None:
    first = log_in(old)
    assert who(old, first).status == 200
    old.turn_clock(_INTERVAL_S)
    second = who(old, first).cookies["grafana_session"]
    assert who(old, second).status == 200
    old.turn_clock(_INTERVAL_S)
    third = who(old, second).cookies["grafana_session"]
    assert [who(old, token).status for token in (first, second, third)] == [401, 200, 200]


def test_the_previous_token_used_a_minute_later_hastens_the_next_rotation(old: Grafana) -> None:
    first = log_in(old)
    assert who(old, first).status == 200
    old.turn_clock(_INTERVAL_S)
    second = who(old, first).cookies["grafana_session"]
    assert who(old, second).cookies == {}
    assert who(old, first).cookies == {}
    old.turn_clock(61)
    assert list(who(old, first).cookies) == ["grafana_session"]


@pytest.mark.parametrize("manner", ["old", "new"])
def test_a_session_left_alone_for_a_week_has_expired(manner: str) -> None:
    with Grafana(rotation=manner) as server:
        token = log_in(server)
        server.turn_clock(7 * 24 * 3600)
        assert who(server, token).status == 401
        if manner == "new":
            reply = server.ask("POST", "/api/user/auth-tokens/rotate", headers=cookie(token))
            assert (reply.status, reply.cookies["grafana_session"]) == (401, "")


def test_a_revoked_session_says_so(new: Grafana) -> None:
    token = log_in(new)
    new.revoke_sessions("viewer")
    assert who(new, token).json["error"]["id"] == "ERR_TOKEN_REVOKED"
    assert who(new, log_in(new)).status == 200
