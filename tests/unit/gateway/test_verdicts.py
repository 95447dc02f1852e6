"""Judging tokens: once, for a while, never past the end, and closed when auth is away."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest

from libs.common.batching import Lane
from libs.common.contracts.identities import Revocation, RevocationList
from libs.common.errors import Unauthenticated, Unavailable
from libs.common.revocations import Revocations
from libs.common.tasks import background
from services.gateway.usecases import verdicts
from services.gateway.usecases.verdicts import MAX_QUESTIONS, Judged, JudgeToken
from tests.unit.gateway.fakes import START, FakeClock, FakeJudge, a_verdict, token

ALICE = token("alice")
MAX_BATCH = 4


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def auth() -> FakeJudge:
    return FakeJudge(a_verdict())


@pytest.fixture
def revocations() -> Revocations:
    return Revocations()


@pytest.fixture
async def judge(
    auth: FakeJudge, revocations: Revocations, clock: FakeClock
) -> AsyncGenerator[JudgeToken]:
    familiar, strange, renewals = (
        Lane[str, Judged](auth.judge, max_batch=MAX_BATCH, max_waiting=MAX_QUESTIONS)
        for _ in range(3)
    )
    async with (
        background(familiar.run(), name="familiar"),
        background(strange.run(), name="strange"),
        background(renewals.run(), name="renewals"),
    ):
        yield JudgeToken(familiar, strange, renewals, revocations, clock)


async def test_a_verdict_is_remembered(judge: JudgeToken, auth: FakeJudge) -> None:
    first = await judge(ALICE)
    second = await judge(ALICE)

    assert first == second
    assert auth.questions == [ALICE]


async def test_a_verdict_is_forgotten_after_thirty_seconds(
    judge: JudgeToken, auth: FakeJudge, clock: FakeClock
) -> None:
    await judge(ALICE)
    clock.seconds = 19.9
    assert judge.remembered(ALICE) is not None
    clock.seconds = 30.0
    assert judge.remembered(ALICE) is None
    await judge(ALICE)

    assert len(auth.questions) == 2


async def test_a_verdict_that_is_used_is_renewed_before_its_end_and_nobody_waits(
    judge: JudgeToken, auth: FakeJudge, clock: FakeClock
) -> None:
    await judge(ALICE)
    clock.seconds = 20.0
    auth.open.clear()
    for _ in range(10):
        assert judge.remembered(ALICE) is not None
        assert (await judge(ALICE)).user_id == "alice"
    await settled()
    assert len(auth.questions) == 2
    auth.open.set()
    await settled()

    clock.seconds = 39.9
    assert judge.remembered(ALICE) is not None
    assert len(auth.questions) == 2


@pytest.mark.parametrize(
    ("error", "holds"), [(Unauthenticated("no"), False), (Unavailable("later"), True)]
)
async def test_what_a_renewal_hears(
    judge: JudgeToken,
    auth: FakeJudge,
    clock: FakeClock,
    error: Unauthenticated | Unavailable,
    *,
    holds: bool,
) -> None:
    """A refusal counts at once; without an answer the verdict holds to its end, and no longer."""
    await judge(ALICE)
    clock.seconds = 20.0
    auth.answer = error
    judge.remembered(ALICE)
    await settled()

    assert (judge.remembered(ALICE) is not None) is holds
    clock.seconds = 30.0
    assert judge.remembered(ALICE) is None


async def settled() -> None:
    """Long enough for an answer that is there."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_many_requests_ask_auth_once(judge: JudgeToken, auth: FakeJudge) -> None:
    auth.open.clear()
    waiting = [asyncio.ensure_future(judge(ALICE)) for _ in range(100)]
    await asyncio.sleep(0)
    auth.open.set()

    assert len({verdict.user_id for verdict in await asyncio.gather(*waiting)}) == 1
    assert auth.questions == [ALICE]


async def test_a_caller_that_gives_up_does_not_take_the_answer_from_others(
    judge: JudgeToken, auth: FakeJudge
) -> None:
    auth.open.clear()
    first = asyncio.ensure_future(judge(ALICE))
    second = asyncio.ensure_future(judge(ALICE))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    auth.open.set()

    assert (await second).user_id == "alice"
    assert first.cancelled()


async def test_a_verdict_never_outlives_its_token(
    judge: JudgeToken, auth: FakeJudge, clock: FakeClock
) -> None:
    auth.answer = a_verdict(expires_at=START + timedelta(seconds=12))
    await judge(ALICE)
    clock.seconds = 11.9
    await judge(ALICE)
    clock.seconds = 12
    with pytest.raises(Unauthenticated):
        await judge(ALICE)

    assert len(auth.questions) == 2


async def test_a_context_is_not_used_close_to_its_end(
    judge: JudgeToken, auth: FakeJudge, clock: FakeClock
) -> None:
    auth.answer = a_verdict(context_expires_at=START + timedelta(seconds=15))
    await judge(ALICE)
    clock.seconds = 5
    await judge(ALICE)

    assert len(auth.questions) == 2


async def test_a_context_that_is_nearly_over_serves_one_request(
    judge: JudgeToken, auth: FakeJudge
) -> None:
    auth.answer = a_verdict(context_expires_at=START + timedelta(seconds=5))

    await judge(ALICE)
    await judge(ALICE)

    assert len(auth.questions) == 2


@pytest.mark.parametrize("error", [Unauthenticated("no"), Unavailable("later")])
async def test_a_refusal_is_not_remembered(
    judge: JudgeToken, auth: FakeJudge, error: Unauthenticated | Unavailable
) -> None:
    auth.answer = error
    with pytest.raises(type(error)):
        await judge(ALICE)
    auth.answer = a_verdict()

    assert (await judge(ALICE)).user_id == "alice"


async def test_all_who_wait_hear_the_refusal(judge: JudgeToken, auth: FakeJudge) -> None:
    auth.answer = Unauthenticated("no")

    answers = await asyncio.gather(*(judge(ALICE) for _ in range(5)), return_exceptions=True)

    assert [type(answer) for answer in answers] == [Unauthenticated] * 5
    assert auth.questions == [ALICE]


async def test_remembered_verdicts_hold_while_auth_is_away(
    judge: JudgeToken, auth: FakeJudge
) -> None:
    await judge(ALICE)
    auth.answer = Unavailable("auth does not answer")

    assert (await judge(ALICE)).user_id == "alice"
    with pytest.raises(Unavailable):
        await judge(token("bob"))


@pytest.mark.parametrize(
    "revocation",
    [
        Revocation(user_id="alice", jti="jti-alice"),
        Revocation(user_id="alice", not_before=START + timedelta(seconds=1)),
    ],
)
async def test_a_revocation_counts_at_once(
    judge: JudgeToken, revocations: Revocations, revocation: Revocation
) -> None:
    await judge(ALICE)
    revocations.replace(RevocationList(etag="1", revocations=[revocation]))

    with pytest.raises(Unauthenticated):
        await judge(ALICE)


async def test_a_token_of_another_session_stays_good(
    judge: JudgeToken, revocations: Revocations
) -> None:
    revocations.replace(
        RevocationList(etag="1", revocations=[Revocation(user_id="alice", jti="other")])
    )

    assert (await judge(ALICE)).user_id == "alice"


@pytest.mark.parametrize("text", ["", "a", "a.b", "a.b.c.d", "a b.c.d", "é.b.c", "x" * 9000])
async def test_what_is_no_token_never_reaches_auth(
    judge: JudgeToken, auth: FakeJudge, text: str
) -> None:
    with pytest.raises(Unauthenticated):
        await judge(text)

    assert auth.questions == []


async def test_a_flood_of_unknown_tokens_is_bounded(
    judge: JudgeToken, auth: FakeJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "MAX_QUESTIONS", 3)
    auth.open.clear()
    waiting = [asyncio.ensure_future(judge(token(str(n)))) for n in range(3)]
    await asyncio.sleep(0)

    with pytest.raises(Unavailable):
        await judge(ALICE)

    auth.open.set()
    await asyncio.gather(*waiting)


async def test_what_is_asked_while_auth_thinks_is_asked_together(
    judge: JudgeToken, auth: FakeJudge
) -> None:
    auth.open.clear()
    tokens = [token(f"user-{number}") for number in range(2 * MAX_BATCH)]
    auth.answers = {each: a_verdict(each) for each in tokens}
    asked = [asyncio.ensure_future(judge(tokens[0]))]
    await asyncio.sleep(0.01)
    asked += [asyncio.ensure_future(judge(each)) for each in tokens[1:]]
    await asyncio.sleep(0.01)
    assert auth.batches == [tokens[:1]]
    auth.open.set()

    assert [verdict.user_id for verdict in await asyncio.gather(*asked)] == tokens
    assert sorted(auth.questions) == sorted(tokens)
    assert [len(batch) for batch in auth.batches] == [1, MAX_BATCH, MAX_BATCH - 1]


async def test_each_hears_what_is_said_of_their_own_token(
    judge: JudgeToken, auth: FakeJudge
) -> None:
    auth.open.clear()
    first = asyncio.ensure_future(judge(token("first")))
    await asyncio.sleep(0.01)
    auth.answers = {token("bad"): Unauthenticated("no"), token("later"): Unavailable("no")}
    names = ("good", "bad", "later", "fine")
    asked = [asyncio.ensure_future(judge(token(name))) for name in names]
    await asyncio.sleep(0.01)
    auth.open.set()

    answers = await asyncio.gather(first, *asked, return_exceptions=True)

    assert len(auth.batches) == 2
    assert [isinstance(answer, BaseException) for answer in answers] == [
        False, False, True, True, False,
    ]  # fmt: skip
    assert (type(answers[2]), type(answers[3])) == (Unauthenticated, Unavailable)


async def test_nobody_waits_for_auth_for_ever(
    judge: JudgeToken, auth: FakeJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "PATIENCE_SECONDS", 0.05)
    auth.open.clear()
    asked = [judge(token(f"user-{number}")) for number in range(MAX_BATCH + 1)]

    answers = await asyncio.gather(*asked, return_exceptions=True)

    assert {type(answer) for answer in answers} == {Unavailable}
    auth.open.set()
    assert await judge(ALICE)


async def test_who_is_of_a_known_kind_does_not_wait_with_strangers(
    judge: JudgeToken, auth: FakeJudge
) -> None:
    """Auth may be fetching another issuer's keys, which may not answer."""
    await judge(ALICE)
    auth.open.clear()
    stranger = asyncio.ensure_future(judge("elsewhere.bob.signature"))
    await asyncio.sleep(0.01)
    known = asyncio.ensure_future(judge(token("carol")))
    await asyncio.sleep(0.01)

    assert auth.batches[1:] == [["elsewhere.bob.signature"], [token("carol")]]
    auth.open.set()
    await asyncio.gather(stranger, known)
