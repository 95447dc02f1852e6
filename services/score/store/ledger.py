"""
The write side of the ledger: one connection per lane, one call of one SQL function per batch.

A lost answer is not a failure: the batch is sent again under the same keys, and the ledger says
what it already holds.
"""

import asyncio
from collections.abc import Sequence
from time import perf_counter
from uuid import uuid4

import asyncpg

from libs.common import metrics
from libs.common.errors import Unavailable
from libs.common.logs import Trouble
from services.score.domain.changes import Change, Commit
from services.score.domain.increments import Entry, Outcome, Settled

STATEMENT_TIMEOUT_MS = 1500
LOCK_TIMEOUT_MS = 1000
CONNECT_TIMEOUT_SECONDS = 1.0
BATCH_DEADLINE_SECONDS = 2.0
RETRY_SECONDS = 0.1

# A connection that broke, or a statement that was cut short: the outcome is unknown. Or a server
# that takes nothing yet: it has no room, or still recovers (no writes, no position in the log).
LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    OSError,
    TimeoutError,
)

_APPEND = "SELECT * FROM score.append_increments($1, $2, $3, $4, $5, $6, $7, $8)"


class LedgerLane:
    """Appends batches, one at a time, over its own connection."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: asyncpg.Connection | None = None
        self._ledger_epoch = 0
        self._trouble = Trouble("commit_answer_lost")

    async def append(self, entries: Sequence[Entry]) -> Commit:
        """
        Commit the entries, in order. Raises `Unavailable` if the outcome stays unknown for 2 s;
        the entries may then be in the ledger, and the same keys will find them.
        """
        started = perf_counter()
        try:
            async with asyncio.timeout(BATCH_DEADLINE_SECONDS):
                commit = await self._append_until_known(entries)
        except TimeoutError:
            self._drop()
            metrics.UNKNOWN_COMMITS.labels("unknown").inc()
            raise Unavailable(
                "the ledger does not answer; the outcome is unknown, retry with the same key"
            ) from None
        metrics.COMMIT_BATCH.observe(len(entries))
        metrics.COMMIT_SECONDS.observe(perf_counter() - started)
        return commit

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close(timeout=CONNECT_TIMEOUT_SECONDS)

    async def _append_until_known(self, entries: Sequence[Entry]) -> Commit:
        lost = False
        while True:
            try:
                commit = await self._append(entries)
            except LOST as error:
                lost = True
                self._trouble.met(error)
                self._drop()
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self._trouble.over()
            if lost:
                found = any(s.outcome is Outcome.REPLAYED for s in commit.settled)
                metrics.UNKNOWN_COMMITS.labels("committed" if found else "absent").inc()
            return commit

    async def _append(self, entries: Sequence[Entry]) -> Commit:
        connection = await self._open()
        batch_id = uuid4()
        rows = await connection.fetch(
            _APPEND,
            batch_id,
            [e.user_id for e in entries],
            [e.key for e in entries],
            [e.delta for e in entries],
            [e.request_hash for e in entries],
            [e.fingerprint for e in entries],
            [e.request_id for e in entries],
            [e.day_limit for e in entries],
        )
        settled = []
        changes = []
        for entry, (_, outcome, version, balance, held, reached_at) in zip(
            entries, rows, strict=True
        ):
            settled.append(Settled(Outcome(outcome), version or 0, balance or 0))
            if outcome == Outcome.ACCEPTED:
                changes.append(
                    Change(
                        entry.user_id,
                        balance,
                        version,
                        reached_at,
                        "increment",
                        held,
                        entry.request_id,
                    )
                )
        return Commit(batch_id, self._ledger_epoch, settled, changes)

    async def _open(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            connection = await asyncpg.connect(
                self._url,
                timeout=CONNECT_TIMEOUT_SECONDS,
                command_timeout=BATCH_DEADLINE_SECONDS,
                server_settings={
                    "application_name": "score-lane",
                    "synchronous_commit": "on",
                    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
                    "lock_timeout": str(LOCK_TIMEOUT_MS),
                    "idle_in_transaction_session_timeout": "5000",
                    # Planning the batch anew, for its arrays, took as long as running it. And no
                    # plan that was made while a table was small may read it whole later.
                    "plan_cache_mode": "force_generic_plan",
                    "enable_seqscan": "off",
                },
            )
            try:
                # A primary keeps its timeline for as long as a connection to it lives.
                self._ledger_epoch = await connection.fetchval("SELECT score.ledger_epoch()")
            except BaseException:
                # Kept, it would publish under the epoch of the connection before.
                connection.terminate()
                raise
            self._connection = connection
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
