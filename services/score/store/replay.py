"""
The whole ledger, read for verification: one snapshot, in the order of users, in bounded memory.

Only reads, over a connection of its own. The snapshot keeps PostgreSQL from cleaning up behind it
for as long as it is read; nobody waits for it.
"""

from bisect import bisect_right
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import asyncpg

from services.score.domain.casebook import Case

CONNECT_SECONDS = 10.0
CHUNK_ROWS = 2000

_ENTRIES = """
    SELECT user_id, seq, version, delta, balance_after, kind, idem_key, request_hash, reverses_seq,
           case_id, actor, created_at, reason, hash
    FROM score.score_entry ORDER BY user_id, seq
"""
_TOTALS = """
    SELECT user_id, score, version, entries, reached_at, head, held, coalesce(holds, 0), last_hold
    FROM score.user_score LEFT JOIN (
        SELECT user_id, count(*) AS holds, (array_agg(action ORDER BY id DESC))[1] AS last_hold
        FROM score.audit WHERE action IN ('user.held', 'user.released') GROUP BY user_id
    ) a USING (user_id)
    ORDER BY user_id
"""
_CHOICES = """
    SELECT user_id, case_id, seq, target_seq, reversal_seq, revert_seq
    FROM score.case_entry ORDER BY user_id, seq, case_id
"""
_CASES = """
    SELECT case_id, state, entries, done,
           coalesce(preview ->> 'needs_approval', 'true') <> 'false' AS needs_approval,
           requested_by, reason, approved_by, revert_requested_by, revert_reason, revert_approved_by
    FROM score.reversal_case
"""
_SIZE = """
    SELECT now(), coalesce(sum(entries), 0)::float8 FROM score.user_score
"""
_TOP = """
    SELECT user_id, score FROM score.user_score WHERE version > 0 AND NOT held
    ORDER BY score DESC, reached_at, user_id LIMIT $1
"""
_SHOWN = """
    SELECT user_id, score FROM score.user_score
    WHERE user_id = ANY ($1) AND version > 0 AND NOT held
"""
_PUBLIC = "SELECT count(*) FROM score.user_score WHERE version > 0 AND NOT held"


class InOrder:
    """Rows of a query in the order of their first column, a user; a chunk of them at a time."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self._rows: Sequence[Any] = ()
        self._at = 0

    async def user(self) -> str | None:
        """Whose rows come next; None at the end."""
        if self._at == len(self._rows):
            self._rows, self._at = await self._cursor.fetch(CHUNK_ROWS), 0
        return self._rows[self._at][0] if self._rows else None

    async def take(self, user_id: str) -> Sequence[Any]:
        """This user's next rows, as far as they are at hand; nothing when there are no more."""
        if await self.user() != user_id:
            return ()
        start = self._at
        self._at = bisect_right(self._rows, user_id, start, key=itemgetter(0))
        return self._rows[start : self._at]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The ledger as it was at one moment; `taken_at` and all times in microseconds since 2000."""

    taken_at: int
    rows: float
    entries: InOrder
    totals: InOrder
    choices: InOrder
    cases: dict[str, Case]

    async def next_user(self) -> str | None:
        """The smallest user of whom anything is left to take."""
        ahead = [await rows.user() for rows in (self.entries, self.totals, self.choices)]
        return min((user for user in ahead if user is not None), default=None)


@dataclass(frozen=True, slots=True)
class Public:
    """What of the ledger anybody may see: how many users, the first of them, and some by name."""

    users: int
    top: list[tuple[str, int]]
    named: dict[str, int]


class WholeLedger:
    """Reads it all. Raises `asyncpg.PostgresError`, `OSError` or `TimeoutError`."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator[Snapshot, None]:
        """What was committed by now, and nothing that is committed later."""
        connection = self._connection
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            taken_at, rows = await connection.fetchrow(_SIZE)
            cases = [Case(*row) for row in await connection.fetch(_CASES)]
            yield Snapshot(
                taken_at,
                rows,
                InOrder(await connection.cursor(_ENTRIES)),
                InOrder(await connection.cursor(_TOTALS)),
                InOrder(await connection.cursor(_CHOICES)),
                {case.case_id: case for case in cases},
            )

    async def public(self, *, limit: int, users: Sequence[str]) -> Public:
        """As of now: the board that everybody should see."""
        connection = self._connection
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return Public(
                await connection.fetchval(_PUBLIC),
                [tuple(row) for row in await connection.fetch(_TOP, limit)],
                dict(await connection.fetch(_SHOWN, users)),
            )


@asynccontextmanager
async def open_whole_ledger(url: str) -> AsyncGenerator[WholeLedger, None]:
    """Raises what `WholeLedger` raises."""
    connection = await asyncpg.connect(
        url, timeout=CONNECT_SECONDS, server_settings={"application_name": "score-verify"}
    )
    try:
        # As PostgreSQL sends them: exact, whatever their value, and ten times faster than datetime.
        await connection.set_type_codec(
            "timestamptz",
            schema="pg_catalog",
            encoder=lambda moment: (moment,),
            decoder=itemgetter(0),
            format="tuple",
        )
        yield WholeLedger(connection)
    finally:
        await connection.close(timeout=CONNECT_SECONDS)
