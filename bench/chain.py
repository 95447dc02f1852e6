"""
What the hash chain costs, and what the other ways to have one would (docs/adr/0009).

    python -m bench.chain

On a PostgreSQL of its own, batches of 200 are appended to three ledgers in turn: `function` as the
product does it; `none`, the same function without the chain; and `sealer`, that one followed by a
process that hashes what was committed into a table of its own, a thousand entries at a time. CPU is
that of all of PostgreSQL's processes. Compare within one run: the machine may be busy otherwise.
"""

import argparse
import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import asyncpg
from rich.console import Console
from rich.table import Table

from bench import cpu
from libs.devstack import provision
from services.score.domain.increments import Entry
from services.score.store.ledger import LedgerLane
from tests import embedded
from tests.servers import PASSWORD

USERS = 2000
BATCH = 200
BATCHES_A_TURN = 20
BATCHES_A_SEAL = 5
WARM_UP_TURNS = 2
MAX_SECONDS = 60

# What the chain is in `score.append_increments`, and what stands in its place without.
CHAINED = ("score.chain(a.head, score.entry_text(", "NULL)) OVER w AS link")
UNCHAINED = "''::bytea AS link"
SEALS = """
    CREATE TABLE score.seal (user_id text COLLATE "C", seq bigint, hash bytea NOT NULL,
                             PRIMARY KEY (user_id, seq));
    CREATE TABLE score.sealed (user_id text COLLATE "C" PRIMARY KEY, seq bigint NOT NULL,
                               head bytea NOT NULL) WITH (fillfactor = 75);
"""
SEAL = """
    WITH linked AS (
        SELECT e.user_id, e.seq, score.chain(coalesce(s.head, ''), score.entry_text(
                   e.user_id, e.seq, e.version, e.delta, e.balance_after, e.kind, e.idem_key,
                   e.request_hash, e.reverses_seq, e.case_id, e.actor, e.created_at, e.reason))
               OVER (PARTITION BY e.user_id ORDER BY e.seq) AS hash
        FROM unnest($1::text[]) AS u (user_id)
        LEFT JOIN score.sealed s USING (user_id)
        JOIN score.score_entry e ON e.user_id = u.user_id AND e.seq > coalesce(s.seq, 0)
    ), kept AS (
        INSERT INTO score.seal SELECT user_id, seq, hash FROM linked
    )
    INSERT INTO score.sealed
    SELECT DISTINCT ON (user_id) user_id, seq, hash FROM linked ORDER BY user_id, seq DESC
    ON CONFLICT (user_id) DO UPDATE SET seq = excluded.seq, head = excluded.head
"""
SIZE = """
    SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c
    WHERE c.relnamespace = 'score'::regnamespace
      AND c.relname IN ('score_entry', 'user_score', 'seal', 'sealed')
"""

console = Console()


@dataclass
class Ledger:
    """One of the three, with what was spent on it so far."""

    name: str
    lane: LedgerLane
    connection: asyncpg.Connection
    work: Iterator[Entry]
    seals: bool = False
    entries: int = 0
    cpu_seconds: float = 0.0
    wal_bytes: int = 0

    async def turn(self, server: int) -> None:
        """Append some batches, and count what PostgreSQL spends on them."""
        wal = await self.connection.fetchval("SELECT pg_current_wal_insert_lsn()")
        before = cpu.seconds(server)
        users: set[str] = set()
        for number in range(1, BATCHES_A_TURN + 1):
            batch = list(islice(self.work, BATCH))
            await self.lane.append(batch)
            users |= {entry.user_id for entry in batch}
            if self.seals and number % BATCHES_A_SEAL == 0:
                await self.connection.execute(SEAL, sorted(users))
                users.clear()
        self.cpu_seconds += cpu.seconds(server) - before
        self.entries += BATCHES_A_TURN * BATCH
        since = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1)::bigint"
        self.wal_bytes += await self.connection.fetchval(since, wal)

    def forget(self) -> None:
        self.entries, self.cpu_seconds, self.wal_bytes = 0, 0.0, 0


async def measure(admin_url: str, seconds: float) -> None:
    url = await provision.create_database(admin_url, "chained")
    await provision.migrate(url, {provision.SCORE: PASSWORD})
    for copy in ("plain", "sealed"):
        await execute(admin_url, f"CREATE DATABASE {copy} TEMPLATE chained")
    async with AsyncExitStack() as stack:
        ledgers = [
            await opened(stack, admin_url, "none", database="plain"),
            await opened(stack, admin_url, "function", database="chained"),
            await opened(stack, admin_url, "sealer", database="sealed"),
        ]
        # Its bookkeeping would fall on whoever has the turn.
        await ledgers[0].connection.execute("ALTER SYSTEM SET autovacuum = off")
        await ledgers[0].connection.execute("SELECT pg_reload_conf()")
        server = parent(ledgers[0].connection.get_server_pid())
        for ledger in ledgers:
            for _ in range(WARM_UP_TURNS):
                await ledger.turn(server)
            await ledger.connection.execute("ANALYZE")
            ledger.forget()
        sizes = [await ledger.connection.fetchval(SIZE) for ledger in ledgers]
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            # There and back, so that whoever goes first is not favoured.
            for ledger in [*ledgers, *reversed(ledgers)]:
                await ledger.turn(server)
        grown = [await ledger.connection.fetchval(SIZE) for ledger in ledgers]
        report(ledgers, [after - before for before, after in zip(sizes, grown, strict=True)])


async def opened(stack: AsyncExitStack, admin_url: str, name: str, *, database: str) -> Ledger:
    url = provision.with_database(admin_url, database)
    lane, connection = LedgerLane(url), await asyncpg.connect(url)
    stack.push_async_callback(lane.close)
    stack.push_async_callback(connection.close)
    if database != "chained":
        await connection.execute(await without_chain(connection))
    if database == "sealed":
        await connection.execute(SEALS)
    return Ledger(name, lane, connection, entries(), seals=database == "sealed")


async def without_chain(connection: asyncpg.Connection) -> str:
    """`score.append_increments` as it is, but that it hashes nothing."""
    definition: str = await connection.fetchval(
        "SELECT pg_get_functiondef('score.append_increments'::regproc)"
    )
    before, begins, rest = definition.partition(CHAINED[0])
    _, ends, after = rest.partition(CHAINED[1])
    if not (begins and ends):
        raise SystemExit("score.append_increments has changed; bring CHAINED up to date")
    return before + UNCHAINED + after


def entries() -> Iterator[Entry]:
    """The same for every ledger."""
    dice = random.Random(9)
    while True:
        user = f"user-{dice.randrange(USERS):06}"
        yield Entry(user, f"{dice.getrandbits(128):032x}", dice.randint(1, 1000))


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[1])


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def report(ledgers: list[Ledger], grown: list[int]) -> None:
    table = Table(title=f"A hash chain, {ledgers[0].entries:,} entries each", title_justify="left")
    table.add_column("chain")
    for column in ("CPU µs each", "ratio", "bytes each", "more", "WAL bytes each"):
        table.add_column(column, justify="right")
    costs = [ledger.cpu_seconds / ledger.entries for ledger in ledgers]
    sizes = [size / ledger.entries for size, ledger in zip(grown, ledgers, strict=True)]
    for ledger, cost, size in zip(ledgers, costs, sizes, strict=True):
        table.add_row(
            ledger.name,
            f"{cost * 1e6:.1f}",
            f"{cost / costs[0]:.2f}",
            f"{size:.0f}",
            f"{size - sizes[0]:+.0f}",
            f"{ledger.wal_bytes / ledger.entries:.0f}",
        )
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30, help=f"at most {MAX_SECONDS}")
    arguments = parser.parse_args()
    with embedded.postgres() as url:
        asyncio.run(measure(url, min(arguments.seconds, MAX_SECONDS)))


if __name__ == "__main__":
    main()
