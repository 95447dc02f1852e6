"""One suite for the ledger in memory and the ledger in PostgreSQL."""

from collections.abc import AsyncIterator, Sequence
from itertools import count
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.contracts.scores import LedgerDigest, LedgerPage
from libs.common.contracts.values import MAX_TOTAL
from libs.devstack import provision
from services.score.domain.changes import Commit
from services.score.domain.increments import Entry, Outcome, Settled
from services.score.store.books import Books
from services.score.store.database import open_engine
from services.score.store.ledger import LedgerLane
from tests import servers
from tests.fakes import MemoryLedger

ACCEPTED, REPLAYED = Outcome.ACCEPTED, Outcome.REPLAYED
KEY_REUSED, LIMIT_REACHED = Outcome.KEY_REUSED, Outcome.LIMIT_REACHED
DAY_LIMIT = Outcome.DAY_LIMIT_REACHED


class Ledger(Protocol):
    async def append(self, entries: Sequence[Entry]) -> Commit: ...
    async def find(self, entries: Sequence[Entry]) -> list[Settled | None]: ...
    async def totals(self, *, after: str, limit: int) -> LedgerPage: ...
    async def top(self, *, limit: int) -> LedgerPage: ...
    async def digest(self) -> LedgerDigest: ...


class PostgresLedger(Books):
    """Both sides of the real one."""

    def __init__(self, url: str) -> None:
        self.engine = open_engine(url, name="test", connections=2)
        self.lane = LedgerLane(url)
        super().__init__(self.engine)

    async def append(self, entries: Sequence[Entry]) -> Commit:
        return await self.lane.append(entries)


@pytest.fixture(params=["memory", "postgres"])
async def ledger(request: pytest.FixtureRequest) -> AsyncIterator[Ledger]:
    if request.param == "memory":
        yield MemoryLedger()
        return
    url = request.getfixturevalue("database_url")
    real = PostgresLedger(provision.with_login(url, provision.SCORE.role, servers.PASSWORD))
    yield real
    await real.lane.close()
    await real.engine.dispose()


async def outcomes(ledger: Ledger, *entries: Entry) -> list[tuple[Outcome, int]]:
    return [(s.outcome, s.balance) for s in (await ledger.append(entries)).settled]


async def test_entries_of_a_batch_count_in_their_order(ledger: Ledger) -> None:
    commit = await ledger.append(
        [Entry("alice", "1", 10), Entry("bob", "1", 5), Entry("alice", "2", 7)]
    )
    assert [(s.version, s.balance) for s in commit.settled] == [(1, 10), (1, 5), (2, 17)]
    assert [(c.user_id, c.score, c.version) for c in commit.changes] == [
        ("alice", 10, 1),
        ("bob", 5, 1),
        ("alice", 17, 2),
    ]


async def test_the_same_key_counts_once_and_gives_the_first_answer(ledger: Ledger) -> None:
    first, again = Entry("alice", "k", 10), Entry("alice", "k", 10)
    assert await outcomes(ledger, first, again) == [(ACCEPTED, 10), (REPLAYED, 10)]
    await ledger.append([Entry("alice", "other", 1)])
    assert await outcomes(ledger, again) == [(REPLAYED, 10)]
    assert (await ledger.digest()).points == 11


async def test_the_same_key_with_another_body_is_refused(ledger: Ledger) -> None:
    entries = Entry("alice", "k", 10), Entry("alice", "k", 11)
    assert await outcomes(ledger, *entries) == [(ACCEPTED, 10), (KEY_REUSED, 10)]
    assert await outcomes(ledger, entries[1]) == [(KEY_REUSED, 10)]


async def test_a_key_belongs_to_its_user(ledger: Ledger) -> None:
    entries = Entry("alice", "k", 10), Entry("bob", "k", 20)
    assert await outcomes(ledger, *entries) == [(ACCEPTED, 10), (ACCEPTED, 20)]


async def test_a_total_never_passes_the_limit_and_smaller_ones_still_fit(ledger: Ledger) -> None:
    got = await outcomes(
        ledger,
        Entry("alice", "1", MAX_TOTAL - 5),
        Entry("alice", "2", 6),
        Entry("alice", "3", 5),
        Entry("alice", "4", 1),
    )
    assert [outcome for outcome, _ in got] == [ACCEPTED, LIMIT_REACHED, ACCEPTED, LIMIT_REACHED]
    assert (await ledger.digest()).points == MAX_TOTAL
    assert await outcomes(ledger, Entry("alice", "2", 6)) == [(LIMIT_REACHED, 0)]


async def test_a_day_has_a_limit_of_its_own(ledger: Ledger) -> None:
    got = await outcomes(
        ledger,
        Entry("alice", "1", 60, day_limit=100),
        Entry("alice", "2", 50, day_limit=100),
        Entry("alice", "3", 40, day_limit=100),
        Entry("bob", "1", 100, day_limit=100),
        Entry("alice", "4", 1, day_limit=1000),
    )
    assert got == [
        (ACCEPTED, 60),
        (DAY_LIMIT, 0),
        (ACCEPTED, 100),
        (ACCEPTED, 100),
        (ACCEPTED, 101),
    ]
    again = await outcomes(ledger, Entry("alice", "5", 1, day_limit=101), Entry("alice", "1", 60))
    assert again == [(DAY_LIMIT, 0), (REPLAYED, 60)]


async def test_find_knows_what_was_counted(ledger: Ledger) -> None:
    await ledger.append([Entry("alice", "k", 10)])
    assert await ledger.find(
        [Entry("alice", "new", 1), Entry("alice", "k", 10), Entry("alice", "k", 9)]
    ) == [None, Settled(REPLAYED, 1, 10), Settled(KEY_REUSED, 1, 10)]


async def test_pages_hold_everybody_once_in_the_order_of_bytes(ledger: Ledger) -> None:
    users = ["b", "A", "a", "Z", "_", "0", "a0", "~"]
    await ledger.append([Entry(user, "k", 1) for user in users])
    seen: list[str] = []
    after = ""
    while True:
        page = await ledger.totals(after=after, limit=3)
        seen += [row.user_id for row in page.rows]
        if not (after := page.next):
            break
    assert seen == sorted(users)


async def test_who_reached_a_score_first_is_ahead(ledger: Ledger) -> None:
    await ledger.append([Entry("late", "1", 5), Entry("early", "1", 10)])
    await ledger.append([Entry("late", "2", 5), Entry("zoe", "1", 10), Entry("amy", "1", 10)])
    top = await ledger.top(limit=10)
    assert [row.user_id for row in top.rows] == ["early", "late", "zoe", "amy"]


_prefix = count()
_entries = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob", "cid"]),
        st.sampled_from(["k1", "k2", "k3", "k4", "k5"]),
        st.sampled_from([1, 2, 7, MAX_TOTAL // 2, MAX_TOTAL]),
        st.sampled_from([None, None, 8]),
    ),
    min_size=1,
    max_size=12,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batches=st.lists(_entries, min_size=1, max_size=5))
async def test_any_batches_give_what_one_entry_at_a_time_would(
    ledger: Ledger, batches: list[list[tuple[str, str, int, int | None]]]
) -> None:
    model = MemoryLedger()
    prefix = f"{next(_prefix)}-"
    for batch in batches:
        entries = [
            Entry(prefix + user, key, delta, day_limit=limit) for user, key, delta, limit in batch
        ]
        got = (await ledger.append(entries)).settled
        expected = (await model.append(entries)).settled
        assert [(s.outcome, s.version) for s in got if s.version] == [
            (s.outcome, s.version) for s in expected if s.version
        ]
        assert [s.outcome for s in got] == [s.outcome for s in expected]
        assert [s.balance for s in got] == [s.balance for s in expected]
