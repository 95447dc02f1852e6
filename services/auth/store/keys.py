"""Signing keys, in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, delete, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.auth.domain.keys import KeyState, SigningKey
from services.auth.store.database import Database
from services.auth.store.tables import SIGNING_KEYS
from services.auth.usecases.upkeep import Change

# Any number, as long as nobody else's locks use it.
_LOCK = text("SELECT pg_advisory_xact_lock(7041777)")


class PostgresKeyStore:
    """A handful of rows, changed as a whole."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> Sequence[SigningKey]:
        async with self._database.reading() as connection:
            return await _load(connection)

    async def change(self, change: Change) -> Sequence[SigningKey]:
        """Replace the keys by what `change` makes of them, one replica at a time."""
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK)
            keys = await _load(connection)
            changed = change(keys)
            if changed is not keys:
                await connection.execute(delete(SIGNING_KEYS))
                await connection.execute(insert(SIGNING_KEYS), [asdict(key) for key in changed])
            return changed


async def _load(connection: AsyncConnection) -> Sequence[SigningKey]:
    found = await connection.execute(select(SIGNING_KEYS).order_by(SIGNING_KEYS.c.published_at))
    return [_key(row) for row in found]


def _key(row: Row[Any]) -> SigningKey:
    return SigningKey(
        kid=row.kid,
        sealed=row.sealed,
        state=KeyState(row.state),
        published_at=row.published_at,
        activated_at=row.activated_at,
        retired_at=row.retired_at,
    )
