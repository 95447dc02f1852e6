"""What an operator does on their page, whatever the test."""

from playwright.sync_api import Locator, Page, expect

from tests.browser.desk import Desk


def enter(page: Page, desk: Desk, panel: str = "overview") -> None:
    page.goto(f"{desk.url}/ops#{panel}")
    page.get_by_label("Login").fill("operator")
    page.get_by_label("Password").fill("correct horse")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def go(page: Page, panel: str) -> None:
    page.evaluate("panel => { location.hash = panel }", panel)
    expect(page.locator("#panel h1")).to_be_focused()


def button(page: Page | Locator, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog")


def confirm(page: Page, verb: str, reason: str = "") -> None:
    """Say yes to the dialog, and why."""
    if reason:
        dialog(page).get_by_label("Reason").fill(reason)
    button(dialog(page), verb).click()


def news(page: Page) -> Locator:
    return page.locator("#news")
