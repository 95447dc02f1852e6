"""The reader's own corner of the page: signing in, the own rank, and adding points."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.stage import Stage
from tests.browser.test_page import eventually, rows, watch

pytestmark = pytest.mark.browser


def sign_in(page: Page, password: str) -> None:
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Login").fill("alice")
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")


@pytest.fixture
def signed_in(page: Page, stage: Stage) -> Page:
    """A page on which alice has signed in, and her private stream is open."""
    stage.names = {"alice": "Alice"}
    watch(page, stage)
    sign_in(page, "correct horse")
    eventually(lambda: len(stage.opened) == 2, page)
    return page


def test_signing_in_opens_the_private_stream(signed_in: Page, stage: Stage) -> None:
    assert [opened.ticket for opened in stage.opened] == ["", "ticket-1"]
    assert stage.opened[-1].since == "1:1"
    bar = signed_in.get_by_role("region", name="You", exact=True)
    expect(bar).to_contain_text("Not on the board yet")
    stage.push({"type": "standing", "rank": 4012, "score": 1150, "user_id": "alice"})
    expect(bar).to_contain_text("4012th 1,150 points")
    expect(rows(signed_in).first).to_have_attribute("data-me", "")
    expect(rows(signed_in).first).to_contain_text("you")


def test_a_wrong_password_is_said_politely(page: Page, stage: Stage) -> None:
    watch(page, stage)
    sign_in(page, "wrong password")
    expect(page.get_by_role("alert")).to_have_text("login or password is wrong")
    assert len(stage.opened) == 1


def test_a_reload_keeps_the_session(signed_in: Page, stage: Stage) -> None:
    signed_in.reload()
    expect(signed_in.locator("#you")).to_be_visible()
    eventually(lambda: stage.opened[-1].ticket == "ticket-2", signed_in)


def test_signing_out_goes_on_as_anybody(signed_in: Page, stage: Stage) -> None:
    signed_in.get_by_role("button", name="Sign out").click()
    expect(signed_in.locator("#you")).to_be_hidden()
    eventually(lambda: len(stage.opened) == 3, signed_in)
    assert stage.opened[-1].ticket == ""
    assert signed_in.evaluate("sessionStorage.length") == 0


def test_each_connection_has_a_ticket_of_its_own(signed_in: Page, stage: Stage) -> None:
    stage.close_streams(4002)
    eventually(lambda: len(stage.opened) == 3, signed_in)
    assert stage.opened[-1].ticket == "ticket-2"


def test_each_press_is_an_increment_of_its_own(signed_in: Page, stage: Stage) -> None:
    add = signed_in.get_by_role("button", name="Add 10 points")
    for total in (1, 2):
        add.click()
        eventually(lambda total=total: len(stage.increments) == total, signed_in)  # type: ignore[misc]
        expect(add).to_be_enabled()
    expect(signed_in.get_by_text("Counted: 1,234 points")).to_be_visible()
    assert len(set(stage.increments)) == 2


def test_too_fast_is_said_politely(signed_in: Page, stage: Stage) -> None:
    stage.score_status = 429
    add = signed_in.get_by_role("button", name="Add 10 points")
    add.click()
    expect(signed_in.get_by_text("The next one counts in 1 s.")).to_be_visible()
    expect(add).to_be_disabled()
    expect(add).to_be_enabled()
    assert len(stage.increments) == 1


def test_without_an_answer_the_same_increment_is_sent_again(signed_in: Page, stage: Stage) -> None:
    stage.score_status = 503
    signed_in.get_by_role("button", name="Add 10 points").click()
    expect(signed_in.get_by_text("Counted: 1,234 points")).to_be_visible()
    assert len(stage.increments) == 2
    assert len(set(stage.increments)) == 1
