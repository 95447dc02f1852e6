"""A ledger whose PostgreSQL takes no connection: `Unavailable`, and then as before."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
import pytest

from libs.common.errors import Unavailable
from libs.devstack import provision
from services.score.domain.increments import Entry, Outcome
from services.score.store.books import Books
from services.score.store.database import open_engine
from services.score.store.ledger import LedgerLane
from tests import servers
from tests.proxy import proxy_to

STATEMENT_SECONDS = 0.5


@pytest.fixture
def score_url(database_url: str) -> str:
    return provision.with_login(database_url, provision.SCORE.role, servers.PASSWORD)


@asynccontextmanager
async def no_connections(database_url: str) -> AsyncIterator[None]:
    """As when `max_connections` is reached."""
    admin = await asyncpg.connect(database_url)
    limit = f"ALTER ROLE {provision.SCORE.role} CONNECTION LIMIT"
    try:
        await admin.execute(f"{limit} 0")
        yield
    finally:
        await admin.execute(f"{limit} -1")
        await admin.close()


async def test_a_read_that_gets_no_connection_is_unavailable(
    score_url: str, database_url: str
) -> None:
    engine = open_engine(score_url, name="test", connections=1)
    books = Books(engine)
    try:
        async with no_connections(database_url):
            with pytest.raises(Unavailable):
                await books.check()
        await books.check()
    finally:
        await engine.dispose()


async def test_reads_outlive_connections_that_died_without_a_word(score_url: str) -> None:
    at = urlsplit(score_url)
    async with proxy_to(str(at.hostname), int(at.port or 0)) as proxy:
        url = score_url.replace(f":{at.port}/", f":{proxy.port}/")
        engine = open_engine(url, name="test", connections=1, statement_seconds=STATEMENT_SECONDS)
        books = Books(engine)
        try:
            await books.check()
            proxy.forget()
            with pytest.raises(Unavailable):
                await books.check()
            await books.check()
        finally:
            await engine.dispose()


async def test_an_increment_waits_for_a_connection(score_url: str, database_url: str) -> None:
    lane = LedgerLane(score_url)
    try:
        async with no_connections(database_url):
            with pytest.raises(Unavailable):
                await lane.append([Entry("alice", "1", 10)])
            waiting = asyncio.ensure_future(lane.append([Entry("alice", "2", 10)]))
            await asyncio.sleep(0)
        commit = await waiting
    finally:
        await lane.close()
    assert [(s.outcome, s.balance) for s in commit.settled] == [(Outcome.ACCEPTED, 10)]


async def test_nothing_is_committed_under_an_epoch_that_was_not_read(
    score_url: str, database_url: str
) -> None:
    admin = await asyncpg.connect(database_url)
    lane = LedgerLane(score_url)
    try:
        await admin.execute("REVOKE EXECUTE ON FUNCTION score.ledger_epoch() FROM PUBLIC")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await lane.append([Entry("alice", "1", 10)])
        await admin.execute("GRANT EXECUTE ON FUNCTION score.ledger_epoch() TO PUBLIC")
        commit = await lane.append([Entry("alice", "2", 10)])
    finally:
        await lane.close()
        await admin.close()
    assert commit.ledger_epoch == 1
