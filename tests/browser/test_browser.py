"""Grafana's users do not notice Millpond but for its speed: a real browser, the small Grafana, Millpond between."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.servers.grafana.server import Grafana, basic
from tests.servers.millpond import Millpond

PANEL = "/d/panel?expr=mine&from=1000000&to=2000000"


@contextmanager
def in_front(*uids: str, remember: str = "10s", **flags: Any) -> Iterator[tuple[Grafana, str]]:
    """A Grafana, and where users reach it through a Millpond that caches those of its data sources."""
    with Grafana(**flags) as grafana:
        path = f"path: {grafana.flags.sub_path}" if grafana.flags.taken_away else ""
        config = f"grafana: {{permission_ttl: {remember}, {path}}}"
        with Millpond("--grafana-url", grafana.url, config=config) as millpond:
            url = f"{millpond.url}{grafana.flags.sub_path}"
            for uid in uids:
                path = f"/api/datasources/{uid}/cache/enable"
                assert grafana.ask("POST", path, headers=basic("admin"), base=url).status == 200
            yield grafana, url


def log_in(page: Page, login: str = "viewer") -> None:
    page.fill("[name=user]", login)
    page.fill("[name=password]", "secret")
    page.click("button")
    expect(page.locator("#user")).to_contain_text(login)


def shows(page: Page, x_cache: str) -> None:
    """The panel has its answer, and this was in its head."""
    expect(page.locator("#status")).to_have_text("200")
    assert page.locator("#x-cache").text_content() == x_cache
    expect(page.locator("#answer")).to_contain_text('"mine"')
    expect(page.locator("#notice")).to_have_text("Cached response" if x_cache == "HIT" else "")


SUB_PATHS: list[dict[str, Any]] = [{}, {"sub_path": "/grafana"}, {"sub_path": "/grafana", "taken_away": True}]
"""None; one that Grafana serves; one that Millpond takes away."""


@pytest.mark.parametrize("flags", SUB_PATHS)
def test_a_login_a_query_a_hit_a_logout(page: Page, flags: dict[str, Any]) -> None:
    with in_front("prom", **flags) as (grafana, url):
        page.goto(f"{url}{PANEL}")
        assert page.url == f"{url}/login"
        log_in(page)
        shows(page, "MISS")  # the login led back to the panel
        page.reload()
        shows(page, "HIT")
        assert grafana.executions("prom") == 1
        page.click("#logout")
        expect(page.locator("[name=user]")).to_be_visible()
        assert page.context.cookies() == []
        page.goto(f"{url}{PANEL}")
        assert page.url == f"{url}/login"
        assert query(page, url)[0] == 401


def query(page: Page, url: str) -> tuple[int, str | None]:
    """The page's query once more, from its own script: status and X-Cache."""
    asked = """async (url) => {
        const query = {refId: "A", datasource: {type: "prometheus", uid: "prom"}, expr: "mine", intervalMs: 1000,
            maxDataPoints: 1000};
        const body = JSON.stringify({queries: [query], from: "1000000", to: "2000000"});
        const headers = {"Content-Type": "application/json"};
        const response = await fetch(`${url}/api/ds/query`, {method: "POST", headers, body});
        return [response.status, response.headers.get("X-Cache")];
    }"""
    status, x_cache = page.evaluate(asked, url)
    return int(status), x_cache


def test_a_session_that_was_logged_out_gets_no_hit_with_its_old_cookie(page: Page) -> None:
    with in_front("prom") as (_, url):
        page.goto(f"{url}{PANEL}")
        log_in(page)
        shows(page, "MISS")
        assert query(page, url) == (200, "HIT")
        kept = page.context.cookies()
        page.click("#logout")
        expect(page.locator("[name=user]")).to_be_visible()
        page.context.add_cookies([{"name": each["name"], "value": each["value"], "url": url} for each in kept])
        assert query(page, url) == (401, "BYPASS")


@pytest.mark.parametrize("rotation", ["old", "new"])
def test_a_session_goes_on_through_hits_while_it_is_renewed(page: Page, rotation: str) -> None:
    """In the old manner any answer may bring the new cookie; in the new one the page asks for it when it is refused."""
    with in_front("prom", rotation=rotation) as (grafana, url):
        page.goto(f"{url}{PANEL}")
        log_in(page)
        shows(page, "MISS")
        tokens = set()
        for _ in range(4):
            tokens.add(session(page))
            grafana.turn_clock(601)
            page.reload()
            shows(page, "HIT")
        assert len(tokens) == 4
        assert session(page) not in tokens
        assert grafana.executions("prom") == 1


@pytest.mark.parametrize("rotation", ["old", "new"])
def test_a_page_that_stays_open_goes_on_when_its_session_is_renewed(page: Page, rotation: str) -> None:
    """By its queries alone: in the old manner the new cookie comes with a hit."""
    with in_front("prom", rotation=rotation, remember="1ms") as (grafana, url):
        page.goto(f"{url}{PANEL}")
        log_in(page)
        shows(page, "MISS")
        for _ in range(3):
            before = session(page)
            grafana.turn_clock(601)
            page.evaluate("panel()")
            shows(page, "HIT")
            assert session(page) != before
        assert grafana.executions("prom") == 1


def session(page: Page) -> str:
    return next(each["value"] for each in page.context.cookies() if each["name"] == "grafana_session")


def test_the_panel_offers_a_cache_ttl_for_what_is_cached_alone(page: Page) -> None:
    with in_front("prom", "loki") as (_, url):
        page.goto(f"{url}{PANEL}")
        log_in(page)
        expect(page.locator("#cache-ttl")).to_have_attribute("placeholder", "300000")
        page.goto(f"{url}{PANEL}&source=mysql")
        shows(page, "DISABLED")
        expect(page.locator("#cache-ttl")).to_have_count(0)
        asked = """async (url) => {
            const get = async (path) => (await fetch(url + path)).json();
            const {settings} = await get("/bootdata");
            return [window.grafanaBootData.settings, settings, await get("/api/frontend/settings")];
        }"""
        for settings in page.evaluate(asked, url):
            caching = {name for name, each in settings["datasources"].items() if each["cachingConfig"]["enabled"]}
            assert caching == {"prom", "loki"}


@pytest.mark.parametrize("flags", SUB_PATHS)
def test_a_websocket_from_the_page(page: Page, flags: dict[str, Any]) -> None:
    with in_front("prom", **flags) as (_, url):
        page.goto(f"{url}{PANEL}")
        log_in(page)
        talked = """(url) => new Promise((done, failed) => {
            const socket = new WebSocket(url, ["centrifuge-json"]);
            const heard = [];
            socket.onmessage = ({data}) => {
                heard.push(data);
                socket.send(heard.length === 1 ? "hallo" : "close");
            };
            socket.onclose = ({code, reason}) => done([socket.protocol, ...heard, code, reason]);
            socket.onerror = () => failed("no connection");
        })"""
        told = page.evaluate(talked, f"{url.replace('http', 'ws', 1)}/api/live/ws")
        assert told == ["centrifuge-json", '{"user": "viewer", "org": 1}', "hallo", 4000, "as asked"]


def test_two_users_share_an_answer_and_a_third_of_another_organisation_does_not(page: Page) -> None:
    with in_front("prom") as (grafana, url):
        assert (
            grafana.ask("POST", "/api/datasources/prom/cache/enable", headers=basic("orgadmin2"), base=url).status
            == 200
        )
        for login, x_cache in (("viewer", "MISS"), ("editor", "HIT"), ("viewer2", "MISS"), ("both", "HIT")):
            page.context.clear_cookies()
            page.goto(f"{url}{PANEL}")
            log_in(page, login)
            shows(page, x_cache)
        assert (grafana.executions("prom"), grafana.executions("prom", org_id=2)) == (1, 1)
