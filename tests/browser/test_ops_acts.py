"""What an operator decides about suspects, users and streams: asked first, then told."""

import pytest
from playwright.sync_api import Page, expect

from libs.common.contracts.corrections import HoldState, LedgerView
from libs.common.contracts.reviews import ReviewList
from tests.browser import answers as said
from tests.browser.conftest import Screens
from tests.browser.desk import Desk
from tests.browser.hands import button, confirm, dialog, enter, go, news
from tests.browser.test_page import eventually

pytestmark = pytest.mark.browser

USER = "/api/admin/users/mallory"


def test_a_decision_asks_why_and_shows_what_became_of_it(at_desk: Page, desk: Desk) -> None:
    go(at_desk, "reviews")
    row = at_desk.get_by_role("row").filter(has_text="metronome")
    expect(row).to_contain_text("interval deviation ms 1.2")
    button(row, "Hold").click()
    expect(dialog(at_desk)).to_contain_text("Hold mallory?")
    confirm(at_desk, "Hold")  # without a reason nothing is sent
    expect(dialog(at_desk)).to_be_visible()
    assert desk.calls("POST") == []

    confirm(at_desk, "Hold", "too regular")
    expect(dialog(at_desk)).to_be_hidden()
    [sent] = desk.calls("POST")
    assert sent.body == {"decision": "hold", "reason": "too regular"}
    expect(row).to_contain_text("held")
    expect(button(row, "Hold")).to_have_count(0)
    expect(news(at_desk)).to_have_text("Review 7 of mallory: held.")


def test_a_question_called_off_does_not_end_the_next_one(at_desk: Page, desk: Desk) -> None:
    go(at_desk, "reviews")
    button(at_desk, "Hold").click()
    at_desk.evaluate(
        "() => { document.querySelector('[data-cancel]').click();"
        "[...document.querySelectorAll('td button')].at(-1).click() }"
    )
    expect(dialog(at_desk)).to_contain_text("Reverse mallory?")
    at_desk.wait_for_timeout(100)
    confirm(at_desk, "Reverse", "too regular")
    expect(dialog(at_desk)).to_be_hidden()
    assert [asked.body["decision"] for asked in desk.calls("POST")] == ["reverse"]


def test_a_queue_is_read_page_by_page(at_desk: Page, desk: Desk) -> None:
    first = [said.review(review_id=n, user_id=f"user{n}") for n in (9, 8)]
    desk.answers["GET /api/admin/reviews"] = ReviewList(reviews=first, next="8")
    go(at_desk, "reviews")
    expect(at_desk.get_by_role("row")).to_have_count(3)
    desk.answers["GET /api/admin/reviews"] = ReviewList(reviews=[said.review()])
    button(at_desk, "Show more").click()
    expect(at_desk.get_by_role("row")).to_have_count(4)
    expect(button(at_desk, "Show more")).to_be_hidden()
    assert desk.asked[-1].query.get("before", "8") == "8"
    reads = [a.query for a in desk.asked if a.call == "GET /api/admin/reviews"]
    assert [read.get("before") for read in reads] == [None, "8"]
    assert {read["state"] for read in reads} == {"open"}


# --- users


def test_a_user_is_looked_up_banned_and_held(at_desk: Page, desk: Desk) -> None:
    go(at_desk, "users")
    at_desk.get_by_label("User id").fill("mallory")
    at_desk.keyboard.press("Enter")
    account = at_desk.get_by_role("region", name="Account")
    ledger = at_desk.get_by_role("region", name="Ledger", exact=True)
    expect(account).to_contain_text("may sign in")
    expect(ledger.get_by_role("row").nth(1)).to_contain_text("+10")

    desk.answers[f"GET {USER}"] = said.account(banned=True)
    button(account, "Ban…").click()
    confirm(at_desk, "Ban", "fraud")
    expect(news(at_desk)).to_have_text("mallory is banned.")
    expect(account).to_contain_text("banned")
    expect(button(account, "Ban…")).to_be_hidden()
    expect(button(account, "Unban…")).to_be_visible()

    desk.answers[f"GET {USER}/ledger"] = LedgerView(
        user_id="mallory", score=20, version=3, held=True, entries=[]
    )
    button(ledger, "Hold…").click()
    confirm(at_desk, "Hold", "fraud")
    expect(news(at_desk)).to_have_text("mallory is held, with 20 points.")
    expect(ledger).to_contain_text("held: off the board")
    desk.answers[f"POST {USER}/release"] = HoldState(
        user_id="mallory", held=False, score=20, version=4
    )
    button(ledger, "Release…").click()
    confirm(at_desk, "Release", "cleared")
    expect(news(at_desk)).to_have_text("mallory is not held, with 20 points.")
    button(account, "Close streams…").click()
    confirm(at_desk, "Close streams")
    expect(news(at_desk)).to_have_text("1 stream of mallory told to close.")
    assert [asked.body for asked in desk.calls("POST")] == [
        {"reason": "fraud"},
        {"reason": "fraud"},
        {"reason": "cleared"},
    ]


def test_a_ledger_is_read_at_a_time_or_after_an_entry(screens: Screens, desk: Desk) -> None:
    def at() -> str | None:
        return [a.query.get("at") for a in desk.asked if a.call == f"GET {USER}/ledger"][-1]

    with screens.open(timezone_id="UTC") as page:
        enter(page, desk, "users/mallory")
        ledger = page.get_by_role("region", name="Ledger", exact=True)
        expect(ledger.get_by_role("row")).to_have_count(3)
        assert at() is None
        page.get_by_label("At a time").fill("2026-11-23T12:00:00")
        button(ledger, "Show").click()
        eventually(lambda: at() == "2026-11-23T12:00:00.000Z", page)
        page.get_by_label("or after entry").fill("1")
        button(ledger, "Show").click()
        eventually(lambda: at() == "1", page)
        button(ledger, "Now").click()
        eventually(lambda: at() is None, page)


def test_an_account_that_may_not_be_seen_does_not_hide_the_ledger(
    at_desk: Page, desk: Desk
) -> None:
    desk.answers[f"GET {USER}"] = (403, "this needs the permission users:read")
    go(at_desk, "users/mallory")
    account = at_desk.get_by_role("region", name="Account")
    expect(account.get_by_role("alert")).to_contain_text("this needs the permission users:read")
    expect(at_desk.get_by_role("region", name="Ledger", exact=True)).to_contain_text("+10")


# --- sessions, detector, audit


def test_streams_are_closed_and_nodes_drained(at_desk: Page, desk: Desk) -> None:
    go(at_desk, "sessions")
    at_desk.get_by_role("row").filter(has_text="5f1d").get_by_role("button").click()
    confirm(at_desk, "Close")
    expect(news(at_desk)).to_have_text("1 stream told to close.")
    assert desk.calls("DELETE")[-1].call == "DELETE /api/admin/sessions/s-1"

    at_desk.get_by_label("User id").fill("mallory")
    expect(button(at_desk, "Close all of this user…")).to_be_hidden()
    button(at_desk, "Show").click()
    button(at_desk, "Close all of this user…").click()
    confirm(at_desk, "Close all")
    eventually(lambda: desk.calls("DELETE")[-1].call == f"DELETE {USER}/sessions", at_desk)

    node = at_desk.get_by_role("row").filter(has_text="123")
    button(node, "Drain…").click()
    confirm(at_desk, "Drain", "new release")
    expect(node).to_contain_text("draining")
    assert desk.calls("POST")[-1].body == {"reason": "new release"}


def test_the_detector_can_be_switched_off(at_desk: Page, desk: Desk) -> None:
    go(at_desk, "detector")
    expect(at_desk.get_by_role("row").filter(has_text="metronome")).to_contain_text("shadow")
    button(at_desk, "Switch off…").click()
    confirm(at_desk, "Switch off", "false alarms")
    expect(news(at_desk)).to_have_text("The detector is off.")
    expect(button(at_desk, "Switch on…")).to_be_visible()
    assert desk.calls("PUT")[-1].body == {"enabled": False, "reason": "false alarms"}


def test_the_audit_of_both_kinds_can_be_searched(at_desk: Page, desk: Desk) -> None:
    go(at_desk, "audit")
    expect(at_desk.get_by_role("cell", name="reversal.requested")).to_be_visible()
    at_desk.get_by_label("User id").fill("mallory")
    at_desk.get_by_role("searchbox", name="Case").fill("fraud-1")
    button(at_desk, "Show").click()
    search = {"user_id": "mallory", "case_id": "fraud-1", "limit": "50"}
    eventually(lambda: search in [asked.query for asked in desk.asked], at_desk)
    at_desk.get_by_role("combobox").select_option("Accounts")
    expect(at_desk.get_by_role("cell", name="user.banned")).to_be_visible()
    expect(at_desk.get_by_role("searchbox", name="Case")).to_be_hidden()
