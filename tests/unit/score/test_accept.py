"""Accepting increments, on a ledger in memory."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest

from libs.common.batching import Lanes
from libs.common.contracts.scores import Answer, Increment
from libs.common.errors import Unauthenticated, Unavailable
from libs.common.tokens import Claims
from services.score.domain.bounds import Bounds
from services.score.domain.increments import Entry, Settled
from services.score.domain.rates import Rate
from services.score.store.limiter import LocalLimiter
from services.score.usecases.admission import Admission
from services.score.usecases.increments import AcceptIncrements
from tests.fakes import MemoryLedger

NOW = datetime(2026, 3, 1, 23, tzinfo=UTC)


class Contexts:
    """A context is the user's name; `!` in front takes the permission away."""

    async def verify(self, token: str) -> Claims:
        if not token:
            raise Unauthenticated("the token is not valid")
        permissions = [] if token.startswith("!") else ["scores:write"]
        return Claims(token, "jti", NOW, NOW, {"permissions": permissions})


class FixedClock:
    """It is always the same time: an hour before midnight."""

    def monotonic(self) -> float:
        return 0.0

    def now(self) -> datetime:
        return NOW


def admission(default: Bounds = Bounds(1000)) -> Admission:  # noqa: B008
    return Admission(Contexts(), Contexts(), FixedClock(), bounds={}, default=default)


class SlowLedger(MemoryLedger):
    """Counts its batches, and lets others arrive while it works."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.broken = False

    async def send(self, entries: Sequence[Entry]) -> Sequence[Settled]:
        await asyncio.sleep(0.01)
        if self.broken:
            raise Unavailable("the ledger does not answer")
        self.batches.append(len(entries))
        return (await self.append(entries)).settled


@pytest.fixture
def ledger() -> SlowLedger:
    return SlowLedger()


@pytest.fixture
async def accept(ledger: SlowLedger) -> AsyncIterator[AcceptIncrements]:
    async with Lanes([ledger.send], max_batch=500, max_waiting=1000) as lanes:
        limiter = LocalLimiter(Rate(per_second=5, burst=5))
        yield AcceptIncrements(admission(), limiter, lanes, ledger, FixedClock())


def increment(user: str = "alice", key: str = "k", points: int = 10) -> Increment:
    return Increment(context=user, idempotency_key=key, score_increment=points)


async def one(accept: AcceptIncrements, item: Increment) -> Answer:
    (answer,) = await accept.answer([item])
    return answer


async def test_an_increment_is_answered_with_the_new_total(accept: AcceptIncrements) -> None:
    first = await one(accept, increment(key="a", points=10))
    second = await one(accept, increment(key="b", points=5))
    assert (first.new_score, first.version, first.remaining) == (10, 1, 4)
    assert (second.new_score, second.version) == (15, 2)


async def test_a_hundred_equal_requests_count_once_and_get_one_answer(
    accept: AcceptIncrements, ledger: SlowLedger
) -> None:
    answers = await asyncio.gather(*(one(accept, increment()) for _ in range(100)))
    assert {(a.new_score, a.version, a.refusal) for a in answers} == {(10, 1, "")}
    assert sum(not a.replayed for a in answers) == 1
    assert ledger.rows["alice"].score == 10


async def test_equal_items_of_one_batch_count_once(accept: AcceptIncrements) -> None:
    answers = await accept.answer([increment(), increment(), increment()])
    assert [a.new_score for a in answers] == [10, 10, 10]
    assert [a.replayed for a in answers] == [False, True, True]


async def test_another_body_under_the_same_key_is_refused(accept: AcceptIncrements) -> None:
    await one(accept, increment(points=10))
    again = await one(accept, increment(points=11))
    assert again.refusal == "idempotency-key-reused"


async def test_the_sixth_request_is_refused_and_another_user_is_not(
    accept: AcceptIncrements, ledger: SlowLedger
) -> None:
    answers = await accept.answer([increment(key=str(n)) for n in range(6)])
    assert [a.refusal for a in answers] == [""] * 5 + ["rate-limited"]
    assert answers[5].retry_after_seconds > 0
    assert (await one(accept, increment("bob"))).refusal == ""
    assert ledger.rows["alice"].score == 50


async def test_a_retry_beyond_the_rate_still_gets_the_stored_answer(
    accept: AcceptIncrements,
) -> None:
    await accept.answer([increment(key=str(n)) for n in range(5)])
    retry = await one(accept, increment(key="0"))
    assert (retry.refusal, retry.new_score, retry.replayed) == ("", 10, True)


async def test_one_refusal_does_not_touch_the_others(accept: AcceptIncrements) -> None:
    answers = await accept.answer(
        [increment(""), increment("!eve"), increment(points=1001), increment("bob")]
    )
    assert [a.refusal for a in answers] == [
        "unauthenticated",
        "forbidden",
        "invalid-request",
        "",
    ]


async def test_a_broken_ledger_is_an_answer_with_a_time_to_come_back(
    accept: AcceptIncrements, ledger: SlowLedger
) -> None:
    ledger.broken = True
    answer = await one(accept, increment())
    assert (answer.refusal, answer.retry_after_seconds) == ("unavailable", 1)
    ledger.broken = False
    assert (await one(accept, increment())).new_score == 10


async def test_what_arrives_during_a_commit_is_the_next_batch(
    accept: AcceptIncrements, ledger: SlowLedger
) -> None:
    first = asyncio.ensure_future(one(accept, increment("user-0")))
    await asyncio.sleep(0.005)  # the first is being committed
    await asyncio.gather(first, *(one(accept, increment(f"user-{n}")) for n in range(1, 50)))
    assert ledger.batches == [1, 49]


async def test_a_full_lane_says_so(ledger: SlowLedger) -> None:
    async with Lanes([ledger.send], max_batch=1, max_waiting=2) as lanes:
        limiter = LocalLimiter(Rate(1000, 1000))
        accept = AcceptIncrements(admission(), limiter, lanes, ledger, FixedClock())
        answers = await accept.answer([increment(f"user-{n}") for n in range(4)])
    assert [a.refusal for a in answers] == ["", "", "unavailable", "unavailable"]


async def test_a_day_that_is_spent_ends_at_midnight(ledger: SlowLedger) -> None:
    async with Lanes([ledger.send], max_batch=500, max_waiting=1000) as lanes:
        limiter = LocalLimiter(Rate(1000, 1000))
        daily = admission(Bounds(1000, per_day=15))
        accept = AcceptIncrements(daily, limiter, lanes, ledger, FixedClock())
        answers = await accept.answer([increment(key=key, points=10) for key in "ab"])
    assert [a.refusal for a in answers] == ["", "day-limit-reached"]
    assert answers[1].retry_after_seconds == 3600
