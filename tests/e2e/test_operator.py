"""An operator puts a fraud right from the page, and takes it back; every screen follows."""

import json
import urllib.request
from collections.abc import Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.hands import button, confirm, go, news
from tests.chromium import chromium
from tests.stack import RunningStack, running_stack

pytestmark = pytest.mark.browser

WAIT_MS = 20_000
NETWORK = "Failed to load resource"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    with running_stack() as stack:
        yield stack


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page on which nothing may go wrong."""
    problems: list[str] = []
    page = browser.new_page()
    page.set_default_timeout(WAIT_MS)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda m: (
            problems.append(m.text)
            if m.type == "error" and not m.text.startswith(NETWORK)
            else None
        ),
    )
    yield page
    page.close()
    assert problems == []


def enter(page: Page, stack: RunningStack, role: str) -> None:
    page.goto(f"{stack.urls['gateway']}/ops")
    page.get_by_text("Use an access token").click()
    page.get_by_label("Access token").fill(stack.token("operator-1", [role]))
    button(page, "Use token").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_a_reversal_from_the_page_corrects_the_board_and_its_revert_restores_it(
    stack: RunningStack, browser: Browser, page: Page
) -> None:
    gateway = stack.urls["gateway"]
    for user, points in (("alice", 500), ("mallory", 9_000), ("mallory", 800)):
        post(gateway, stack.token(user), points)
    board = browser.new_page()
    board.goto(gateway)
    names = board.locator("tr.row .name")
    expect(names.first).to_have_text("mallory", timeout=WAIT_MS)

    enter(page, stack, "admin")
    expect(page.get_by_role("list", name="Services").get_by_text("OK", exact=True)).to_have_count(5)
    accepted = page.get_by_role("region", name="Updates per second").locator(".reading b").first
    expect(accepted).not_to_have_text("–")

    go(page, "reverse/mallory")
    page.get_by_label("Case").fill("fraud-1")
    page.get_by_label("Reason", exact=True).first.fill("bought points")
    button(page, "Dry run").click()
    expect(page.locator(".sums")).to_contain_text("9,800")
    button(page, "Apply…").click()
    confirm(page, "Apply")
    expect(page.get_by_text("applied", exact=True)).to_be_visible(timeout=WAIT_MS)
    expect(names.first).to_have_text("alice", timeout=WAIT_MS)

    button(page, "Revert…").click()
    confirm(page, "Revert", "it was not them")
    expect(page.get_by_text("reverted", exact=True)).to_be_visible(timeout=WAIT_MS)
    expect(names.first).to_have_text("mallory", timeout=WAIT_MS)
    board.close()


def test_a_held_user_leaves_the_board_and_every_panel_answers(
    stack: RunningStack, page: Page
) -> None:
    post(stack.urls["gateway"], stack.token("carol"), 70)
    enter(page, stack, "admin")
    go(page, "users/carol")
    ledger = page.get_by_role("region", name="Ledger", exact=True)
    button(ledger, "Hold…").click()
    confirm(page, "Hold", "a look first")
    expect(news(page)).to_have_text("carol is held, with 70 points.")
    button(ledger, "Release…").click()
    confirm(page, "Release", "all is well")
    expect(news(page)).to_have_text("carol is not held, with 70 points.")

    for panel in ("reviews", "reversals", "sessions", "detector", "audit"):
        go(page, panel)
        expect(page.locator("#panel [aria-busy]")).to_have_count(0)
        assert page.locator("#panel").get_by_role("alert").all_inner_texts() == [], panel
    expect(page.get_by_role("row").filter(has_text="a look first")).to_have_count(1)


def test_a_player_is_told_plainly_what_they_may_not_see(stack: RunningStack, page: Page) -> None:
    enter(page, stack, "player")
    expect(page.get_by_role("alert")).to_contain_text("Not allowed")
    go(page, "reviews")
    expect(page.get_by_role("alert")).to_contain_text("fraud:read")


def post(gateway: str, token: str, points: int) -> None:
    request = urllib.request.Request(  # noqa: S310 - our own gateway
        f"{gateway}/api/scores",
        json.dumps({"score_increment": points}).encode(),
        {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Idempotency-Key": uuid4().hex,
        },
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        assert answer.status == 200
