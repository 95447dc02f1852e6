"""
The read side of the ledger, and its outbox; always on the primary, never on a replica.

Every call raises `Unavailable` when the database does not answer.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common.clock import from_microseconds
from libs.common.contracts.scores import LedgerDigest, LedgerPage, LedgerRow
from services.score.domain.changes import Change, Commit
from services.score.domain.increments import Entry, Outcome, Settled
from services.score.store.database import transaction

# Shorter than a publication may take: then two publish the same, which is harmless. Longer would be
# waited for after a sweeper's death.
LEASE_SECONDS = 5.0

_FIND = text("""
    SELECT i.ord, e.request_hash, e.version, e.balance_after
    FROM unnest(CAST(:users AS text[]), CAST(:keys AS text[])) WITH ORDINALITY AS i(u, k, ord)
    JOIN score.score_entry e ON e.user_id = i.u AND e.idem_key = i.k
""")
_TOTALS = text("""
    SELECT user_id, score, version, (extract(epoch FROM reached_at) * 1000000)::bigint, held,
           (SELECT score.ledger_epoch()) FROM score.user_score
    WHERE user_id > :after AND version > 0 ORDER BY user_id LIMIT :limit
""")
_TOP = text("""
    SELECT user_id, score, version, (extract(epoch FROM reached_at) * 1000000)::bigint, held,
           (SELECT score.ledger_epoch()) FROM score.user_score
    WHERE version > 0 AND NOT held ORDER BY score DESC, reached_at, user_id LIMIT :limit
""")
_DIGEST = text("""
    SELECT score.ledger_epoch(), count(*), coalesce(sum(score), 0), coalesce(sum(version), 0)
    FROM score.user_score WHERE version > 0
""")
_ENTRIES = text("""
    SELECT seq, delta, balance_after, kind, created_at, coalesce(idem_key, '')
    FROM score.score_entry
    WHERE user_id = :user_id AND seq < :before ORDER BY seq DESC LIMIT :limit
""")
_EPOCH = text("SELECT score.next_epoch(:board, :region, :reason, :after)")
_CLAIM = text("""
    UPDATE score.outbox o SET leased_until = clock_timestamp() + :lease
    FROM (SELECT batch_id FROM score.outbox
          WHERE leased_until < clock_timestamp()
             -- A clock that went back must not keep a batch waiting until it is there again.
             OR leased_until > clock_timestamp() + :lease
          ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED) due
    WHERE o.batch_id = due.batch_id
    RETURNING o.batch_id, o.events, score.ledger_epoch()
""")
_FORGET = text("DELETE FROM score.outbox WHERE batch_id = ANY(:batch_ids)")
_BACKLOG = text("""
    SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)
    FROM score.outbox
""")


class Books:
    """Pages of totals and entries, and batches that wait to be published."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, entries: Sequence[Entry]) -> list[Settled | None]:
        """What the ledger already holds under these keys."""
        found: list[Settled | None] = [None] * len(entries)
        rows = await self._rows(
            _FIND, users=[e.user_id for e in entries], keys=[e.key for e in entries]
        )
        for ord_, request_hash, version, balance in rows:
            same = request_hash == entries[ord_ - 1].request_hash
            outcome = Outcome.REPLAYED if same else Outcome.KEY_REUSED
            found[ord_ - 1] = Settled(outcome, version, balance)
        return found

    async def totals(self, *, after: str, limit: int) -> LedgerPage:
        """Users after a cursor, by id."""
        page = _page(await self._rows(_TOTALS, after=after, limit=limit))
        more = len(page.rows) == limit
        return page.model_copy(update={"next": page.rows[-1].user_id}) if more else page

    async def top(self, *, limit: int) -> LedgerPage:
        """The board as SQL orders it: score, then who reached it first, then the id's bytes."""
        return _page(await self._rows(_TOP, limit=limit))

    async def digest(self) -> LedgerDigest:
        ((epoch, users, points, versions),) = await self._rows(_DIGEST)
        return LedgerDigest(
            ledger_epoch=epoch, users=users, points=int(points), versions=int(versions)
        )

    async def entries(self, user_id: str, *, before: int, limit: int) -> list[dict[str, Any]]:
        """A user's entries, newest first, older than `before`."""
        rows = await self._rows(_ENTRIES, user_id=user_id, before=before, limit=limit)
        names = ("seq", "delta", "balance_after", "kind", "created_at", "idempotency_key")
        return [dict(zip(names, row, strict=True)) for row in rows]

    async def next_epoch(self, *, board: str, region: str, reason: str, after: int) -> int:
        """A number that no board had before; `after` is the largest that the caller knows."""
        rows = await self._rows(_EPOCH, board=board, region=region, reason=reason, after=after)
        return int(rows[0][0])

    async def claim(self, *, limit: int) -> list[Commit]:
        """Take over batches whose lease ran out, for 5 s; two sweepers never get the same."""
        rows = await self._rows(_CLAIM, lease=timedelta(seconds=LEASE_SECONDS), limit=limit)
        return [
            Commit(batch_id, epoch, (), [_change(*event) for event in events])
            for batch_id, events, epoch in rows
        ]

    async def forget(self, batch_ids: Sequence[UUID]) -> None:
        """Kafka has acknowledged these batches."""
        await self._run(_FORGET, {"batch_ids": list(batch_ids)})

    async def backlog(self) -> tuple[int, float]:
        """How many batches wait to be published, and the age of the oldest in seconds."""
        ((depth, age),) = await self._rows(_BACKLOG)
        return int(depth), float(age)

    async def check(self) -> None:
        """Raise unless the database answers."""
        await self._rows(text("SELECT 1"))

    async def _rows(self, statement: Any, **values: Any) -> Sequence[Any]:
        rows: Sequence[Any] = (await self._run(statement, values)).all()
        return rows

    async def _run(self, statement: Any, values: dict[str, Any]) -> Any:
        async with transaction(self._engine) as connection:
            return await connection.execute(statement, values)


def _page(rows: Sequence[Any]) -> LedgerPage:
    return LedgerPage(
        ledger_epoch=rows[0][5] if rows else 1,
        rows=[LedgerRow(*row[:-1]) for row in rows],
    )


def _change(
    user_id: str, score: int, version: int, reached_us: int, kind: Any, held: bool, request: str
) -> Change:
    return Change(user_id, score, version, from_microseconds(reached_us), kind, held, request)
