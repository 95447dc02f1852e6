"""A real browser, and a stage for it to look at."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.desk import Desk
from tests.browser.hands import enter
from tests.browser.stage import Stage
from tests.chromium import chromium

WAIT_MS = 5_000

# What the browser itself says when a server is away: expected wherever a test takes it away.
NETWORK = ("WebSocket connection to", "Failed to load resource")


class Screens:
    """Opens pages, and remembers what went wrong on them."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.problems: list[str] = []

    @contextmanager
    def open(self, **how: Any) -> Iterator[Page]:
        """A page in a context of its own; `how` is `Browser.new_context`'s."""
        context = self._browser.new_context(**how)
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda message: self._heard(message.type, message.text))
        yield page
        context.close()

    def _heard(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not text.startswith(NETWORK):
            self.problems.append(text)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def screens(browser: Browser) -> Iterator[Screens]:
    """Pages on which no script fails and the Content-Security-Policy is never broken."""
    screens = Screens(browser)
    yield screens
    assert screens.problems == []


@pytest.fixture
def page(screens: Screens) -> Iterator[Page]:
    with screens.open() as page:
        yield page


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as stage:
        yield stage


@pytest.fixture
def desk() -> Iterator[Desk]:
    with Desk(user_id="ops", names={"mallory": "Mallory"}) as desk:
        yield desk


@pytest.fixture
def at_desk(page: Page, desk: Desk) -> Page:
    """A page on which an operator has signed in."""
    enter(page, desk)
    return page
