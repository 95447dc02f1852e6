"""
People, and the acts on them, in PostgreSQL.

An act and its line in the audit are one transaction, one act at a time: so no two admins can take
the role from each other at once, and the audit's numbers are in the order of the acts.
"""

from typing import Any

from sqlalchemy import Row, delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.clock import Clock
from libs.common.contracts.corrections import AuditLine
from services.auth.domain.acts import Act, Action
from services.auth.domain.people import Person
from services.auth.store.database import Database
from services.auth.store.sessions import end_all
from services.auth.store.tables import AUDIT, BANS, TOMBSTONES, USERS
from services.auth.store.users import user_of
from services.auth.usecases.administration import Decide

# Any number, as long as nobody else's locks use it.
_LOCK = text("SELECT pg_advisory_xact_lock(7041778)")

_FIND = text("""
    SELECT u.*, b.user_id IS NOT NULL AS banned, t.erased_at,
           EXISTS (SELECT FROM auth.audit a WHERE a.user_id = asked.id) AS recorded,
           'admin' = ANY (u.roles) AND NOT EXISTS (
               SELECT FROM auth.user_account o
               WHERE 'admin' = ANY (o.roles) AND o.user_id <> asked.id
                 AND NOT EXISTS (SELECT FROM auth.ban WHERE ban.user_id = o.user_id)
           ) AS last_admin
    FROM (SELECT CAST(:user_id AS text) AS id) asked
    LEFT JOIN auth.user_account u ON u.user_id = asked.id
    LEFT JOIN auth.ban b ON b.user_id = asked.id
    LEFT JOIN auth.tombstone t ON t.user_id = asked.id
""")


class PostgresPeople:
    """Users, bans, tombstones and the audit."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def find(self, user_id: str) -> Person:
        async with self._database.reading() as connection:
            return await _find(connection, user_id)

    async def change(self, user_id: str, decide: Decide) -> Person:
        """Carry out and record what is decided, both or neither; return the person after it."""
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK)
            person = await _find(connection, user_id)
            act = decide(person)
            if act is None:
                return person
            if act.action is not Action.UNBANNED:
                await end_all(connection, user_id, self._clock)
            await _carry_out(connection, user_id, act)
            await _record(connection, user_id, act)
            return await _find(connection, user_id)

    async def acts(self, user_id: str | None, *, before: int, limit: int) -> list[AuditLine]:
        """The acts on one or on all, the newest first, among those numbered below `before`."""
        question = select(AUDIT).where(AUDIT.c.id < before).order_by(AUDIT.c.id.desc()).limit(limit)
        if user_id is not None:
            question = question.where(AUDIT.c.user_id == user_id)
        async with self._database.reading() as connection:
            found = await connection.execute(question)
            return [AuditLine.model_validate(dict(row)) for row in found.mappings()]


async def _find(connection: AsyncConnection, user_id: str) -> Person:
    row = (await connection.execute(_FIND, {"user_id": user_id})).one()
    return _person(user_id, row)


def _person(user_id: str, row: Row[Any]) -> Person:
    return Person(
        user_id=user_id,
        user=user_of(row) if row.user_id else None,
        created_at=row.created_at,
        banned=row.banned,
        erased_at=row.erased_at,
        recorded=row.recorded,
        last_admin=bool(row.last_admin),
    )


async def _carry_out(connection: AsyncConnection, user_id: str, act: Act) -> None:
    match act.action:
        case Action.ROLES_CHANGED:
            assert act.roles is not None
            roles = sorted(act.roles[1])
            await connection.execute(
                update(USERS).where(USERS.c.user_id == user_id).values(roles=roles)
            )
        case Action.BANNED:
            await connection.execute(insert(BANS).values(user_id=user_id))
        case Action.UNBANNED:
            await connection.execute(delete(BANS).where(BANS.c.user_id == user_id))
        case Action.ERASED:
            await connection.execute(insert(TOMBSTONES).values(user_id=user_id))
            await connection.execute(delete(BANS).where(BANS.c.user_id == user_id))
            await connection.execute(delete(USERS).where(USERS.c.user_id == user_id))
            # What was written about them in earlier acts is theirs too.
            await connection.execute(
                update(AUDIT).where(AUDIT.c.user_id == user_id).values(reason="", detail={})
            )
        case Action.LOGGED_OUT:
            pass


async def _record(connection: AsyncConnection, user_id: str, act: Act) -> None:
    detail = {}
    if act.roles is not None:
        before, after = map(sorted, act.roles)
        detail = {"before": before, "after": after}
    await connection.execute(
        insert(AUDIT).values(
            actor=act.warrant.actor,
            action=act.action,
            user_id=user_id,
            reason=act.warrant.reason,
            detail=detail,
        )
    )
