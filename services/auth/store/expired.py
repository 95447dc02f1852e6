"""Forgetting what no longer matters, in PostgreSQL."""

from datetime import datetime

from sqlalchemy import Column, delete, select, tuple_

from services.auth.store.database import Database
from services.auth.store.tables import ACCESS_TOKENS, REVOCATIONS, SESSIONS

_ENDS: tuple[Column[datetime], ...] = (
    ACCESS_TOKENS.c.expires_at,
    SESSIONS.c.expires_at,
    REVOCATIONS.c.matters_until,
)


class PostgresExpired:
    """Deletes in bounded steps, so that nobody waits long for a lock."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def purge(self, now: datetime, *, at_most: int) -> None:
        """Delete what has ended: at most so many rows of each table."""
        for end in _ENDS:
            table = end.table
            key = tuple(table.primary_key)
            ended = select(*key).where(end < now).limit(at_most)
            async with self._database.transaction() as connection:
                # Rows in use are left for the next time.
                await connection.execute(
                    delete(table).where(tuple_(*key).in_(ended.with_for_update(skip_locked=True)))
                )
