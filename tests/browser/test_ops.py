"""The operator's page in a real browser: it shows what the server says, and asks before it acts."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from libs.common.contracts.corrections import (
    MAX_LISTED_USERS,
    Act,
    AuditPage,
    ReversalList,
    Selector,
    UserChange,
)
from libs.common.contracts.reviews import ReviewList
from libs.common.contracts.status import StatusReport
from tests.browser import answers as said
from tests.browser.answers import NOON
from tests.browser.conftest import Screens
from tests.browser.desk import PER_REPORT, TOKEN, Desk
from tests.browser.hands import button, confirm, dialog, enter, go, news
from tests.browser.test_page import HOSTILE, eventually

pytestmark = pytest.mark.browser

PANELS = ["overview", "reviews", "reversals", "reverse", "cases/fraud-1", "users"]
PANELS += ["users/mallory", "sessions", "detector", "audit"]
STATUS = "GET /api/admin/status"
USER = "/api/admin/users/mallory"
# How many pixels of the first line's colour a canvas holds.
DRAWN = """canvas => {
  const key = canvas.closest('.chart').querySelector('.key');
  const [r, g, b] = getComputedStyle(key).color.match(/\\d+/g).map(Number);
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let found = 0;
  for (let i = 0; i < data.length; i += 4)
    found += data[i] === r && data[i + 1] === g && data[i + 2] === b && data[i + 3] === 255;
  return found;
}"""


def reading(page: Page, chart: str) -> Locator:
    return page.get_by_role("region", name=chart, exact=True).locator(".reading b")


def polls(desk: Desk) -> int:
    return len([asked for asked in desk.asked if asked.call == STATUS])


# --- signing in


def test_a_password_opens_the_overview(page: Page, desk: Desk) -> None:
    page.goto(f"{desk.url}/ops")
    page.get_by_label("Login").fill("operator")
    page.get_by_label("Password").fill("wrong password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("login or password is wrong")
    assert desk.asked == []

    page.get_by_label("Password").fill("correct horse")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.get_by_label("Login")).to_be_hidden()


def test_a_pasted_token_is_judged_kept_in_the_tab_and_forgotten(page: Page, desk: Desk) -> None:
    page.clock.install()
    page.goto(f"{desk.url}/ops")
    page.get_by_text("Use an access token").click()
    page.get_by_label("Access token").fill("nonsense")
    button(page, "Use token").click()
    expect(page.get_by_role("alert")).to_contain_text("the token is not valid")
    expect(page.get_by_role("alert")).to_contain_text("req-7")
    assert page.evaluate("sessionStorage.length") == 0

    page.get_by_label("Access token").fill(TOKEN)
    button(page, "Use token").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Signed in as ops")).to_be_visible()

    button(page, "Sign out").click()
    expect(page.get_by_label("Login")).to_be_visible()
    assert page.evaluate("sessionStorage.length + localStorage.length") == 0
    seen = polls(desk)
    page.clock.fast_forward(10_000)
    page.wait_for_timeout(100)
    assert polls(desk) == seen


def test_a_token_that_ends_leads_back_to_the_door(page: Page, desk: Desk) -> None:
    page.goto(f"{desk.url}/ops")
    page.get_by_text("Use an access token").click()
    page.get_by_label("Access token").fill(TOKEN)
    button(page, "Use token").click()
    desk.answers[STATUS] = (401, "the token has ended")
    expect(page.get_by_role("alert")).to_have_text("the token has ended")
    expect(page.get_by_label("Login")).to_be_visible()


# --- the overview


def test_services_and_figures_are_shown_and_drawn(at_desk: Page, desk: Desk) -> None:
    services = at_desk.get_by_role("list", name="Services").get_by_role("listitem")
    expect(services).to_have_count(5)
    expect(services.nth(2)).to_contain_text("score")
    expect(services.nth(2)).to_contain_text("postgresql")
    expect(reading(at_desk, "Streams")).to_have_text(["120", "3"])
    expect(reading(at_desk, "Freshness")).to_have_text(["50 ms", "21 ms"])
    expect(reading(at_desk, "Consumer lag")).to_have_text(["12"])

    eventually(lambda: polls(desk) >= 3, at_desk)
    rate = float(reading(at_desk, "Updates per second").first.inner_text())
    assert 0 < rate <= PER_REPORT
    canvases = at_desk.locator(".chart canvas")
    assert canvases.count() == at_desk.locator(".chart").count() >= 6
    for canvas in (canvases.nth(0), canvases.nth(3)):
        eventually(lambda canvas=canvas: canvas.evaluate(DRAWN) > 0, at_desk)  # type: ignore[misc]
    told = at_desk.get_by_role("img", name="records: 12 now, 12 to 12 in ten minutes")
    expect(told).to_have_count(1)


def test_over_one_chart_all_headlines_tell_that_moment(at_desk: Page, desk: Desk) -> None:
    eventually(lambda: polls(desk) >= 2, at_desk)
    times = at_desk.locator(".chart .at")
    expect(times.first).to_be_empty()
    at_desk.locator(".chart .u-over").first.hover(position={"x": 100, "y": 20})
    for chart in range(3):
        expect(times.nth(chart)).to_contain_text(":")


def test_a_hidden_tab_asks_nothing(page: Page, desk: Desk) -> None:
    turn = (
        "value => { Object.defineProperty(document, 'hidden', {value, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange')) }"
    )
    page.clock.install()
    enter(page, desk)
    eventually(lambda: polls(desk) >= 1, page)
    page.evaluate(turn, True)
    page.wait_for_timeout(300)
    seen = polls(desk)
    page.clock.fast_forward(10_000)
    page.wait_for_timeout(100)
    assert polls(desk) == seen
    page.evaluate(turn, False)
    eventually(lambda: polls(desk) > seen, page)


def test_figures_that_are_no_longer_true_are_called_stale(at_desk: Page, desk: Desk) -> None:
    expect(at_desk.locator(".since")).to_contain_text("Live")
    usual, desk.answers[STATUS] = desk.answers[STATUS], (503, "the gateway is starting")
    expect(at_desk.locator(".since")).to_contain_text("Stale")
    expect(at_desk.get_by_role("alert")).to_have_text("the gateway is startingRequest req-7")
    desk.answers[STATUS] = usual
    expect(at_desk.locator(".since")).to_contain_text("Live")
    expect(at_desk.get_by_role("alert")).to_have_count(0)


def test_a_process_in_trouble_says_what_it_lacks(page: Page, desk: Desk) -> None:
    report = said.report(accepted=1).model_dump()
    report["services"][2]["health"] = report["services"][2]["processes"][0]["health"] = (
        "unavailable"
    )
    report["services"][2]["processes"][0]["checks"]["redis"] = "TimeoutError"
    report["figures"] |= {"streams": None, "freshness": None}
    desk.answers[STATUS] = StatusReport.model_validate(report)
    enter(page, desk)
    score = page.get_by_role("listitem").filter(
        has=page.get_by_role("heading", name="score", exact=True)
    )
    expect(score).to_contain_text("Not ready")
    expect(score).to_contain_text("redis: TimeoutError")
    expect(reading(page, "Streams")).to_have_text(["–", "–"])


def test_what_is_not_allowed_is_said_and_the_rest_works(page: Page, desk: Desk) -> None:
    desk.answers[STATUS] = (403, "this needs the permission ops:read")
    desk.answers["POST /api/admin/reviews/7"] = (403, "this needs the permission fraud:write")
    page.clock.install()
    enter(page, desk)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Not allowed: this needs the permission ops:read")
    expect(alert).to_contain_text("req-7")
    page.clock.fast_forward(10_000)
    page.wait_for_timeout(100)
    assert polls(desk) == 1

    page.get_by_role("link", name="Reviews").click()
    button(page, "Hold").click()
    confirm(page, "Hold", "obvious")
    expect(dialog(page).get_by_role("alert")).to_contain_text(
        "this needs the permission fraud:write"
    )
    button(dialog(page), "Cancel").click()
    expect(page.get_by_role("cell").filter(has_text="open")).to_have_count(1)


# --- for everybody


def test_whatever_people_write_is_text(page: Page, desk: Desk) -> None:
    desk.names = {"mallory": HOSTILE, "ops": HOSTILE}
    evidence = {HOSTILE: HOSTILE}
    desk.answers["GET /api/admin/reviews"] = ReviewList(
        reviews=[said.review(rule=HOSTILE, evidence=evidence, reason=HOSTILE, decided_by="x")]
    )
    hostile = Act(by="mod", at=NOON, reason=HOSTILE)
    desk.answers["GET /api/admin/reversals"] = ReversalList(cases=[said.case(requested=hostile)])
    desk.answers["GET /api/admin/reversals/fraud-1"] = said.case(requested=hostile)
    desk.answers[f"GET {USER}"] = said.account(display_name=HOSTILE)
    desk.answers["GET /api/admin/audit"] = AuditPage(
        acts=[said.act(reason=HOSTILE, detail=evidence, user_id="mallory")]
    )
    desk.answers["GET /api/admin/nodes"] = (500, HOSTILE)
    enter(page, desk)
    expect(page.locator(".operator bdi")).to_have_text(HOSTILE)
    for panel in ("reviews", "reversals", "cases/fraud-1", "users/mallory", "sessions", "audit"):
        go(page, panel)
        expect(page.get_by_text(HOSTILE, exact=False).first).to_be_visible()
        assert page.locator("#panel img, .name *, dialog img").count() == 0
        assert page.title().endswith("Live Scoreboard")


def test_everything_can_be_done_by_keyboard(at_desk: Page, desk: Desk) -> None:
    def press_until(text: str) -> None:
        for _ in range(30):
            at_desk.keyboard.press("Tab")
            focused = "document.activeElement.textContent.trim()"
            if at_desk.evaluate(focused) == text:
                outline = "getComputedStyle(document.activeElement).outlineStyle"
                assert at_desk.evaluate(outline) == "solid"
                return
        raise AssertionError(f"{text} was not reached")

    press_until("Reviews")
    at_desk.keyboard.press("Enter")
    expect(at_desk.get_by_role("heading", name="Reviews")).to_be_focused()
    expect(at_desk.get_by_role("link", name="Reviews")).to_have_attribute("aria-current", "page")
    press_until("Hold")
    at_desk.keyboard.press("Enter")
    expect(dialog(at_desk).get_by_label("Reason")).to_be_focused()
    at_desk.keyboard.press("Escape")
    expect(dialog(at_desk)).to_be_hidden()
    expect(button(at_desk, "Hold")).to_be_focused()
    assert desk.calls("POST") == []

    at_desk.keyboard.press("Enter")
    at_desk.keyboard.type("too regular")
    press_until("Hold")
    at_desk.keyboard.press("Enter")
    expect(news(at_desk)).to_have_text("Review 7 of mallory: held.")

    at_desk.reload()
    at_desk.keyboard.press("Tab")
    expect(at_desk.get_by_role("link", name="Skip to the panel")).to_be_focused()
    at_desk.keyboard.press("Enter")
    expect(at_desk.get_by_role("heading", name="Reviews")).to_be_focused()


def test_every_control_has_a_name(at_desk: Page, desk: Desk) -> None:
    for panel in PANELS:
        go(at_desk, panel) if panel != PANELS[0] else None
        expect(at_desk.locator("#panel [aria-busy]")).to_have_count(0)
        names = at_desk.locator("button, input, select, textarea, a, progress, [role=img]")
        nameless = names.evaluate_all(
            "nodes => nodes.filter(node => node.checkVisibility() && !(node.ariaLabel"
            " || node.labels?.length || node.textContent.trim())).map(node => node.outerHTML)"
        )
        assert nameless == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(screens: Screens, desk: Desk, scheme: Any) -> None:
    desk.names = {"mallory": "W" * 40}
    changes = [
        UserChange(user_id="m" * 64, entries=1, score_before=2**53 - 1, score_after=0)
    ] * MAX_LISTED_USERS
    desk.answers["GET /api/admin/reversals/fraud-1"] = said.case(
        selector=Selector(user_id="m" * 64, seqs=list(range(1, 200))),
        preview=said.preview(changes=changes),
    )
    with screens.open(viewport={"width": 390, "height": 760}, color_scheme=scheme) as page:
        enter(page, desk)
        for panel in PANELS:
            go(page, panel) if panel != PANELS[0] else None
            expect(page.locator("#panel [aria-busy]")).to_have_count(0)
            assert page.evaluate("document.documentElement.scrollWidth") == 390, panel
        go(page, "reviews")
        button(page, "Reverse").click()
        confirm(page, "Reverse", "too regular")
        expect(dialog(page)).to_be_hidden()
