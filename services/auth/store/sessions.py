"""
Sessions, in PostgreSQL.

Locks are taken in one order: the user, the session, the revocations. A session's lock decides
between two renewals; the user's, which every new session shares, between signing in and
signing out everywhere.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hmac import compare_digest

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.tokens import LEEWAY_SECONDS
from services.auth.store.database import Database
from services.auth.store.revocations import revoke
from services.auth.store.tables import ACCESS_TOKENS, SESSIONS, USERS
from services.auth.usecases.sessions import Grant


class PostgresSessionStore:
    """One row per session, and one per access token of it that has not ended."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, session_id: str, user_id: str, grant: Grant, *, keep: int) -> None:
        """Keep a new session; end the user's oldest so that at most `keep` are left."""
        async with self._database.transaction() as connection:
            # Its reference to the user takes a share of the user's lock.
            await connection.execute(
                insert(SESSIONS).values(
                    session_id=session_id,
                    user_id=user_id,
                    refresh_hash=grant.refresh_hash,
                    created_at=grant.given_at,
                    expires_at=grant.expires_at,
                )
            )
            await _record(connection, session_id, grant)
            surplus = await connection.scalars(
                select(SESSIONS.c.session_id)
                .where(SESSIONS.c.user_id == user_id)
                .order_by(SESSIONS.c.created_at.desc())
                .offset(keep)
            )
            await _end(connection, user_id, surplus.all(), grant.given_at)

    async def renew(self, session_id: str, presented_hash: bytes, grant: Grant) -> str | None:
        """Give the session a new grant, or end it if the presented hash is not its newest."""
        async with self._database.transaction() as connection:
            found = await connection.execute(
                select(SESSIONS).where(SESSIONS.c.session_id == session_id).with_for_update()
            )
            session = found.first()
            if session is None or session.expires_at <= grant.given_at:
                return None
            if not compare_digest(session.refresh_hash, presented_hash):
                await _end(connection, session.user_id, [session_id], grant.given_at)
                return None
            await connection.execute(
                update(SESSIONS)
                .where(SESSIONS.c.session_id == session_id)
                .values(refresh_hash=grant.refresh_hash, expires_at=grant.expires_at)
            )
            await _record(connection, session_id, grant)
            return str(session.user_id)

    async def end(self, session_id: str, now: datetime) -> None:
        async with self._database.transaction() as connection:
            found = await connection.execute(
                select(SESSIONS.c.user_id)
                .where(SESSIONS.c.session_id == session_id)
                .with_for_update()
            )
            user_id = found.scalar()
            if user_id is not None:
                await _end(connection, user_id, [session_id], now)

    async def end_all(self, user_id: str, now: datetime, *, matters_until: datetime) -> None:
        """End all sessions of a user, and revoke every token issued to them until now."""
        async with self._database.transaction() as connection:
            await connection.execute(
                select(USERS.c.user_id).where(USERS.c.user_id == user_id).with_for_update()
            )
            await connection.execute(delete(SESSIONS).where(SESSIONS.c.user_id == user_id))
            await revoke(
                connection,
                [
                    {
                        "user_id": user_id,
                        "jti": "",
                        "not_before": now,
                        "revoked_at": now,
                        "matters_until": matters_until,
                    }
                ],
            )


async def _record(connection: AsyncConnection, session_id: str, grant: Grant) -> None:
    await connection.execute(
        insert(ACCESS_TOKENS).values(
            jti=grant.jti, session_id=session_id, expires_at=grant.access_expires_at
        )
    )


async def _end(
    connection: AsyncConnection, user_id: str, session_ids: Sequence[str], now: datetime
) -> None:
    """Delete the sessions, and revoke those of their access tokens that have not ended."""
    if not session_ids:
        return
    alive = await connection.execute(
        select(ACCESS_TOKENS.c.jti, ACCESS_TOKENS.c.expires_at).where(
            ACCESS_TOKENS.c.session_id.in_(session_ids)
        )
    )
    leeway = timedelta(seconds=LEEWAY_SECONDS)
    tokens = [
        {
            "user_id": user_id,
            "jti": token.jti,
            "not_before": None,
            "revoked_at": now,
            "matters_until": token.expires_at + leeway,
        }
        for token in alive
        if token.expires_at + leeway > now
    ]
    await connection.execute(delete(SESSIONS).where(SESSIONS.c.session_id.in_(session_ids)))
    if tokens:
        await revoke(connection, tokens)
