"""Who it takes a caller for, and how it refuses."""

from collections.abc import Iterator

import pytest

from .server import Grafana, basic, bearer, cookie

_OLD = ("old", "new")


@pytest.fixture(scope="module", params=_OLD)
def server(request: pytest.FixtureRequest) -> Iterator[Grafana]:
    with Grafana(rotation=request.param) as server:
        yield server


@pytest.mark.parametrize(
    ("login", "org_header", "org"),
    [
        ("viewer", None, {"id": 1, "name": "Main Org."}),
        ("viewer2", None, {"id": 2, "name": "Other Org."}),
        ("both", "2", {"id": 2, "name": "Other Org."}),
        ("both", "not a number", {"id": 1, "name": "Main Org."}),
        ("viewer", "2", None),  # not in it
        ("admin", "3", None),  # there is none
        ("nobody", None, None),
    ],
)
def test_the_org_is_the_headers_or_the_users(
    server: Grafana, login: str, org_header: str | None, org: dict[str, object] | None
) -> None:
    headers = basic(login) | ({"X-Grafana-Org-Id": org_header} if org_header else {})
    reply = server.ask("GET", "/api/org", headers=headers)
    if org is None:
        assert (reply.status, reply.json["title"]) == (403, "Access denied")
    else:
        assert (reply.status, reply.json | org) == (200, reply.json)


def test_a_service_account_stays_in_its_org(server: Grafana) -> None:
    headers = bearer(server.add_account("robot", "Viewer", org_id=2)) | {"X-Grafana-Org-Id": "1"}
    assert server.ask("GET", "/api/org", headers=headers).json["id"] == 2
    assert server.ask("GET", "/api/user", headers=headers).status == 404


def test_basic_carries_a_token_as_api_key(server: Grafana) -> None:
    token = server.add_account("script", "Viewer")
    assert server.ask("GET", "/api/org", headers=basic("api_key", token)).json["id"] == 1


_NEW_401 = {"extra": None, "statusCode": 401, "traceID": ""}


@pytest.mark.parametrize(
    ("headers", "new", "old"),
    [
        ({}, ("auth.unauthorized", "Unauthorized"), "Unauthorized"),
        (bearer("glsa_none"), ("api-key.invalid", "Invalid API key"), "invalid API key"),
        (
            basic("viewer", "wrong"),
            ("password-auth.failed", "Invalid username or password"),
            "invalid username or password",
        ),
        (cookie("none"), ("auth.unauthorized", "Unauthorized"), "Unauthorized"),
    ],
    ids=["nothing", "bearer", "basic", "cookie"],
)
def test_the_words_of_a_401(server: Grafana, headers: dict[str, str], new: tuple[str, str], old: str) -> None:
    reply = server.ask("GET", "/api/user", headers=headers)
    expected = (
        {"message": old} if server.flags.rotation == "old" else _NEW_401 | {"messageId": new[0], "message": new[1]}
    )
    assert (reply.status, reply.json) == (401, expected)
    assert reply.header("Content-Type") == "application/json; charset=UTF-8"
    assert reply.body.endswith(b"}\n")


@pytest.mark.parametrize("headers", [{}, bearer("glsa_none"), basic("viewer", "wrong"), cookie("none")])
def test_anonymous_takes_over_where_credentials_fail(headers: dict[str, str]) -> None:
    with Grafana(anonymous_org=2) as server:
        reply = server.ask("GET", "/api/org", headers=headers)
        assert (reply.status, reply.json["id"]) == (200, 2)
        assert server.ask("GET", "/api/user", headers=headers).status == 401
        server.set_flags(rotation="old")
        refused = "Authorization" in headers
        assert server.ask("GET", "/api/org", headers=headers).status == (401 if refused else 200)


def test_of_two_cookies_the_first_counts(server: Grafana) -> None:
    viewer, editor = server.log_in("viewer"), server.log_in("editor")
    both = {"Cookie": f'x=1; grafana_session={editor}; grafana_session="{viewer}"'}
    assert server.ask("GET", "/api/user", headers=both).json["login"] == "editor"
    assert server.ask("GET", "/api/user", headers={"Cookie": f'grafana_session="{viewer}"'}).json["login"] == "viewer"


def test_the_current_org_is_switched(server: Grafana) -> None:
    server.add_user("mover", {1: "Viewer", 2: "Editor"})
    orgs = server.ask("GET", "/api/user/orgs", headers=basic("mover")).json
    assert [(org["orgId"], org["role"]) for org in orgs] == [(1, "Viewer"), (2, "Editor")]
    assert server.ask("POST", "/api/user/using/2", headers=basic("mover")).status == 200
    assert server.ask("GET", "/api/org", headers=basic("mover")).json["id"] == 2
    assert server.ask("POST", "/api/user/using/3", headers=basic("mover")).status == 401


def test_the_org_of_the_query_string_is_switched_to(server: Grafana) -> None:
    server.add_user("wanderer", {1: "Viewer", 2: "Editor"})
    reply = server.ask("GET", "/api/org?orgId=2&x=1", headers=basic("wanderer"))
    assert (reply.status, reply.header("Location")) == (302, "/api/org?orgId=2&x=1")
    assert server.ask("GET", "/api/org?orgId=2&x=1", headers=basic("wanderer")).json["id"] == 2
    assert server.ask("GET", "/api/org?orgId=2", headers=basic("viewer")).status == 404


@pytest.mark.parametrize(
    ("method", "host", "origin", "allowed"),
    [
        ("POST", "grafana.example", "https://grafana.example", True),
        ("POST", "grafana.example:3000", "http://grafana.example:8080", True),
        ("POST", "grafana.example", "https://evil.example", False),
        ("GET", "grafana.example", "https://evil.example", False),
        ("POST", "grafana.example", None, True),
    ],
)
def test_a_cookie_from_another_site_is_refused(
    server: Grafana, method: str, host: str, origin: str | None, allowed: bool
) -> None:
    headers = {"Host": host} | ({"Origin": origin} if origin else {})
    with_cookie = server.ask(method, "/api/ds/query", headers=headers | cookie(server.log_in("viewer")))
    assert (with_cookie.body == b"origin not allowed\n") != allowed
    assert server.ask(method, "/api/ds/query", headers=headers | basic("viewer")).body != b"origin not allowed\n"


def test_an_auth_proxy_names_the_user(server: Grafana) -> None:
    named = {"X-WEBAUTH-USER": "viewer"}
    assert server.ask("GET", "/api/user", headers=named).status == 401
    server.set_flags(auth_proxy_header="X-WEBAUTH-USER")
    try:
        assert server.ask("GET", "/api/user", headers=named).json["login"] == "viewer"
        assert server.ask("GET", "/api/user", headers=named | basic("editor")).json["login"] == "editor"
        assert server.ask("GET", "/api/user", headers={"X-WEBAUTH-USER": "stranger"}).status == 401
    finally:
        server.set_flags(auth_proxy_header="")
