"""A ledger that was written by an older version goes on in a newer one."""

from collections.abc import Iterator

import asyncpg
import pytest

from libs.common import migrate
from libs.devstack import provision
from services.score.domain.increments import Entry
from services.score.store.ledger import LedgerLane
from tests import servers

NAME = "live_scoreboard_upgrade"
SCRIPTS = provision.SCORE.scripts
APPEND = "SELECT score.append_increments(gen_random_uuid(), $1, $2, $3, $4, $5, $6)"
# How many entries are not what the hash of the one before and their own text give.
BROKEN = """
    SELECT count(*) FROM (
        SELECT hash, score.link(lag(hash) OVER w, '', score.entry_text(
            user_id, seq, version, delta, balance_after, kind, idem_key, request_hash,
            reverses_seq, case_id, actor, created_at, reason)) AS expected
        FROM score.score_entry WINDOW w AS (PARTITION BY user_id ORDER BY seq)) e
    WHERE hash <> expected
"""


@pytest.fixture
def old_database(postgres_url: str) -> Iterator[str]:
    """A database as version 0001 of the ledger left it."""
    servers.run(_execute(postgres_url, f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)"))
    url = servers.run(provision.create_database(postgres_url, NAME))
    migrate.upgrade(url, "score", SCRIPTS, revision="0001")
    yield url
    servers.run(_execute(postgres_url, f"DROP DATABASE {NAME} WITH (FORCE)"))


async def test_entries_of_an_older_version_join_the_chain(old_database: str) -> None:
    connection = await asyncpg.connect(old_database)
    for n in range(3):
        users, hashes = ["ann", "bob"], [b"h" * 16] * 2
        await connection.fetch(
            APPEND, users, [f"k{n}"] * 2, [5, 7], hashes, [None, None], ["r", "r"]
        )

    tenants = (provision.AUTH, provision.SCORE)
    passwords = dict.fromkeys(tenants, servers.PASSWORD)
    await provision.migrate(old_database, passwords)
    await connection.reload_schema_state()
    lane = LedgerLane(provision.with_login(old_database, provision.SCORE.role, servers.PASSWORD))
    commit = await lane.append([Entry("ann", "new", 5)])
    await lane.close()

    assert commit.settled[0].balance == 20
    assert await connection.fetchval(BROKEN) == 0
    heads = await connection.fetchval(
        "SELECT count(*) FROM score.user_score u JOIN score.score_entry e"
        " ON e.user_id = u.user_id AND e.seq = u.entries AND e.hash = u.head"
    )
    assert heads == 2
    await connection.close()


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
