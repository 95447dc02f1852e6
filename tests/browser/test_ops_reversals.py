"""Taking increments back on the operator's page: tried dry first, then applied."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect
from pydantic import ValidationError

from libs.common.contracts.corrections import ReversalOrder, Selector
from tests.browser import answers as said
from tests.browser.answers import NOON
from tests.browser.conftest import Screens
from tests.browser.desk import Desk
from tests.browser.hands import button, confirm, dialog, enter, go, news
from tests.browser.test_page import eventually

pytestmark = pytest.mark.browser


def fill_order(page: Page, user: str = "mallory") -> None:
    page.get_by_label("User", exact=True).fill(user)
    page.get_by_label("Case").fill("fraud-9")
    page.get_by_label("Reason", exact=True).first.fill("bought points")


def test_a_reversal_is_tried_dry_then_applied_exactly_so(at_desk: Page, desk: Desk) -> None:
    go(at_desk, "reverse")
    apply = button(at_desk, "Apply…")
    expect(apply).to_be_disabled()
    fill_order(at_desk)
    button(at_desk, "Dry run").click()

    expect(at_desk.locator(".sums")).to_contain_text("8,800")
    before = at_desk.get_by_role("region", name="Top 10 before").get_by_role("listitem")
    after = at_desk.get_by_role("region", name="Top 10 after").get_by_role("listitem")
    expect(before.first).to_contain_text("mallory9,000")
    expect(after.nth(2)).to_contain_text("mallory")
    expect(after.nth(2)).to_contain_text("down 2")
    expect(at_desk.get_by_role("row").filter(has_text="−8,800")).to_contain_text("9,000")
    [tried] = desk.calls("POST")
    assert ReversalOrder.model_validate(tried.body).dry_run

    desk.answers["POST /api/admin/reversals"] = said.case("fraud-9", state="applying", done=5)
    desk.answers["GET /api/admin/reversals/fraud-9"] = said.case(
        "fraud-9", state="applying", done=5
    )
    expect(apply).to_be_enabled()
    apply.click()
    expect(dialog(at_desk)).to_contain_text(
        "user mallory: tried dry, 8,800 points in 20 entries of 1 user"
    )
    expect(dialog(at_desk).get_by_label("Reason")).to_have_value("bought points")
    confirm(at_desk, "Apply")
    expect(at_desk.get_by_role("heading", name="Case fraud-9")).to_be_visible()
    applied = desk.calls("POST")[-1].body
    assert applied == tried.body | {"dry_run": False}

    expect(at_desk.get_by_text("5 of 20")).to_be_visible()
    desk.answers["GET /api/admin/reversals/fraud-9"] = said.case("fraud-9")
    expect(at_desk.get_by_text("20 of 20")).to_be_visible()
    expect(button(at_desk, "Revert…")).to_be_visible()


def test_apply_is_off_once_the_selection_differs(at_desk: Page, desk: Desk) -> None:
    go(at_desk, "reverse/mallory")
    fill_order(at_desk)
    button(at_desk, "Dry run").click()
    apply = button(at_desk, "Apply…")
    expect(apply).to_be_enabled()

    at_desk.get_by_label("User", exact=True).fill("bob")
    expect(apply).to_be_disabled()
    expect(at_desk.get_by_text("The selection has changed: try it dry again.")).to_be_visible()
    at_desk.get_by_label("User", exact=True).fill("mallory")
    expect(apply).to_be_enabled()
    at_desk.get_by_label("From").fill("2026-11-23T12:00:00")
    expect(apply).to_be_disabled()
    at_desk.get_by_label("From").fill("")
    at_desk.get_by_label("Some entries of a user, by number").check()
    expect(apply).to_be_disabled()

    at_desk.get_by_label("A user’s, all").check()
    desk.answers["POST /api/admin/reversals"] = (409, "its entries are another case's")
    button(at_desk, "Dry run").click()
    expect(at_desk.get_by_role("alert")).to_contain_text("its entries are another case's")
    expect(apply).to_be_disabled()


def test_a_dry_run_that_finds_nothing_cannot_be_applied(at_desk: Page, desk: Desk) -> None:
    desk.answers["POST /api/admin/reversals"] = said.preview(entries=0, points=0, changes=[])
    go(at_desk, "reverse/mallory")
    fill_order(at_desk)
    button(at_desk, "Dry run").click()
    expect(at_desk.get_by_text("There is nothing to take back.")).to_be_visible()
    expect(button(at_desk, "Apply…")).to_be_disabled()


PRINT = "00112233445566778899aabbccddeeff"
SELECTORS: list[tuple[str, dict[str, str], dict[str, Any]]] = [
    ("A user’s, all", {"User": "eve"}, {"user_id": "eve"}),
    (
        "A user’s, all",
        {"User": "eve", "From": "2026-11-23T12:00:00", "Until": "2026-11-23T13:00:00"},
        {"user_id": "eve", "from_": "2026-11-23T12:00Z", "to": "2026-11-23T13:00Z"},
    ),
    (
        "Some entries of a user, by number",
        {"User": "eve", "Entry numbers": "3, 5\n8"},
        {"user_id": "eve", "seqs": [3, 5, 8]},
    ),
    (
        "Some entries of a user, by idempotency key",
        {"User": "eve", "Idempotency keys": "one\ntwo words\n"},
        {"user_id": "eve", "idempotency_keys": ["one", "two words"]},
    ),
    ("Those of a fingerprint", {"Fingerprint": PRINT}, {"fingerprint": PRINT}),
]


@pytest.mark.parametrize(("kind", "fields", "expected"), SELECTORS)
def test_each_kind_of_selection_is_sent_as_the_contract_says(
    screens: Screens, desk: Desk, kind: str, fields: dict[str, str], expected: dict[str, Any]
) -> None:
    with screens.open(timezone_id="UTC") as page:
        enter(page, desk, "reverse")
        page.get_by_label(kind).check()
        for label, text in fields.items():
            page.get_by_label(label, exact=True).fill(text)
        page.get_by_label("Case").fill("fraud-9")
        page.get_by_label("Reason", exact=True).first.fill("bought points")
        button(page, "Dry run").click()
        eventually(lambda: bool(desk.calls("POST")), page)
    order = ReversalOrder.model_validate(desk.calls("POST")[0].body)
    assert order.selector == Selector.model_validate(expected)


@pytest.mark.parametrize("field", ["Entry numbers", "Idempotency keys"])
def test_a_list_left_blank_is_never_taken_for_everything(
    at_desk: Page, desk: Desk, field: str
) -> None:
    go(at_desk, "reverse/mallory")
    kind = "number" if field == "Entry numbers" else "idempotency key"
    at_desk.get_by_label(f"Some entries of a user, by {kind}").check()
    at_desk.get_by_label(field).fill(" \n")
    fill_order(at_desk)
    button(at_desk, "Dry run").click()
    eventually(lambda: bool(desk.calls("POST")), at_desk)
    with pytest.raises(ValidationError, match="too_short"):
        ReversalOrder.model_validate(desk.calls("POST")[0].body)


def test_a_local_time_is_sent_as_the_moment_it_means(screens: Screens, desk: Desk) -> None:
    with screens.open(timezone_id="Asia/Kolkata") as page:
        enter(page, desk, "reverse/mallory")
        fill_order(page)
        page.get_by_label("From", exact=True).fill("2026-11-23T17:30:00")
        button(page, "Dry run").click()
        eventually(lambda: bool(desk.calls("POST")), page)
    assert ReversalOrder.model_validate(desk.calls("POST")[0].body).selector.from_ == NOON


def test_a_second_person_approves_and_a_refusal_stays_in_the_dialog(
    at_desk: Page, desk: Desk
) -> None:
    waiting = said.case(state="awaiting_approval", done=0)
    desk.answers["GET /api/admin/reversals/fraud-1"] = waiting
    desk.answers["POST /api/admin/reversals/fraud-1/approve"] = (403, "somebody else must approve")
    go(at_desk, "reversals")
    at_desk.get_by_role("link", name="fraud-1").click()
    button(at_desk, "Approve…").click()
    expect(dialog(at_desk).get_by_label("Reason")).to_be_hidden()
    confirm(at_desk, "Approve")
    expect(dialog(at_desk).get_by_role("alert")).to_contain_text("somebody else must approve")
    expect(dialog(at_desk).get_by_role("alert")).to_contain_text("req-7")

    desk.answers["POST /api/admin/reversals/fraud-1/approve"] = said.case(state="applying", done=1)
    desk.answers["GET /api/admin/reversals/fraud-1"] = said.case()
    confirm(at_desk, "Approve")
    expect(dialog(at_desk)).to_be_hidden()
    assert desk.calls("POST")[-1].body == {}
    expect(news(at_desk)).to_have_text("Case fraud-1: applying.")

    button(at_desk, "Revert…").click()
    confirm(at_desk, "Revert", "it was not them")
    eventually(lambda: desk.calls("POST")[-1].call.endswith("/revert"), at_desk)
    assert desk.calls("POST")[-1].body == {"reason": "it was not them"}


def test_a_case_that_waits_can_be_withdrawn(at_desk: Page, desk: Desk) -> None:
    desk.answers["GET /api/admin/reversals/fraud-1"] = said.case(state="awaiting_approval", done=0)
    desk.answers["POST /api/admin/reversals/fraud-1/withdraw"] = said.case(
        state="withdrawn", done=0
    )
    go(at_desk, "cases/fraud-1")
    button(at_desk, "Withdraw…").click()
    confirm(at_desk, "Withdraw", "wrong user")
    expect(news(at_desk)).to_have_text("Case fraud-1: withdrawn.")
    assert desk.calls("POST")[-1].body == {"reason": "wrong user"}
