"""
Sessions, in PostgreSQL.

Locks are taken in one order: the user, the session, the revocations. A session's lock decides
between two renewals; the user's, which every new session shares, between signing in and
signing out everywhere.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hmac import compare_digest

from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.clock import Clock
from libs.common.tokens import LEEWAY_SECONDS
from services.auth.store.database import Database
from services.auth.store.revocations import revoke, revoke_all
from services.auth.store.tables import ACCESS_TOKENS, BANS, SESSIONS, USERS
from services.auth.usecases.sessions import Grant


class PostgresSessionStore:
    """One row per session, and one per access token of it that has not ended."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def open(self, session_id: str, user_id: str, grant: Grant, *, keep: int) -> bool:
        """Keep a new session; end the user's oldest so that at most `keep` are left."""
        async with self._database.transaction() as connection:
            if not await _may_sign_in(connection, user_id):
                return False
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
            return True

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

    async def end_all(self, user_id: str) -> None:
        """End all sessions of a user, and revoke every token issued to them until now."""
        async with self._database.transaction() as connection:
            await end_all(connection, user_id, self._clock)


async def end_all(connection: AsyncConnection, user_id: str, clock: Clock) -> None:
    """Lock the user; end all their sessions, and revoke every token issued to them until now."""
    await connection.execute(
        select(USERS.c.user_id).where(USERS.c.user_id == user_id).with_for_update()
    )
    await connection.execute(delete(SESSIONS).where(SESSIONS.c.user_id == user_id))
    # Only now: a session that was renewed while this waited for its lock has a younger token.
    await revoke_all(connection, user_id, clock.now())


async def _may_sign_in(connection: AsyncConnection, user_id: str) -> bool:
    """Whether the user is there and not banned, from here to the end of the transaction."""
    share = select(USERS.c.user_id).where(USERS.c.user_id == user_id)
    if await connection.scalar(share.with_for_update(read=True, key_share=True)) is None:
        return False
    # In a new statement: the one before may have waited for whoever banned them.
    return not await connection.scalar(select(exists().where(BANS.c.user_id == user_id)))


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
