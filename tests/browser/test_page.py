"""The page in a real browser: what it shows, and when it may be believed."""

import re
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Screens
from tests.browser.stage import Stage

pytestmark = pytest.mark.browser

WAIT_SECONDS = 5.0
HOSTILE = '<img src=x onerror="document.title=1"><b>bold</b>'
SCORES = "() => document.querySelector('live-scoreboard').shadowRoot.querySelectorAll('.points')"


def rows(page: Page) -> Locator:
    return page.locator("tr.row:not(.vacant)")


def state(page: Page) -> Locator:
    return page.locator(".state")


def eventually(true: Callable[[], bool], page: Page) -> None:
    """Wait for what happens on the stage; the page goes on meanwhile."""
    end = time.monotonic() + WAIT_SECONDS
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        page.wait_for_timeout(20)


def watch(page: Page, stage: Stage) -> None:
    """Open the page, and let it see alice before bob."""
    page.goto(stage.url)
    eventually(lambda: bool(stage.opened), page)
    stage.show(("alice", 30), ("bob", 20), rev=1)
    expect(rows(page)).to_have_count(2)


def test_the_first_snapshot_fills_the_table(page: Page, stage: Stage) -> None:
    stage.names = {"alice": "Alice", "bob": "Bob"}
    watch(page, stage)
    expect(page.get_by_role("table", name="Live top players")).to_be_visible()
    expect(page.get_by_role("columnheader")).to_have_text(
        ["#Rank", "Player", "Places moved", "Score"]
    )
    expect(page.get_by_role("rowheader")).to_have_text([re.compile("Alice"), re.compile("Bob")])
    expect(page.locator(".points")).to_have_text(["30", "20"])
    expect(state(page)).to_have_text("Live")


def test_nothing_shifts_when_the_first_snapshot_comes(page: Page, stage: Stage) -> None:
    page.add_init_script(
        "window.shift = 0; new PerformanceObserver(list => list.getEntries()"
        ".forEach(entry => { window.shift += entry.value }))"
        ".observe({type: 'layout-shift', buffered: true})"
    )
    page.goto(stage.url)
    expect(page.locator("tr.vacant")).to_have_count(10)
    stage.show(*((f"user{n}", 100 - n) for n in range(10)), rev=1)
    expect(rows(page)).to_have_count(10)
    page.wait_for_timeout(200)
    assert page.evaluate("window.shift") < 0.01


def test_an_empty_board_says_how_to_begin(page: Page, stage: Stage) -> None:
    page.goto(stage.url)
    stage.show(rev=0)
    expect(page.get_by_text("No scores yet.")).to_be_visible()
    expect(page.get_by_text(f"curl {stage.url}/api/scores")).to_be_visible()


def test_a_row_moves_with_its_player(page: Page, stage: Stage) -> None:
    page.add_init_script(
        "window.moved = []; const animate = Element.prototype.animate;"
        "Element.prototype.animate = function (...how) {"
        " if (this.matches('tr.row')) window.moved.push(this); return animate.apply(this, how) }"
    )
    watch(page, stage)
    page.evaluate("window.moved = []")
    rows(page).nth(1).evaluate("row => { row.wasSecond = true }")
    stage.show(("bob", 40), ("alice", 30), rev=2, moves={"bob": 1, "alice": -1})
    expect(page.locator(".name")).to_have_text(["bob", "alice"])
    assert rows(page).first.evaluate("row => row.wasSecond")
    expect(page.locator(".arrow").first).to_contain_text("up 1")
    assert rows(page).first.evaluate("row => window.moved.includes(row)")
    rows(page).first.evaluate("row => Promise.all(row.getAnimations().map(a => a.finished))")
    tops = rows(page).evaluate_all("rows => rows.map(row => row.getBoundingClientRect().top)")
    assert tops == sorted(tops)


def test_rows_do_not_slide_for_who_wants_less_motion(screens: Screens, stage: Stage) -> None:
    with screens.open(reduced_motion="reduce") as page:
        watch(page, stage)
        stage.show(("bob", 40), ("alice", 30), rev=2)
        expect(page.locator(".name")).to_have_text(["bob", "alice"])
        assert rows(page).first.evaluate("row => row.getAnimations().length") == 0


def test_no_score_is_shown_that_was_not_sent(page: Page, stage: Stage) -> None:
    watch(page, stage)
    page.evaluate(
        f"() => {{ window.seen = []; const cells = ({SCORES})();"
        "new MutationObserver(() => window.seen.push(cells[0].textContent))"
        ".observe(cells[0], {childList: true, characterData: true, subtree: true}) }"
    )
    stage.show(("alice", 9000), ("bob", 20), rev=2)
    expect(page.locator(".points").first).to_have_text("9,000")
    page.wait_for_timeout(600)
    assert page.evaluate("window.seen") == ["9,000"]


def test_screen_readers_hear_what_moved_but_not_too_often(page: Page, stage: Stage) -> None:
    page.clock.install()
    watch(page, stage)
    news = page.locator("[aria-live=polite]:not([role])")
    stage.show(("bob", 40), ("alice", 30), rev=2)
    expect(news).to_have_text("bob moved to 1st")
    stage.show(("alice", 50), ("bob", 40), rev=3)
    expect(page.locator(".name")).to_have_text(["alice", "bob"])
    expect(news).to_have_text("bob moved to 1st")
    page.clock.fast_forward(4_000)
    expect(news).to_have_text("alice moved to 1st")


@pytest.mark.parametrize(("epoch", "rev"), [(1, 4), (1, 5), (0, 99)])
def test_what_is_not_newer_is_not_shown(page: Page, stage: Stage, epoch: int, rev: int) -> None:
    page.goto(stage.url)
    page.evaluate(
        "() => { window.shown = []; document.querySelector('live-scoreboard')"
        ".addEventListener('snapshot', ({detail}) => window.shown.push(detail.rev)) }"
    )
    stage.show(("alice", 30), rev=5)
    expect(page.locator(".points")).to_have_text(["30"])
    stage.show(("alice", 10), epoch=epoch, rev=rev)
    stage.show(("alice", 30), ("bob", 1), rev=6)
    expect(page.locator(".points")).to_have_text(["30", "1"])
    assert page.evaluate("window.shown") == [5, 6]


def test_a_new_epoch_is_newer_whatever_its_revision(page: Page, stage: Stage) -> None:
    page.goto(stage.url)
    stage.show(("alice", 30), rev=500)
    expect(page.locator(".points")).to_have_text(["30"])
    stage.show(("alice", 12), epoch=2, rev=0)
    expect(page.locator(".points")).to_have_text(["12"])


def test_silence_is_called_stale_and_then_the_stream_is_opened_again(
    page: Page, stage: Stage
) -> None:
    page.clock.install()
    watch(page, stage)
    page.clock.fast_forward(11_000)
    stage.push({"type": "heartbeat", "epoch": 1, "rev": 1})
    page.wait_for_timeout(100)
    page.clock.fast_forward(11_000)
    expect(state(page)).to_have_text("Live")
    page.clock.fast_forward(1_500)
    expect(state(page)).to_have_text("Stale")
    assert len(stage.opened) == 1
    page.clock.fast_forward(20_000)
    eventually(lambda: len(stage.opened) == 2, page)
    expect(state(page)).to_have_text("Live")


def test_a_stream_that_beats_but_brings_no_snapshot_is_opened_again(
    page: Page, stage: Stage
) -> None:
    watch(page, stage)
    for _ in range(2):
        stage.push({"type": "heartbeat", "epoch": 1, "rev": 7})
    eventually(lambda: len(stage.opened) == 2, page)


def test_after_a_restart_it_resumes_from_what_it_has(page: Page, stage: Stage) -> None:
    watch(page, stage)
    stage.stop()
    expect(state(page)).to_have_text("Reconnecting…")
    expect(rows(page)).to_have_count(2)
    stage.newest = None
    stage.start()
    eventually(lambda: len(stage.opened) == 2, page)
    assert stage.opened[-1].since == "1:1"
    stage.push({"type": "current", "epoch": 1, "rev": 1})
    expect(state(page)).to_have_text("Live")


def test_where_websockets_are_refused_server_sent_events_are_used(page: Page, stage: Stage) -> None:
    stage.refuse_websocket = True
    page.goto(stage.url)
    eventually(lambda: [opened.transport for opened in stage.opened] == ["ws", "sse"], page)
    stage.show(("alice", 30), rev=1)
    expect(page.locator(".points")).to_have_text(["30"])
    stage.show(("alice", 40), rev=2)
    expect(page.locator(".points")).to_have_text(["40"])
    stage.close_streams(4000)
    eventually(lambda: len(stage.opened) == 3, page)
    assert (stage.opened[-1].transport, stage.opened[-1].since) == ("sse", "1:2")


def test_a_draining_server_says_when_to_come_back(page: Page, stage: Stage) -> None:
    page.clock.install()
    watch(page, stage)
    stage.push({"type": "reconnect", "after_ms": 60_000})
    stage.close_streams(4000)
    expect(state(page)).to_have_text("Reconnecting…")
    page.clock.fast_forward(55_000)
    page.wait_for_timeout(100)
    assert len(stage.opened) == 1
    page.clock.fast_forward(6_000)
    eventually(lambda: len(stage.opened) == 2, page)


@pytest.mark.parametrize("code", [4500, 4501, 4502])
def test_a_final_close_code_ends_it_until_the_reader_asks(
    page: Page, stage: Stage, code: int
) -> None:
    page.clock.install()
    watch(page, stage)
    stage.close_streams(code)
    expect(state(page)).to_have_text("Disconnected")
    page.clock.fast_forward(120_000)
    page.wait_for_timeout(100)
    assert len(stage.opened) == 1
    page.get_by_role("button", name="Reconnect").click()
    eventually(lambda: len(stage.opened) == 2, page)
    expect(state(page)).to_have_text("Live")


def test_names_are_text_whatever_they_say(page: Page, stage: Stage) -> None:
    stage.names = {"alice": HOSTILE, "bob": "\u202eevil\u202c", "constructor": "Con"}
    page.goto(stage.url)
    stage.show(("alice", 30), ("bob", 20), ("constructor", 10), ("<i>nobody</i>", 5), rev=1)
    expect(page.locator(".name").nth(0)).to_have_text(HOSTILE)
    expect(page.locator(".name").nth(2)).to_have_text("Con")
    expect(page.locator(".name").nth(3)).to_have_text("<i>nobody</i>")
    assert page.locator(".name *").count() == 0
    expect(page).to_have_title("Live Scoreboard")


def test_a_rename_reaches_the_screen(page: Page, stage: Stage) -> None:
    page.clock.install()
    stage.names = {"alice": "Alice"}
    watch(page, stage)
    expect(page.locator(".name").first).to_have_text("Alice")
    stage.names = {"alice": "Alicia"}
    page.clock.fast_forward(30_000)
    expect(page.locator(".name").first).to_have_text("Alicia")


def test_light_and_dark_follow_the_system_until_the_reader_chooses(
    screens: Screens, stage: Stage
) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    with screens.open(color_scheme="light") as page:
        watch(page, stage)
        light = page.evaluate(ground)
        page.emulate_media(color_scheme="dark")
        dark = page.evaluate(ground)
        assert light != dark
        switch = page.get_by_role("button", name="Dark theme")
        expect(switch).to_have_attribute("aria-pressed", "true")
        switch.click()
        assert page.evaluate(ground) == light
        page.reload()
        expect(switch).to_have_attribute("aria-pressed", "false")
        assert page.evaluate(ground) == light


def test_a_phone_needs_no_sideways_scrolling(screens: Screens, stage: Stage) -> None:
    stage.names = {"alice": "W" * 40}
    with screens.open(viewport={"width": 320, "height": 640}) as page:
        watch(page, stage)
        stage.show(("alice", 2**53 - 1), ("bob", 2**53 - 2), rev=2)
        expect(page.locator(".points").first).to_have_text("9,007,199,254,740,991")
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        edges = [page.locator(part).first.bounding_box() for part in (".medal", ".name", ".points")]
        left_to_right = [(box["x"], box["x"] + box["width"]) for box in edges if box]
        assert left_to_right == sorted(left_to_right)
        for (_, end), (start, _) in pairwise([(0.0, 0.0), *left_to_right, (320.0, 320.0)]):
            assert end <= start


def test_everything_can_be_reached_by_keyboard(page: Page, stage: Stage) -> None:
    watch(page, stage)
    focused = "document.activeElement.id || document.activeElement.textContent.trim()"
    reached = []
    for _ in range(7):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(focused))
    assert reached[1:3] == ["theme", "open-sign-in"]
    assert reached[3:] == ["Put this board on your own page", "API", "Events", "Board as JSON"]
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"

    page.locator("#open-sign-in").press("Enter")
    expect(page.get_by_label("Login")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("#open-sign-in")).to_be_focused()


def test_another_site_can_show_the_board(screens: Screens, stage: Stage) -> None:
    host = (
        f'<script type="module" src="{stage.url}/embed.js"></script>'
        '<live-scoreboard limit="3" theme="dark"></live-scoreboard>'
    )
    with Stage(html=host) as site, screens.open() as page:
        page.goto(site.url)
        stage.show(*((f"user{n}", 100 - n) for n in range(10)), rev=1)
        expect(rows(page)).to_have_count(3)
        expect(state(page)).to_have_text("Live")
        assert site.opened == []
        page.locator("live-scoreboard").evaluate("board => board.remove()")
