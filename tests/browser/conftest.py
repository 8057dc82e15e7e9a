"""One Chromium for all; each test has a profile of its own."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.servers.binaries import find


@pytest.fixture(scope="package")
def _browser() -> Iterator[Browser]:
    chromium = find("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture
def page(_browser: Browser) -> Iterator[Page]:
    with _browser.new_context() as context:
        yield context.new_page()
