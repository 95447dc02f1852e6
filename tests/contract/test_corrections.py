"""One suite for the whole ledger in memory and in PostgreSQL: outbox, holds, cases, a restore."""

from collections.abc import Callable, Coroutine, Iterator
from itertools import count
from typing import Any

import pytest

from services.score.domain.changes import Commit
from services.score.domain.increments import Entry, Outcome
from tests.model.memory import MemoryStage
from tests.model.ports import Ledger
from tests.model.real import RealStage
from tests.model.stage import Stage

_keys = count(1)


@pytest.fixture(params=["memory", "postgres"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    if request.param == "memory":
        with MemoryStage() as stage:
            yield stage
        return
    urls = [request.getfixturevalue(name) for name in ("database_url", "redis_url")]
    with RealStage(*urls) as real:
        yield real


class Desk:
    """What people do at a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    async def earn(self, user: str, *points: int) -> list[str]:
        """One commit for each; the keys."""
        entries = [Entry(user, f"key-{next(_keys)}", n) for n in points]
        for entry in entries:
            await self.ledger.append([entry])
        return [entry.key for entry in entries]

    async def work(self, *, limit: int = 100) -> list[Commit]:
        done = []
        while (commit := await self.ledger.work(limit=limit)) is not None:
            done.append(commit)
        return done

    async def board(self) -> list[tuple[str, int]]:
        return [(row.user_id, row.score) for row in (await self.ledger.top(limit=100)).rows]

    async def versions(self) -> dict[str, int]:
        rows = (await self.ledger.totals(after="", limit=100)).rows
        return {row.user_id: row.version for row in rows}

    async def outbox(self) -> list[tuple[str, int, int, bool]]:
        """What the sweeper would publish; it stays there."""
        await self.ledger.expire_leases()
        commits = await self.ledger.claim(limit=100)
        changes = [change for commit in commits for change in commit.changes]
        return sorted((c.user_id, c.version, c.score, c.held) for c in changes)


async def a_case_is_worked_on_in_parts(desk: Desk) -> None:
    keys = await desk.earn("ann", 1, 2, 3)
    await desk.ledger.take_back("c", "ann", keys[1:])
    commits = await desk.work(limit=1)
    assert [[(c.version, c.score) for c in commit.changes] for commit in commits] == [
        [(4, 4)],
        [(5, 1)],
    ]
    lines = await desk.ledger.entries("ann", before=2**53, limit=2)
    assert [(e["seq"], e["delta"], e["balance_after"]) for e in lines] == [(5, -3, 1), (4, -2, 4)]


async def a_revert_gives_back_the_place(desk: Desk) -> None:
    keys = await desk.earn("ann", 1, 2)
    await desk.earn("bob", 3)
    await desk.earn("cid", 1)
    await desk.ledger.take_back("c", "ann", keys[1:])
    await desk.work()
    assert await desk.board() == [("bob", 3), ("ann", 1), ("cid", 1)]
    await desk.ledger.give_back("c")
    await desk.work(limit=1)
    assert await desk.board() == [("ann", 3), ("bob", 3), ("cid", 1)]
    await desk.ledger.take_back("again", "ann", keys)
    await desk.work()
    assert await desk.board() == [("bob", 3), ("cid", 1), ("ann", 0)]


async def who_is_held_stays_so_whatever_they_earn(desk: Desk) -> None:
    await desk.earn("ann", 1)
    assert (await desk.ledger.set_held("ann", held=True)).changes[0].held
    assert not (await desk.ledger.set_held("ann", held=True)).changes
    await desk.earn("ann", 1)
    assert (await desk.board(), await desk.versions()) == ([], {"ann": 3})
    assert (await desk.ledger.set_held("ann", held=False)).changes[0].kind == "release"
    assert await desk.board() == [("ann", 2)]


async def a_batch_is_claimed_once_until_its_lease_runs_out(desk: Desk) -> None:
    commit = await desk.ledger.append([Entry("ann", "k", 5), Entry("bob", "k", 6)])
    assert await desk.ledger.claim(limit=10) == []
    assert await desk.outbox() == [("ann", 1, 5, False), ("bob", 1, 6, False)]
    assert await desk.ledger.claim(limit=10) == []
    await desk.ledger.forget([commit.batch_id])
    assert (await desk.outbox(), await desk.ledger.backlog()) == ([], (0, 0.0))


async def a_restored_ledger_has_forgotten_and_says_so(desk: Desk) -> None:
    (key,) = await desk.earn("ann", 1)
    await desk.ledger.back_up()
    before = (await desk.ledger.digest()).ledger_epoch
    await desk.ledger.forget([c.batch_id for c in await _waiting(desk)])
    lost = Entry("ann", "lost", 7)
    await desk.ledger.append([lost])
    await desk.ledger.set_held("ann", held=True)
    await desk.ledger.restore()
    assert await desk.board() == [("ann", 1)]
    assert (await desk.ledger.digest()).ledger_epoch == before + 1
    assert await desk.outbox() == [("ann", 1, 1, False)]
    assert [c.ledger_epoch for c in await _waiting(desk)] == [before + 1]
    again = await desk.ledger.append([Entry("ann", key, 1), lost])
    assert [s.outcome for s in again.settled] == [Outcome.REPLAYED, Outcome.ACCEPTED]
    assert again.ledger_epoch == before + 1


async def _waiting(desk: Desk) -> list[Commit]:
    await desk.ledger.expire_leases()
    return await desk.ledger.claim(limit=100)


@pytest.mark.parametrize(
    "promise",
    [
        a_case_is_worked_on_in_parts,
        a_revert_gives_back_the_place,
        who_is_held_stays_so_whatever_they_earn,
        a_batch_is_claimed_once_until_its_lease_runs_out,
        a_restored_ledger_has_forgotten_and_says_so,
    ],
    ids=lambda promise: promise.__name__,
)
def test_promise(stage: Stage, promise: Callable[[Desk], Coroutine[Any, Any, None]]) -> None:
    """On the stage's own loop, as the model plays it."""
    ledger, _ = stage.run(stage.open())
    stage.run(promise(Desk(ledger)))
