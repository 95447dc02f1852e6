"""asyncpg and SQLAlchemy: what they do when left alone, and that our stores stand it."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from libs.common.batching import Lanes
from libs.common.database import sqlalchemy_url
from libs.common.errors import Unavailable
from libs.devstack import provision
from services.score.domain.increments import Entry, Outcome, Settled
from services.score.store import database
from services.score.store.books import Books
from services.score.store.database import open_engine, transaction
from services.score.store.ledger import LedgerLane
from tests import servers

PATIENCE_SECONDS = 30
CANCELS = 100
CONNECTIONS = 2
POOL_WAIT_SECONDS = 0.3
_IDLE = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND state LIKE 'idle in trans%'"


@pytest.fixture
def url(database_url: str) -> str:
    """As the score service."""
    return provision.with_login(database_url, provision.SCORE.role, servers.PASSWORD)


@pytest.fixture
async def admin(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def lane(url: str) -> AsyncIterator[LedgerLane]:
    lane = LedgerLane(url)
    yield lane
    await lane.close()


async def test_a_cancelled_transaction_keeps_its_locks(
    url: str, admin: asyncpg.Connection, lane: LedgerLane
) -> None:
    """P1: a statement is cancelled, the transaction around it is not."""
    await lane.append([Entry("alice", "0", 1)])
    alone = await asyncpg.connect(url)
    await alone.execute("BEGIN")
    await alone.fetch("SELECT * FROM score.user_score FOR UPDATE")
    await cancelled_after(alone.execute("SELECT pg_sleep(30)"), 0.1)
    assert await idle_in_transaction(admin) == 1
    await alone.close()

    for number in range(CANCELS):
        work = lane.append([Entry("alice", f"cancelled-{number}", 1)])
        await cancelled_after(work, random.uniform(0, 0.01))
    assert await idle_in_transaction(admin) == 0
    other = LedgerLane(url)
    commit = await other.append([Entry("alice", "last", 1)])
    assert commit.settled[0].outcome is Outcome.ACCEPTED
    await other.close()


async def test_cancelled_calls_give_their_connections_back(
    url: str, admin: asyncpg.Connection
) -> None:
    """P1, P2: once a cancellation in the wrong moment cost the pool a connection for ever."""
    engine = open_engine(url, name="test", connections=CONNECTIONS)
    books = Books(engine)
    # asyncpg reports each connection that was cancelled while it was made.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    for _ in range(CANCELS):
        work = asyncio.gather(*(books.totals(after="", limit=9) for _ in range(CONNECTIONS + 1)))
        await cancelled_after(work, random.uniform(0, 0.01))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while engine.pool.checkedout():  # type: ignore[attr-defined]
            await asyncio.sleep(0.01)
    await asyncio.gather(*(books.totals(after="", limit=9) for _ in range(CONNECTIONS)))
    assert await idle_in_transaction(admin) == 0
    await engine.dispose()


async def test_an_empty_pool_is_waited_for_half_a_minute(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P2: as long as that a request would hang."""
    monkeypatch.setattr(database, "POOL_WAIT_SECONDS", POOL_WAIT_SECONDS)
    alone = create_async_engine(sqlalchemy_url(url), pool_size=1, max_overflow=0)
    async with alone.connect():
        waiting = asyncio.ensure_future(alone.connect().start())
        done, _ = await asyncio.wait([waiting], timeout=10 * POOL_WAIT_SECONDS)
        assert not done
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
    await alone.dispose()

    ours = open_engine(url, name="test", connections=1)
    async with transaction(ours):
        with pytest.raises(Unavailable):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await Books(ours).check()
    await ours.dispose()


async def test_two_tasks_cannot_share_a_connection(url: str, lane: LedgerLane) -> None:
    """P3: "another operation is in progress"."""
    alone = await asyncpg.connect(url)
    asked = (alone.fetchval("SELECT pg_sleep(0.1)") for _ in range(2))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert any(isinstance(answer, asyncpg.InterfaceError) for answer in answers)
    await alone.close()

    async def commit(entries: Sequence[Entry]) -> Sequence[Settled]:
        return (await lane.append(entries)).settled

    async with Lanes([commit], max_batch=5, max_waiting=CANCELS) as lanes:
        entries = [Entry("alice", str(number), 1) for number in range(CANCELS)]
        settled = await asyncio.gather(*(lanes.submit("alice", entry) for entry in entries))
    assert [done.balance for done in settled] == list(range(1, CANCELS + 1))


async def test_a_migration_breaks_statements_that_were_prepared(
    url: str, admin: asyncpg.Connection, lane: LedgerLane
) -> None:
    """P4: "cached statement plan is invalid", once for each connection."""
    alone = await asyncpg.connect(url)
    engine = open_engine(url, name="test", connections=1)
    books = Books(engine)
    await lane.append([Entry("alice", "0", 1)])
    await alone.fetch("SELECT * FROM score.user_score")
    before = await books.totals(after="", limit=9)
    await admin.execute('ALTER TABLE score.user_score ALTER user_id TYPE varchar(99) COLLATE "C"')
    with pytest.raises(asyncpg.InvalidCachedStatementError):
        async with alone.transaction():
            await alone.fetch("SELECT * FROM score.user_score")
    await alone.close()

    with suppress(Unavailable):  # 503, and the caller asks again
        await books.totals(after="", limit=9)
    assert await books.totals(after="", limit=9) == before
    commit = await lane.append([Entry("alice", "1", 1)])
    assert commit.settled[0].balance == 2
    await engine.dispose()


async def cancelled_after(work: object, seconds: float) -> None:
    """Start it, cancel it, and wait for its end."""
    task = asyncio.ensure_future(work)  # type: ignore[call-overload]
    await asyncio.sleep(seconds)
    task.cancel()
    with suppress(asyncio.CancelledError, Unavailable):
        await task


async def idle_in_transaction(admin: asyncpg.Connection) -> int:
    """Sessions of the score service that hold a transaction open and do nothing."""
    await asyncio.sleep(0.1)  # a cancelled statement may be on its way out
    return int(await admin.fetchval(_IDLE, provision.SCORE.role))
