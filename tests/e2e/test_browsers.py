"""Real browsers on the real page; in a module of its own, because Playwright brings a loop."""

import json
import time
import urllib.request
from collections.abc import Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import Browser

from tests.chromium import chromium
from tests.stack import RunningStack, running_stack

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    with running_stack() as stack:
        yield stack


def test_a_post_is_on_two_screens_within_a_second(stack: RunningStack, browser: Browser) -> None:
    gateway = stack.urls["gateway"]
    errors: list[str] = []
    pages = [browser.new_page() for _ in range(2)]
    for page in pages:
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(gateway)
        page.get_by_text("Live", exact=True).first.wait_for(timeout=10_000)
    token = stack.token("alice")
    post(gateway, token, 1)  # the caches are warm from here on
    started = time.monotonic()
    answer = post(gateway, token, 4_321)
    for page in pages:
        page.get_by_text("4,322").first.wait_for(timeout=5_000)
    seconds = time.monotonic() - started
    print(f"POST answered {answer} and was on both screens after {seconds * 1000:.0f} ms")
    assert seconds < 1
    assert errors == []
    for page in pages:
        page.close()


def post(gateway: str, token: str, points: int) -> dict[str, object]:
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
        return dict(json.loads(answer.read()))
