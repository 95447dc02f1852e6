"""
Nothing but the ledger's SQL: the statement of the group commit, over one connection.

A PostgreSQL of its own with the product's schema and settings (fsync on, `synchronous_commit=on`)
gets one batch after another, uniform over users who have scored once. No HTTP, no tokens, no
limits, no Kafka, no Redis: what the product spends beyond this is what it does beyond this.

Not C, as the floor of the sends is: the wheels bring no C library for PostgreSQL. It is asyncpg.
"""

import random
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
from rich.console import Console

from bench import cpu, machine
from bench.ports import crowds, stack
from libs.devstack import homes, postgres, provision
from tests.embedded import free_port, temporary_folder
from tests.faults.rebuild import fill
from tests.servers import PASSWORD, run

USERS = 1000
WARM_BATCHES = 50
CONNECT_SECONDS = 10.0
BATCH_SECONDS = 10.0
DATABASE = "scoreboard"

# Those of `services.score.store.ledger`, whose connections this one's is like.
APPEND = "SELECT * FROM score.append_increments($1, $2, $3, $4, $5, $6, $7, $8)"
SETTINGS = {
    "synchronous_commit": "on",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
}


@dataclass(frozen=True)
class Batches:
    """CPU-seconds of PostgreSQL and of the client while so many rows were committed."""

    rows_per_batch: int
    users: int
    rows: int
    seconds: float
    postgres_seconds: float
    client_seconds: float

    @property
    def contender(self) -> str:
        return f"{self.rows_per_batch} a batch"

    @property
    def postgres_microseconds(self) -> float:
        return self.postgres_seconds / self.rows * 1e6

    @property
    def client_microseconds(self) -> float:
        return self.client_seconds / self.rows * 1e6

    def figures(self) -> dict[str, Any]:
        """All of it, for a file."""
        return {
            "rows_per_batch": self.rows_per_batch,
            "users": self.users,
            "rows": self.rows,
            "per_second": self.rows / self.seconds,
            "per_cpu_second": self.rows / (self.postgres_seconds + self.client_seconds),
            "postgres_microseconds": self.postgres_microseconds,
            "client_microseconds": self.client_microseconds,
        }

    def __str__(self) -> str:
        return (
            f"{self.rows_per_batch} a batch, {self.users:,} users: {self.rows / self.seconds:,.0f} "
            f"rows/s; µs each: PostgreSQL {self.postgres_microseconds:.1f}, "
            f"client {self.client_microseconds:.1f}"
        )


async def measure(*, rows_per_batch: int, seconds: float, users: int = USERS) -> Batches:
    """Start PostgreSQL, fill it, send batches for so long, end it."""
    _, theirs = machine.split(machine.cores())
    async with _ledger(users) as (connection, pid):
        machine.pin([pid], theirs)
        crowd = crowds.members(users, users)
        for _ in range(WARM_BATCHES):
            await _append(connection, crowd, rows_per_batch)
        before, client = cpu.seconds(pid), time.process_time()
        started = time.monotonic()
        rows = 0
        while (took := time.monotonic() - started) < seconds:
            rows += await _append(connection, crowd, rows_per_batch)
        return Batches(
            rows_per_batch,
            users,
            rows,
            took,
            cpu.seconds(pid) - before,
            time.process_time() - client,
        )


async def _append(connection: asyncpg.Connection, crowd: list[str], rows: int) -> int:
    settled = await connection.fetch(
        APPEND,
        uuid4(),
        random.choices(crowd, k=rows),
        [f"{random.getrandbits(128):032x}" for _ in range(rows)],
        [1] * rows,
        [bytes(16)] * rows,
        [bytes(16)] * rows,
        ["request"] * rows,
        [None] * rows,
    )
    return sum(row["outcome"] == "accepted" for row in settled)


@asynccontextmanager
async def _ledger(users: int) -> AsyncGenerator[tuple[asyncpg.Connection, int], None]:
    """A connection as one of the ledger's lanes has, and PostgreSQL's process id."""
    with temporary_folder() as folder:
        home = homes.find(folder)
        postgres.prepare(home, PASSWORD)
        program = postgres.program(home, port=free_port(), password=PASSWORD)
        with stack.started([program], folder) as pids:
            url = await provision.create_database(program.url, DATABASE)
            # It runs a loop of its own.
            run(provision.migrate(url, dict.fromkeys((provision.AUTH, provision.SCORE), PASSWORD)))
            await fill(url, users, Console(quiet=True))
            connection = await asyncpg.connect(
                provision.with_login(url, provision.SCORE.role, PASSWORD),
                timeout=CONNECT_SECONDS,
                command_timeout=BATCH_SECONDS,
                server_settings=SETTINGS,
            )
            try:
                yield connection, pids[program.name]
            finally:
                await connection.close()
