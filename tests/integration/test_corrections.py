"""Reversals, holds and erasures on real PostgreSQL: exact, reversible, and never half done."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.clock import from_microseconds
from libs.common.contracts.corrections import Reason, ReversalCase, ReversalOrder, Selector
from libs.common.contracts.values import MAX_TOTAL
from libs.common.errors import (
    AppError,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    ScoreLimitReached,
)
from libs.devstack import provision
from services.score.domain.changes import Commit
from services.score.domain.corrections import Actor, ApprovalLimits
from services.score.domain.increments import Entry
from services.score.store.books import Books
from services.score.store.cases import Cases
from services.score.store.database import open_engine
from services.score.store.ledger import LedgerLane
from services.score.store.users import Users
from services.score.usecases.corrections import Corrections
from tests import servers

MARA, NICK = (Actor(name, frozenset({"fraud:write"})) for name in ("mara", "nick"))
BOT, OTHER_NETWORK = bytes.fromhex("b0" * 8 + "01" * 8), bytes.fromhex("b0" * 8 + "02" * 8)
HONEST = bytes.fromhex("aa" * 16)
LIMITS = ApprovalLimits(entries=20, points=1_000_000)

_cases = count(1)


@dataclass
class Desk:
    """A moderator's desk, and the ledger behind it."""

    url: str
    books: Books
    lane: LedgerLane
    users: Users
    cases: Cases
    corrections: Corrections
    offered: list[Commit] = field(default_factory=list)

    async def earn(self, user: str, *points: int, fingerprint: bytes | None = None) -> None:
        for n in points:
            await self.lane.append([Entry(user, f"key-{next(_cases)}", n, fingerprint)])

    async def board(self) -> list[tuple[str, int, datetime]]:
        return [
            (row.user_id, row.score, from_microseconds(row.reached_us))
            for row in (await self.books.top(limit=1000)).rows
        ]

    async def scores(self) -> dict[str, int]:
        return {user: score for user, score, _ in await self.board()}

    async def reverse(self, case_id: str = "", **selector: Any) -> ReversalCase:
        """Open a case and work on it until it is done, or waits."""
        asked = order(case_id or f"case-{next(_cases)}", **selector)
        case, _ = await self.corrections.request(asked, MARA)
        return await self.finish(case)

    async def revert(self, case: ReversalCase) -> ReversalCase:
        return await self.finish(await self.corrections.revert(case.case_id, MARA, "a mistake"))

    async def finish(self, case: ReversalCase, *, limit: int = 3) -> ReversalCase:
        while (commit := await self.cases.work(limit=limit)) is not None:
            self.offered.append(commit)
        return await self.corrections.find(case.case_id)

    async def rows(self, statement: str) -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(self.url)
        try:
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()


def order(case_id: str, *, dry_run: bool = False, **selector: Any) -> ReversalOrder:
    return ReversalOrder(
        case_id=case_id, selector=Selector(**selector), reason="bought points", dry_run=dry_run
    )


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    url = provision.with_login(database_url, provision.SCORE.role, servers.PASSWORD)
    engine = open_engine(url, name="test", connections=4)
    lane, users, cases = LedgerLane(url), Users(engine), Cases(engine, LIMITS)
    offered: list[Commit] = []
    corrections = Corrections(cases, users, offered.append)
    yield Desk(database_url, Books(engine), lane, users, cases, corrections, offered)
    await lane.close()
    await engine.dispose()


async def test_a_user_who_cheated_loses_it_all_and_gets_it_back_exactly(desk: Desk) -> None:
    await desk.earn("alice", 10, 20)
    await desk.earn("bob", 30)
    await desk.earn("cheat", 30, 500, 70)
    before = await desk.board()

    case = await desk.reverse(user_id="cheat")
    assert (case.state, case.done, case.entries) == ("applied", 3, 3)
    assert await desk.scores() == {"alice": 30, "bob": 30, "cheat": 0}

    case = await desk.revert(case)
    assert (case.state, case.done) == ("reverted", 3)
    assert await desk.board() == before


async def test_the_board_is_what_it_would_have_been_without_the_entries(desk: Desk) -> None:
    """A tie after a correction goes to who honestly reached the total first."""
    await desk.earn("early", 50)
    await desk.earn("late", 50)
    await desk.earn("early", 5, 5)

    await desk.reverse(user_id="early", seqs=[2, 3])

    assert [user for user, _, _ in await desk.board()] == ["early", "late"]


async def test_events_carry_the_new_state_and_a_higher_version(desk: Desk) -> None:
    await desk.earn("cheat", 1, 2, 3)
    await desk.reverse(user_id="cheat", seqs=[2])
    (change,) = [change for commit in desk.offered for change in commit.changes]
    assert (change.kind, change.score, change.version, change.held) == ("reversal", 4, 4, False)
    pending = await desk.books.backlog()
    assert pending[0] == 4  # every commit is in the outbox until it is published


async def test_a_range_takes_what_was_accepted_in_it(desk: Desk) -> None:
    await desk.earn("cheat", 1, 2, 4, 8)
    lines = (await desk.users.ledger("cheat", at=None, seq=None, before=99, limit=9)).entries
    times = {line.seq: line.created_at for line in lines}

    await desk.reverse(user_id="cheat", from_=times[2], to=times[4])

    assert await desk.scores() == {"cheat": 9}


async def test_a_fingerprint_is_found_over_all_users_and_networks(desk: Desk) -> None:
    for n in range(5):
        await desk.earn(f"bot-{n}", 100, fingerprint=BOT if n % 2 else OTHER_NETWORK)
    await desk.earn("bot-0", 7, fingerprint=HONEST)
    await desk.earn("alice", 7, fingerprint=HONEST)
    await desk.earn("bob", 7)

    narrow = await desk.corrections.preview(order("dry", fingerprint=BOT.hex()))
    assert (narrow.users, narrow.points) == (2, 200)
    await desk.reverse(fingerprint=BOT.hex()[:16])

    assert await desk.scores() == {
        **{f"bot-{n}": 0 for n in range(1, 5)},
        "bot-0": 7,
        "alice": 7,
        "bob": 7,
    }


async def test_keys_name_increments_too(desk: Desk) -> None:
    await desk.lane.append([Entry("cheat", "good", 1), Entry("cheat", "bad", 2)])
    await desk.reverse(user_id="cheat", idempotency_keys=["bad"])
    assert await desk.scores() == {"cheat": 1}


async def test_a_dry_run_says_what_a_case_does_and_leaves_nothing(desk: Desk) -> None:
    for n in range(12):
        await desk.earn(f"user-{n:02}", 100 - n)
    tables = await _everything(desk)

    preview = await desk.corrections.preview(order("dry", user_id="user-00", dry_run=True))

    assert await _everything(desk) == tables
    assert preview.top_10_before[0].user_id == "user-00"
    assert [entry.user_id for entry in preview.top_10_after] == [
        f"user-{n:02}" for n in range(1, 11)
    ]
    (change,) = preview.changes
    assert (change.user_id, change.score_before, change.score_after) == ("user-00", 100, 0)
    case = await desk.reverse("wet", user_id="user-00")
    assert case.preview == preview
    top = list((await desk.scores()).items())[:10]
    assert top == [(entry.user_id, entry.score) for entry in preview.top_10_after]


async def test_increments_go_on_while_a_case_is_worked_on(desk: Desk) -> None:
    await desk.earn("cheat", *[10] * 9)
    case, _ = await desk.corrections.request(order("mixed", user_id="cheat"), MARA)
    while await desk.cases.work(limit=2) is not None:
        await desk.earn("cheat", 1)
    done = await desk.corrections.find(case.case_id)
    assert (done.state, done.entries) == ("applied", 9)
    assert await desk.scores() == {"cheat": 5}  # what came after the choice is not touched
    await desk.revert(done)
    assert await desk.scores() == {"cheat": 95}


async def test_two_workers_never_do_the_same(desk: Desk) -> None:
    await desk.earn("cheat", *[1] * 20)
    await desk.corrections.request(order("twice", user_id="cheat"), MARA)

    async def work() -> None:
        for _ in range(30):
            await desk.cases.work(limit=2)

    await asyncio.gather(work(), work(), work())
    assert (await desk.corrections.find("twice")).state == "applied"
    assert await desk.scores() == {"cheat": 0}


async def test_what_was_given_back_can_be_taken_again(desk: Desk) -> None:
    await desk.earn("cheat", 5, 6)
    for _ in range(3):
        case = await desk.reverse(user_id="cheat")
        assert await desk.scores() == {"cheat": 0}
        await desk.revert(case)
        assert await desk.scores() == {"cheat": 11}


async def test_the_same_case_again_is_the_same_case(desk: Desk) -> None:
    await desk.earn("cheat", 5)
    first = await desk.reverse("once", user_id="cheat")
    again, is_new = await desk.corrections.request(order("once", user_id="cheat"), NICK)
    assert (again, is_new) == (first, False)
    assert await desk.scores() == {"cheat": 0}
    with pytest.raises(Conflict, match="another selector"):
        await desk.corrections.request(order("once", user_id="cheat", seqs=[1]), MARA)


async def test_what_another_case_took_is_left_out_unless_it_was_named(desk: Desk) -> None:
    await desk.earn("cheat", 5, 6)
    await desk.reverse("first", user_id="cheat", seqs=[1])
    second = await desk.reverse("second", user_id="cheat")
    assert (second.entries, second.preview.already_reversed) == (1, 1)
    assert await desk.scores() == {"cheat": 0}


async def _named_twice(desk: Desk) -> None:
    await desk.reverse("first", user_id="cheat", seqs=[1])
    await desk.reverse("second", user_id="cheat", seqs=[1, 2])


async def _overlapping(desk: Desk) -> None:
    await desk.corrections.request(order("first", user_id="cheat", seqs=[1]), MARA)
    await desk.corrections.request(order("second", user_id="cheat"), MARA)


async def _nothing_left(desk: Desk) -> None:
    await desk.reverse("first", user_id="cheat")
    await desk.reverse("second", user_id="cheat")


async def _unknown_user(desk: Desk) -> None:
    await desk.reverse(user_id="nobody")


async def _no_such_entry(desk: Desk) -> None:
    await desk.reverse(user_id="cheat", seqs=[1, 77])


async def _no_increment(desk: Desk) -> None:
    await desk.reverse(user_id="cheat", seqs=[1])
    await desk.reverse(user_id="cheat", seqs=[4])


async def _unknown_fingerprint(desk: Desk) -> None:
    await desk.reverse(fingerprint="0" * 16)


async def _unknown_case(desk: Desk) -> None:
    await desk.corrections.revert("nothing", MARA, "why not")


async def _not_waiting(desk: Desk) -> None:
    case = await desk.reverse(user_id="cheat", seqs=[1])
    await desk.corrections.approve(case.case_id, NICK)


async def _withdrawn_too_late(desk: Desk) -> None:
    case = await desk.reverse(user_id="cheat", seqs=[1])
    await desk.corrections.withdraw(case.case_id, MARA, "too late")


async def _hold_of_nobody(desk: Desk) -> None:
    await desk.corrections.set_held("nobody", held=True, actor=MARA, reason="none")


@pytest.mark.parametrize(
    ("mistake", "error", "words"),
    [
        (_named_twice, Conflict, "increment 1 of cheat is already reversed by case first"),
        (_overlapping, Conflict, "case first has already chosen 1"),
        (_nothing_left, InvalidRequest, "3 are already reversed"),
        (_unknown_user, NotFound, "nobody"),
        (_no_such_entry, InvalidRequest, "no increment of this user"),
        (_no_increment, InvalidRequest, "no increment of this user"),
        (_unknown_fingerprint, InvalidRequest, "matches no increment"),
        (_unknown_case, NotFound, "nothing"),
        (_not_waiting, Conflict, "waits for no approval"),
        (_withdrawn_too_late, Conflict, "cannot be withdrawn"),
        (_hold_of_nobody, NotFound, "nobody"),
    ],
)
async def test_a_mistake_is_told_and_changes_nothing(
    desk: Desk, mistake: Callable[[Desk], Awaitable[None]], error: type[AppError], words: str
) -> None:
    await desk.earn("cheat", 5, 6, 7)
    with pytest.raises(error, match=words):
        await mistake(desk)
    # What the mistake's first half did rightly stays; of the second there is no trace.
    cases = await desk.rows("SELECT case_id FROM score.reversal_case")
    assert len(cases) <= 1
    entries = await desk.rows("SELECT DISTINCT case_id FROM score.case_entry")
    assert set(entries) <= set(cases)


class TestLargeCases:
    @pytest.fixture
    async def large(self, desk: Desk) -> ReversalCase:
        await desk.earn("cheat", 2_000_000)
        return await desk.reverse("large", user_id="cheat")

    async def test_wait_for_a_second_person(self, desk: Desk, large: ReversalCase) -> None:
        assert large.state == "awaiting_approval"
        assert await desk.scores() == {"cheat": 2_000_000}
        with pytest.raises(Forbidden, match="somebody else"):
            await desk.corrections.approve("large", MARA)
        await desk.corrections.approve("large", NICK)
        done = await desk.finish(await desk.corrections.approve("large", NICK))
        assert done.state == "applied"
        assert done.approved is not None
        assert done.approved.by == "nick"
        assert await desk.scores() == {"cheat": 0}

    async def test_need_one_again_to_be_reverted(self, desk: Desk, large: ReversalCase) -> None:
        await desk.finish(await desk.corrections.approve("large", NICK))
        waiting = await desk.corrections.revert("large", NICK, "sorry")
        assert waiting.state == "revert_awaiting_approval"
        with pytest.raises(Forbidden):
            await desk.corrections.approve("large", NICK)
        kept = await desk.corrections.withdraw("large", NICK, "not sorry")
        assert kept.state == "applied"
        await desk.corrections.revert("large", NICK, "sorry")
        done = await desk.finish(await desk.corrections.approve("large", MARA))
        assert done.state == "reverted"
        assert await desk.scores() == {"cheat": 2_000_000}

    async def test_free_their_entries_when_withdrawn(self, desk: Desk, large: ReversalCase) -> None:
        withdrawn = await desk.corrections.withdraw("large", MARA, "wrong one")
        assert withdrawn.state == "withdrawn"
        again = await desk.reverse("larger", user_id="cheat")
        assert again.state == "awaiting_approval"


async def test_a_revert_never_passes_the_limit_of_a_total(desk: Desk) -> None:
    await desk.earn("cheat", 10)
    case = await desk.reverse(user_id="cheat")
    await desk.earn("cheat", MAX_TOTAL - 5)
    with pytest.raises(ScoreLimitReached):
        await desk.corrections.revert(case.case_id, MARA, "sorry")
    assert (await desk.corrections.find(case.case_id)).state == "applied"


async def test_a_hold_hides_and_a_release_gives_the_exact_place_back(desk: Desk) -> None:
    for user in ("a", "b", "c"):
        await desk.earn(user, 10)
    before = await desk.board()

    held = await desk.corrections.set_held("b", held=True, actor=MARA, reason="odd")
    again = await desk.corrections.set_held("b", held=True, actor=NICK, reason="odd")
    assert (held.held, held.version, again) == (True, 2, held)
    assert list(await desk.scores()) == ["a", "c"]
    await desk.earn("b", 1)

    await desk.reverse(user_id="b", seqs=[2])
    released = await desk.corrections.set_held("b", held=False, actor=MARA, reason="fine")
    assert (released.score, released.version) == (10, 5)
    assert await desk.board() == before
    kinds = [change.kind for commit in desk.offered for change in commit.changes]
    assert kinds == ["hold", "reversal", "release"]


async def test_an_erased_user_is_off_for_ever_and_leaves_no_fingerprint(desk: Desk) -> None:
    await desk.earn("gone", 10, 20, fingerprint=BOT)
    await desk.earn("stays", 5, fingerprint=BOT)
    for _ in range(2):
        await desk.corrections.erase("gone", actor=MARA, reason="asked for it")
    await desk.earn("gone", 30, fingerprint=BOT)  # with a token that had a second left
    assert await desk.scores() == {"stays": 5}
    view = await desk.users.ledger("gone", at=None, seq=None, before=99, limit=9)
    assert (view.score, view.erased) == (60, True)
    assert [line.fingerprint for line in view.entries] == [None] * 3
    assert await desk.rows("SELECT user_id FROM score.seen_client") == [("stays",)]
    with pytest.raises(Conflict, match="erased"):
        await desk.corrections.set_held("gone", held=False, actor=MARA, reason="oops")
    acts = await desk.rows("SELECT action FROM score.audit ORDER BY id")
    assert acts == [("user.held",), ("user.erased",)]


async def test_a_ledger_can_be_read_as_it_was(desk: Desk) -> None:
    await desk.earn("cheat", 5, 6)
    await desk.reverse("case", user_id="cheat", seqs=[2])
    now = await desk.users.ledger("cheat", at=None, seq=None, before=99, limit=2)
    assert (now.score, [line.seq for line in now.entries], now.next) == (5, [3, 2], "2")
    assert (now.entries[0].reverses_seq, now.entries[0].case_id) == (2, "case")
    assert (await desk.users.ledger("cheat", at=None, seq=2, before=99, limit=9)).score == 11
    moment = now.entries[1].created_at
    then = await desk.users.ledger("cheat", at=moment, seq=None, before=99, limit=9)
    assert (then.score, then.version) == (11, 2)
    long_ago = datetime.now(UTC) - timedelta(days=9)  # noqa: TID251
    empty = await desk.users.ledger("cheat", at=long_ago, seq=None, before=99, limit=9)
    assert (empty.score, empty.entries) == (0, [])


async def test_every_act_is_audited_by_who_when_and_why(desk: Desk) -> None:
    await desk.earn("cheat", 2_000_000)
    await desk.reverse("big", user_id="cheat")
    await desk.finish(await desk.corrections.approve("big", NICK))
    page = await desk.users.audit(user_id=None, case_id="big", before=MAX_TOTAL, limit=2)
    assert [(act.actor, act.action) for act in page.acts] == [
        ("mara", "reversal.applied"),
        ("nick", "reversal.approved"),
    ]
    rest = await desk.users.audit(user_id=None, case_id="big", before=int(page.next), limit=2)
    (first,) = rest.acts
    assert (first.actor, first.action, first.reason) == (
        "mara",
        "reversal.requested",
        "bought points",
    )
    assert first.detail == {"users": 1, "entries": 1, "points": 2_000_000}


@pytest.mark.parametrize(
    "selector",
    [
        {},
        {"seqs": [1]},
        {"user_id": "a", "seqs": []},
        {"user_id": "a", "seqs": [0]},
        {"user_id": "a", "seqs": [1], "idempotency_keys": ["k"]},
        {"user_id": "a", "seqs": [1], "from": "2026-01-01T00:00:00Z"},
        {"user_id": "a", "from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
        {"user_id": "a", "from": "2026-01-02T00:00:00"},
        {"user_id": "a", "everything": True},
        {"fingerprint": "xyz"},
        {"from": "2026-01-01T00:00:00Z"},
    ],
)
def test_a_selector_that_means_nothing_is_refused(selector: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Selector.model_validate(selector)
    with pytest.raises(ValueError, match="reason"):
        Reason(reason="")


USERS = ("ann", "bob", "cid")
_acts = st.lists(
    st.one_of(
        st.tuples(st.just("earn"), st.sampled_from(USERS), st.integers(1, 50)),
        st.tuples(st.just("reverse"), st.sampled_from(USERS), st.sets(st.integers(1, 6))),
        st.tuples(st.just("reverse all"), st.sampled_from(USERS), st.none()),
        st.tuples(st.just("revert"), st.integers(0, 9), st.none()),
        st.tuples(st.just("hold"), st.sampled_from(USERS), st.booleans()),
    ),
    max_size=14,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(acts=_acts)
async def test_any_corrections_leave_the_board_of_the_increments_that_count(
    desk: Desk, acts: list[tuple[str, Any, Any]]
) -> None:
    """The model knows increments only; what is reversed is as if it had never been made."""
    prefix = f"{next(_cases)}-"
    earned: dict[str, list[tuple[int, int, datetime]]] = {}  # seq, points, when
    out: dict[str, set[int]] = {}
    held: set[str] = set()
    done: list[tuple[ReversalCase, str, set[int]]] = []
    for act, who, what in acts:
        user = f"{prefix}{who}"
        increments = earned.setdefault(user, [])
        gone = out.setdefault(user, set())
        seqs = {seq for seq, _, _ in increments}
        if act == "earn":
            commit = await desk.lane.append([Entry(user, f"key-{next(_cases)}", what)])
            newest = await desk.users.ledger(user, at=None, seq=None, before=MAX_TOTAL, limit=1)
            increments.append((newest.entries[0].seq, what, commit.changes[0].reached_at))
        elif act.startswith("reverse"):
            named = None if what is None else {seq for seq in seqs if seq in what}
            takes = (seqs if named is None else named) - gone
            if not takes or (named is not None and named & gone):
                continue
            listed = None if named is None else sorted(named)
            done.append((await desk.reverse(user_id=user, seqs=listed), user, takes))
            gone |= takes
        elif act == "revert" and who < len(done) and done[who][0].state == "applied":
            case, owner, takes = done[who]
            done[who] = (await desk.revert(case), owner, takes)
            out[owner] -= takes
        elif act == "hold" and increments:
            await desk.corrections.set_held(user, held=what, actor=MARA, reason="odd")
            (held.add if what else held.discard)(user)

    def standing(user: str) -> tuple[int, datetime]:
        counts = [(n, at) for seq, n, at in earned[user] if seq not in out[user]]
        return sum(n for n, _ in counts), counts[-1][1] if counts else earned[user][0][2]

    expected = sorted(
        ((user, *standing(user)) for user, increments in earned.items() if increments),
        key=lambda row: (-row[1], row[2], row[0]),
    )
    mine = [row for row in await desk.board() if row[0].startswith(prefix)]
    assert mine == [row for row in expected if row[0] not in held]


async def _everything(desk: Desk) -> list[list[tuple[Any, ...]]]:
    tables = ("user_score", "score_entry", "reversal_case", "case_entry", "audit", "outbox")
    return [await desk.rows(f"TABLE score.{table} ORDER BY 1, 2") for table in tables]
