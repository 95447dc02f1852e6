"""A slice of `python -m tests.fuzz`."""

import asyncio
import io

import httpx2
import pytest
from rich.console import Console

from libs.common.tokens import TokenType
from tests.faults.report import Row
from tests.fuzz import doors
from tests.fuzz.callers import Caller, Places
from tests.fuzz.campaign import Parts, troubles
from tests.fuzz.documents import Visit, visit
from tests.fuzz.tokens import Mint
from tests.stack import RunningStack

TOKENS = 300
NOISE = 60
SENDERS = 60
SEED = 1
# The smallest document; the long run asks everybody everything.
VISIT = Visit("scoreboard", Caller(), SEED, examples=3)


@pytest.fixture(scope="module")
def mint(stack: RunningStack) -> Mint:
    return asyncio.run(doors.find_mint(stack))


@pytest.fixture
def parts(stack: RunningStack, mint: Mint) -> Parts:
    return Parts(stack, mint, Console(file=io.StringIO()))


def held(rows: list[Row]) -> bool:
    return all(row.trials and not row.violations for row in rows)


async def test_no_forged_token_is_let_in_at_any_door(parts: Parts) -> None:
    rows = await parts.tokens(TOKENS, SEED)

    assert held(rows), rows


async def test_every_broken_stream_ends_rightly_and_disturbs_nobody(parts: Parts) -> None:
    rows = await parts.streams(NOISE, SEED)

    assert held(rows), rows


async def test_every_abuse_of_http_is_bounded_and_disturbs_nobody(parts: Parts) -> None:
    rows = await parts.senders(SENDERS)

    assert held(rows), rows


def test_what_a_document_says_is_so(stack: RunningStack) -> None:
    tally = visit(Places.of(stack), VISIT)

    assert not tally.failures, tally.examples
    assert tally.statuses[200]
    assert not tally.server_errors


@pytest.mark.parametrize(
    ("selector", "reason"),
    [
        ({}, "a\0"),
        ({"idempotency_keys": ["\0"]}, "why"),
        ({"from": "0001-01-01T00:00:00+14:00"}, "why"),
        ({"to": "9999-12-31T23:59:59-14:00"}, "why"),
    ],
    ids=["a NUL for a reason", "a NUL for a key", "before the calendar", "after the calendar"],
)
def test_what_the_ledger_could_not_hold_is_refused(
    stack: RunningStack, mint: Mint, selector: dict[str, object], reason: str
) -> None:
    admin = {"Authorization": f"Bearer {mint.good(TokenType.ACCESS, 'fuzz-held').text()}"}
    order = {"case_id": "x", "selector": {"user_id": "fuzz-held", **selector}, "reason": reason}
    with httpx2.Client(base_url=stack.urls["gateway"], headers=admin) as http:
        assert http.post("/api/scores", json={"score_increment": 1}).status_code == 200

        answer = http.post("/api/admin/reversals", json=order)

    assert answer.status_code == 422, answer.text


def test_nothing_of_all_this_was_an_exception(stack: RunningStack) -> None:
    assert troubles(stack) == []
