"""Its page in a real browser: who logs in sees a panel's answer, through a rotation too, until the logout."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.servers.binaries import find

from .server import Grafana


@pytest.fixture
def page() -> Iterator[Page]:
    chromium = find("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            yield browser.new_page()
        finally:
            browser.close()


@pytest.mark.parametrize("sub_path", ["", "/grafana"])
def test_a_login_a_panel_a_rotation_a_logout(page: Page, sub_path: str) -> None:
    with Grafana(sub_path=sub_path) as grafana:
        page.goto(f"{grafana.url}/d/panel")
        page.fill("[name=user]", "viewer")
        page.fill("[name=password]", "secret")
        page.click("button")
        expect(page.locator("#user")).to_have_text("viewer in Main Org.")
        expect(page.locator("#x-cache")).to_have_text("none")  # the login led back to the panel
        grafana.forget()
        page.goto(f"{grafana.url}/d/panel?expr=mine&from=1000&to=2000")
        expect(page.locator("#x-cache")).to_have_text("none")
        expect(page.locator("#answer")).to_contain_text('"mine"')
        grafana.turn_clock(600)
        page.reload()
        expect(page.locator("#x-cache")).to_have_text("none")
        expect(page.locator("#status")).to_have_text("200")
        assert grafana.executions("prom") == 2
        page.click("#logout")
        expect(page.locator("[name=user]")).to_be_visible()
        page.goto(f"{grafana.url}/d/panel")
        assert page.url == f"{grafana.url}/login"


def test_the_page_renews_the_session_that_its_query_is_refused_for(page: Page, grafana: Grafana) -> None:
    token = grafana.log_in("viewer")
    page.context.add_cookies([{"name": "grafana_session", "value": token, "url": grafana.url}])
    page.route("**/api/ds/query*", lambda route: (grafana.turn_clock(600), route.continue_()), times=1)
    page.goto(f"{grafana.url}/d/panel")
    expect(page.locator("#status")).to_have_text("200")
    assert page.context.cookies()[0].get("value") != token
