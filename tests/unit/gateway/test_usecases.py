"""Adding a score, and reading names."""

import asyncio

import pytest
from pydantic import ValidationError

from libs.common.contracts.scores import Answer, Increment
from libs.common.errors import KeyReused, RateLimited, ScoreLimitReached, Unavailable
from services.gateway.usecases import scores
from services.gateway.usecases.names import ReadNames
from services.gateway.usecases.scores import AddScore
from tests.unit.gateway.fakes import FakeJudge, a_verdict

ALICE = a_verdict("alice")


class FakeLedger:
    """Answers at once, or never."""

    def __init__(self, answer: Answer | None) -> None:
        self.answer = answer
        self.submitted: list[tuple[str, Increment]] = []

    def submit(self, key: str, item: Increment) -> asyncio.Future[Answer]:
        self.submitted.append((key, item))
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if self.answer is not None:
            future.set_result(self.answer)
        return future


async def added(add: AddScore, points: int, **asked: str) -> Answer:
    counting = add.submit(ALICE, points, **asked)
    await asyncio.wait([counting])
    return scores.counted(counting)


async def test_an_increment_goes_out_in_its_users_order_with_the_users_context() -> None:
    ledger = FakeLedger(Answer(user_id="alice", new_score=10, version=1))

    answer = await added(AddScore(ledger), 10, idempotency_key="k", request_id="r")

    assert answer.new_score == 10
    assert ledger.submitted == [
        (
            "alice",
            Increment(
                context=ALICE.context, idempotency_key="k", score_increment=10, request_id="r"
            ),
        )
    ]


async def test_a_grant_stands_for_the_key_and_one_of_both_there_must_be() -> None:
    ledger = FakeLedger(Answer(user_id="alice", new_score=10, version=1))
    add = AddScore(ledger)

    await added(add, 10, idempotency_key="", request_id="r", fingerprint="f" * 32, grant="a.b.c")
    with pytest.raises(ValidationError, match="idempotency_key or a grant"):
        await added(add, 10, idempotency_key="", request_id="r")

    ((_, sent),) = ledger.submitted
    assert (sent.grant, sent.idempotency_key, sent.fingerprint) == ("a.b.c", "", "f" * 32)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("rate-limited", RateLimited),
        ("score-limit-reached", ScoreLimitReached),
        ("idempotency-key-reused", KeyReused),
        ("unavailable", Unavailable),
        ("a-code-of-tomorrow", Unavailable),
    ],
)
async def test_a_refusal_is_raised_as_what_it_is(code: str, error: type[Exception]) -> None:
    ledger = FakeLedger(Answer(refusal=code, detail="why", retry_after_seconds=0.2))

    with pytest.raises(error, match="why"):
        await added(AddScore(ledger), 10, idempotency_key="k", request_id="r")


async def test_no_answer_in_time_means_that_the_outcome_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scores, "DEADLINE_SECONDS", 0.01)

    with pytest.raises(Unavailable, match="same Idempotency-Key"):
        await added(AddScore(FakeLedger(None)), 10, idempotency_key="k", request_id="r")


async def test_each_has_the_same_patience_and_who_is_answered_needs_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scores, "DEADLINE_SECONDS", 0.2)
    ledger = FakeLedger(None)
    add = AddScore(ledger)
    answered, early = (add.submit(ALICE, 10, idempotency_key=key, request_id="r") for key in "ab")
    answered.set_result(Answer(user_id="alice", new_score=10, version=1))
    await asyncio.sleep(0.1)
    late = add.submit(ALICE, 10, idempotency_key="c", request_id="r")

    await asyncio.wait([early], timeout=1)
    assert not late.done()
    await asyncio.wait([late], timeout=1)

    assert scores.counted(answered).new_score == 10
    for future in (early, late):
        with pytest.raises(Unavailable):
            scores.counted(future)


async def test_names_are_asked_for_once_and_unknown_users_are_left_out() -> None:
    book = FakeJudge(ALICE)
    read = ReadNames(book)

    first = await read(["alice", "nobody"])
    second = await read(["alice", "nobody", "bob"])

    assert first == {"alice": "Alice"}
    assert second == {"alice": "Alice", "bob": "Bob"}
    assert book.questions == ["alice", "nobody", "bob"]
