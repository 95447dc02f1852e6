"""Revocations, in PostgreSQL."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, Text, and_, bindparam, exists, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.contracts.identities import Revocation
from services.auth.domain.claims import REVOCATION_MATTERS
from services.auth.store.database import Database
from services.auth.store.tables import BANS, REVOCATION_REVISION, REVOCATIONS, TOMBSTONES
from services.auth.usecases.verdicts import Caller

_ASKED = (
    func.unnest(
        bindparam("user_ids", type_=ARRAY(Text)),
        bindparam("jtis", type_=ARRAY(Text)),
        bindparam("issued_at", type_=ARRAY(DateTime(timezone=True))),
    )
    .table_valued("user_id", "jti", "issued_at", with_ordinality="place")
    .render_derived(name="asked")
)
_ENDED = select(_ASKED.c.place).where(
    or_(
        exists().where(
            REVOCATIONS.c.user_id == _ASKED.c.user_id,
            or_(
                REVOCATIONS.c.jti == _ASKED.c.jti,
                and_(REVOCATIONS.c.jti == "", REVOCATIONS.c.not_before >= _ASKED.c.issued_at),
            ),
        ),
        exists().where(BANS.c.user_id == _ASKED.c.user_id),
        exists().where(TOMBSTONES.c.user_id == _ASKED.c.user_id),
    )
)


class PostgresRevocationStore:
    """One row per revoked token, and at most one per user for all of theirs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, user_id: str, jti: str, now: datetime, *, matters_until: datetime) -> None:
        """Revoke one token; again changes nothing."""
        row = {
            "user_id": user_id,
            "jti": jti,
            "not_before": None,
            "revoked_at": now,
            "matters_until": matters_until,
        }
        async with self._database.transaction() as connection:
            await revoke(connection, [row])

    async def ended(self, callers: Collection[Caller]) -> frozenset[Caller]:
        """Whose token was revoked, by itself or with all of its user's, or whose user is barred."""
        asked = list(callers)
        arrays = {
            "user_ids": [caller.user_id for caller in asked],
            "jtis": [caller.jti for caller in asked],
            "issued_at": [caller.issued_at for caller in asked],
        }
        async with self._database.reading() as connection:
            places = await connection.scalars(_ENDED, arrays)
            return frozenset(asked[place - 1] for place in places)

    async def revision(self) -> int:
        """A number that is another one after each change."""
        async with self._database.reading() as connection:
            return int(await connection.scalar(select(REVOCATION_REVISION.c.revision)) or 0)

    async def newest(self, count: int) -> list[Revocation]:
        question = (
            select(REVOCATIONS.c.user_id, REVOCATIONS.c.jti, REVOCATIONS.c.not_before)
            .order_by(REVOCATIONS.c.revoked_at.desc(), REVOCATIONS.c.user_id, REVOCATIONS.c.jti)
            .limit(count)
        )
        async with self._database.reading() as connection:
            return [
                Revocation(user_id=row.user_id, jti=row.jti, not_before=row.not_before)
                for row in await connection.execute(question)
            ]


async def revoke(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Add revocations; of two for the same, the one that reaches further stays."""
    adding = insert(REVOCATIONS).values(rows)
    new = adding.excluded
    await connection.execute(
        adding.on_conflict_do_update(
            index_elements=[REVOCATIONS.c.user_id, REVOCATIONS.c.jti],
            set_={
                "not_before": func.greatest(REVOCATIONS.c.not_before, new.not_before),
                "matters_until": func.greatest(REVOCATIONS.c.matters_until, new.matters_until),
                "revoked_at": func.greatest(REVOCATIONS.c.revoked_at, new.revoked_at),
            },
        )
    )


async def revoke_all(connection: AsyncConnection, user_id: str, now: datetime) -> None:
    """Revoke every token issued to a user until now."""
    row = {
        "user_id": user_id,
        "jti": "",
        "not_before": now,
        "revoked_at": now,
        "matters_until": now + REVOCATION_MATTERS,
    }
    await revoke(connection, [row])
