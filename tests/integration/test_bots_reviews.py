"""The review queue on real PostgreSQL, from the crossing of a rule to a person's decision."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from libs.common.clock import system_clock
from libs.common.contracts.corrections import ReversalCase, ReversalOrder
from libs.common.contracts.reviews import Decision, Review, Switch
from libs.common.contracts.values import MAX_TOTAL
from libs.common.errors import Conflict, NotFound, Unavailable
from libs.devstack import provision
from services.score.domain.bots import Suspicion, rules_with
from services.score.domain.changes import Commit
from services.score.domain.corrections import Actor, ApprovalLimits
from services.score.domain.increments import Entry
from services.score.store.cases import Cases
from services.score.store.database import open_engine
from services.score.store.ledger import LedgerLane
from services.score.store.reviews import ReviewQueue
from services.score.store.signals import RedisSignals
from services.score.store.users import Users
from services.score.usecases.corrections import Corrections
from services.score.usecases.reviews import Reviews
from tests import servers

MARA, NICK = (Actor(name, frozenset({"fraud:write"})) for name in ("mara", "nick"))
WHOLE = {"signal": "active_hours", "window_seconds": 3600, "threshold": 1, "shadow": False}
TAG, HOLD, OTHER_HOLD = rules_with(
    {
        "tag": {**WHOLE, "action": "tag"},
        "hold": {**WHOLE, "action": "hold"},
        "other-hold": {**WHOLE, "action": "hold"},
    }
)[-3:]

_keys = count(1)


class BrokenReversals:
    async def request(self, order: ReversalOrder, actor: Actor) -> tuple[ReversalCase, bool]:
        raise Unavailable("the ledger does not answer")


@dataclass
class Desk:
    """The queue, the ledger behind it, and what was published."""

    admin_url: str
    lane: LedgerLane
    queue: ReviewQueue
    users: Users
    corrections: Corrections
    cases: Cases
    reviews: Reviews
    published: list[Commit] = field(default_factory=list)

    async def earn(self, user: str, *points: int) -> None:
        for n in points:
            await self.lane.append([Entry(user, f"key-{next(_keys)}", n)])

    async def suspect(self, user: str, rule: Any = HOLD, *, seconds_ago: float = 0) -> None:
        at = system_clock.now() - timedelta(seconds=seconds_ago)
        await self.queue.open(Suspicion(user, rule, 7.5, at))

    async def all(self, state: Any = None) -> list[Review]:
        return (await self.reviews.page(state=state, before=MAX_TOTAL, limit=100)).reviews

    async def decide(self, review: Review, decision: Any, actor: Actor = MARA) -> Review:
        order = Decision(decision=decision, reason="looked at it")
        return await self.reviews.decide(review.review_id, order, actor)

    async def held(self, user: str) -> bool:
        view = await self.users.ledger(user, at=None, seq=None, before=MAX_TOTAL, limit=1)
        return view.held

    async def score(self, user: str) -> int:
        view = await self.users.ledger(user, at=None, seq=None, before=MAX_TOTAL, limit=1)
        return view.score

    async def audit(self, user: str | None = None) -> list[tuple[str, str]]:
        page = await self.users.audit(user_id=user, case_id=None, before=MAX_TOTAL, limit=100)
        return [(line.actor, line.action) for line in reversed(page.acts)]

    async def execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.admin_url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@pytest.fixture
async def desk(database_url: str, redis_url: str) -> AsyncIterator[Desk]:
    url = provision.with_login(database_url, provision.SCORE.role, servers.PASSWORD)
    engine = open_engine(url, name="test", connections=4)
    redis = Redis.from_url(redis_url)
    lane, users = LedgerLane(url), Users(engine)
    cases = Cases(engine, ApprovalLimits(entries=100, points=1_000_000))
    published: list[Commit] = []
    corrections = Corrections(cases, users, published.append)
    queue = ReviewQueue(engine, published.append)
    signals = RedisSignals(redis, [TAG, HOLD], rate_per_second=5)
    reviews = Reviews(queue, corrections, signals, [TAG, HOLD])
    yield Desk(database_url, lane, queue, users, corrections, cases, reviews, published)
    await lane.close()
    await redis.aclose()
    await engine.dispose()


async def test_a_tag_opens_a_review_and_changes_nothing_else(desk: Desk) -> None:
    await desk.earn("alice", 10)
    await desk.suspect("alice", TAG)

    (review,) = await desk.all()
    assert (review.user_id, review.rule, review.action) == ("alice", "tag", "tag")
    assert (review.state, review.held) == ("open", False)
    assert review.evidence["value"] == 7.5
    assert "since" in review.evidence
    assert await desk.audit("alice") == [("rule:tag", "review.opened")]
    assert desk.published == []


async def test_a_hold_takes_the_user_off_the_board_in_the_same_act_and_no_point(
    desk: Desk,
) -> None:
    await desk.earn("alice", 10)
    await desk.suspect("alice", HOLD)
    await desk.earn("alice", 5)

    (review,) = await desk.all()
    assert review.held
    assert await desk.held("alice")
    assert await desk.score("alice") == 15
    ((change,),) = [commit.changes for commit in desk.published]
    assert (change.user_id, change.kind, change.held, change.score) == ("alice", "hold", True, 10)
    assert await desk.audit("alice") == [("rule:hold", "review.opened"), ("rule:hold", "user.held")]


async def test_at_most_one_review_is_open_for_a_user_and_a_rule(desk: Desk) -> None:
    await desk.earn("alice", 10)
    await desk.earn("bob", 10)
    await asyncio.gather(*(desk.suspect("alice", TAG) for _ in range(8)))
    await desk.suspect("alice", HOLD)
    await desk.suspect("bob", TAG)

    found = sorted((review.user_id, review.rule) for review in await desk.all())
    assert found == [("alice", "hold"), ("alice", "tag"), ("bob", "tag")]


async def test_who_was_looked_at_is_left_in_peace_for_a_week(desk: Desk) -> None:
    await desk.earn("alice", 10)
    await desk.suspect("alice")
    await desk.decide((await desk.all())[0], "accept")
    await desk.suspect("alice")
    assert [review.state for review in await desk.all()] == ["accepted"]
    assert not await desk.held("alice")

    await desk.execute("UPDATE score.review SET decided_at = decided_at - interval '8 days'")
    await desk.suspect("alice")
    assert [review.state for review in await desk.all()] == ["open", "accepted"]


async def test_accepting_releases_whom_the_rule_held(desk: Desk) -> None:
    await desk.earn("alice", 10)
    await desk.suspect("alice")
    (review,) = await desk.all()
    done = await desk.decide(review, "accept")

    assert (done.state, done.held, done.decided_by) == ("accepted", False, "mara")
    assert (done.reason, done.case_id) == ("looked at it", None)
    assert done.decided_at is not None
    assert [change.kind for c in desk.published for change in c.changes] == ["hold", "release"]
    assert (await desk.audit("alice"))[2:] == [
        ("mara", "user.released"),
        ("mara", "review.accepted"),
    ]


async def test_accepting_does_not_release_whom_a_moderator_held(desk: Desk) -> None:
    await desk.earn("alice", 10)
    await desk.corrections.set_held("alice", held=True, actor=NICK, reason="cheated")
    await desk.suspect("alice")
    await desk.decide((await desk.all())[0], "accept")

    assert await desk.held("alice")


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
async def test_two_holds_end_with_the_second_acceptance(desk: Desk, order: list[int]) -> None:
    await desk.earn("alice", 10)
    await desk.suspect("alice", HOLD)
    await desk.suspect("alice", OTHER_HOLD)
    reviews = await desk.all()

    assert (await desk.decide(reviews[order[0]], "accept")).held
    assert not (await desk.decide(reviews[order[1]], "accept")).held


async def test_two_people_who_accept_two_holds_at_once_leave_nobody_held(desk: Desk) -> None:
    await desk.earn("alice", 10)
    await desk.suspect("alice", HOLD)
    await desk.suspect("alice", OTHER_HOLD)
    await asyncio.gather(*(desk.decide(review, "accept") for review in await desk.all()))

    assert not await desk.held("alice")


async def test_a_person_can_hold_whom_a_rule_only_tagged(desk: Desk) -> None:
    await desk.earn("alice", 10)
    await desk.suspect("alice", TAG)
    done = await desk.decide((await desk.all())[0], "hold")

    assert (done.state, done.held) == ("held", True)
    assert (await desk.audit("alice"))[1:] == [("mara", "user.held"), ("mara", "review.held")]


async def test_an_accepted_rule_does_not_release_whom_another_review_holds(desk: Desk) -> None:
    await desk.earn("alice", 10)
    await desk.suspect("alice", HOLD)
    await desk.suspect("alice", TAG)
    tagged, by_rule = await desk.all()
    await desk.decide(tagged, "hold")

    assert (await desk.decide(by_rule, "accept")).held


async def test_reversing_takes_back_what_was_earned_since_the_window_began(desk: Desk) -> None:
    await desk.earn("alice", 100)
    await asyncio.sleep(0.05)
    at = system_clock.now() + timedelta(seconds=TAG.window_seconds)
    await desk.earn("alice", 7, 8)
    await desk.queue.open(Suspicion("alice", TAG, 1, at))
    (review,) = await desk.all()
    done = await desk.decide(review, "reverse")
    while await desk.cases.work(limit=10) is not None:
        pass

    assert (done.state, done.case_id) == ("reversed", f"review-{review.review_id}")
    assert await desk.score("alice") == 100
    case = await desk.corrections.find(f"review-{review.review_id}")
    assert (case.requested.by, case.entries, case.state) == ("mara", 2, "applied")
    assert ("mara", "review.reversed") in await desk.audit("alice")


async def test_a_reversal_that_is_refused_leaves_the_review_open(desk: Desk) -> None:
    await desk.earn("alice", 10)
    await desk.suspect("alice", TAG)
    (review,) = await desk.all()
    desk.reviews._reversals = BrokenReversals()
    with pytest.raises(Unavailable):
        await desk.decide(review, "reverse")

    assert [r.state for r in await desk.all()] == ["open"]
    assert (await desk.decide(review, "accept")).state == "accepted"


@pytest.mark.parametrize("first", ["accept", "hold", "reverse"])
@pytest.mark.parametrize("second", ["accept", "hold", "reverse"])
async def test_a_second_decision_is_a_conflict_and_changes_nothing(
    desk: Desk, first: str, second: str
) -> None:
    await desk.earn("alice", 10)
    await desk.suspect("alice")
    (review,) = await desk.all()
    done = await desk.decide(review, first)
    before = await desk.audit()
    with pytest.raises(Conflict):
        await desk.decide(review, second, NICK)

    assert await desk.all() == [done]
    assert await desk.audit() == before


async def test_of_two_decisions_at_once_one_counts(desk: Desk) -> None:
    await desk.earn("alice", 10)
    await desk.suspect("alice")
    (review,) = await desk.all()
    decisions = [desk.decide(review, decision) for decision in ("accept", "hold", "accept")]
    answers = await asyncio.gather(*decisions, return_exceptions=True)

    assert sorted(type(answer).__name__ for answer in answers) == ["Conflict", "Conflict", "Review"]


async def test_an_unknown_review_is_not_found(desk: Desk) -> None:
    with pytest.raises(NotFound):
        await desk.reviews.decide(4711, Decision(decision="accept", reason="why not"), MARA)


async def test_the_queue_is_read_in_pages_newest_first_and_by_state(desk: Desk) -> None:
    for n in range(5):
        await desk.earn(f"user-{n}", 1)
        await desk.suspect(f"user-{n}", TAG)
    await desk.decide((await desk.all())[2], "accept")

    pages, before = [], MAX_TOTAL
    while True:
        page = await desk.reviews.page(state=None, before=before, limit=2)
        pages.append([review.user_id for review in page.reviews])
        if not page.next:
            break
        before = int(page.next)
    assert pages == [["user-4", "user-3"], ["user-2", "user-1"], ["user-0"]]
    assert [r.user_id for r in await desk.all("open")] == ["user-4", "user-3", "user-1", "user-0"]
    assert [r.user_id for r in await desk.all("accepted")] == ["user-2"]


async def test_the_detector_is_switched_for_everybody_and_that_is_audited(desk: Desk) -> None:
    assert (await desk.reviews.detector()).enabled
    off = await desk.reviews.switch(Switch(enabled=False, reason="too many"), MARA)

    assert not off.enabled
    assert [rule.name for rule in off.rules] == ["tag", "hold"]
    assert not (await desk.reviews.detector()).enabled
    await desk.reviews.switch(Switch(enabled=True, reason="tuned"), NICK)
    assert (await desk.reviews.detector()).enabled
    assert await desk.audit() == [("mara", "bots.switched_off"), ("nick", "bots.switched_on")]
