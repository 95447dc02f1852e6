"""One user, as a moderator sees and changes them."""

from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common.contracts.corrections import AuditPage, HoldState, LedgerLine, LedgerView
from libs.common.errors import Conflict, NotFound
from services.score.domain.changes import Commit
from services.score.store.audit import read_page
from services.score.store.database import transaction
from services.score.store.holds import set_held

_ERASE = text("SELECT score.erase_person(:user_id, :actor, :reason)")
_USER = text("""
    SELECT held, erased_at IS NOT NULL AS erased FROM score.user_score
    WHERE user_id = :user_id AND version > 0
""")
# The total is added up anew from the entries, not read from the last of them.
_THEN = text("""
    SELECT coalesce(sum(delta), 0) AS score, coalesce(max(seq), 0) AS seq,
           coalesce(max(version), 0) AS version
    FROM score.score_entry
    WHERE user_id = :user_id
      AND (CAST(:at AS timestamptz) IS NULL OR created_at <= :at)
      AND (CAST(:seq AS bigint) IS NULL OR seq <= :seq)
""")
_ENTRIES = text("""
    SELECT seq, delta, balance_after, kind, idem_key AS idempotency_key,
           encode(fingerprint, 'hex') AS fingerprint, reverses_seq, case_id, actor, reason,
           created_at
    FROM score.score_entry WHERE user_id = :user_id AND seq <= :newest AND seq < :before
    ORDER BY seq DESC LIMIT :limit
""")


class Users:
    """Holds, erasures and ledgers. Raises `Unavailable` when the database does not answer."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def set_held(
        self, user_id: str, *, held: bool, actor: str, reason: str
    ) -> tuple[HoldState, Commit]:
        """
        Off the public board, or back on it; the commit tells everybody, if anything changed.

        Raises `NotFound`, and `Conflict` for the release of a user who was erased.
        """
        async with transaction(self._engine) as connection:
            row, commit = await set_held(connection, user_id, held, actor, reason)
        if row.held != held:
            raise Conflict(f"{user_id} was erased and stays off the board")
        return _hold_state(user_id, row), commit

    async def erase(self, user_id: str, *, actor: str, reason: str) -> tuple[HoldState, Commit]:
        """
        Off the board for ever, and the fingerprints forgotten; safe to repeat.

        Raises `NotFound` for a user without a ledger.
        """
        async with transaction(self._engine) as connection:
            row, commit = await set_held(connection, user_id, True, actor, reason)
            values = {"user_id": user_id, "actor": actor, "reason": reason}
            await connection.execute(_ERASE, values)
        return _hold_state(user_id, row), commit

    async def ledger(
        self, user_id: str, *, at: datetime | None, seq: int | None, before: int, limit: int
    ) -> LedgerView:
        """The user's total at a time or after an entry, and a page of the entries up to it."""
        async with transaction(self._engine) as connection:
            user = (await connection.execute(_USER, {"user_id": user_id})).first()
            if user is None:
                raise NotFound(f"the ledger knows no user {user_id}")
            then = (
                await connection.execute(_THEN, {"user_id": user_id, "at": at, "seq": seq})
            ).one()
            page = {"user_id": user_id, "newest": then.seq, "before": before, "limit": limit}
            entries = (await connection.execute(_ENTRIES, page)).mappings().all()
        return LedgerView(
            user_id=user_id,
            score=int(then.score),
            version=then.version,
            held=user.held,
            erased=user.erased,
            at=at,
            entries=[LedgerLine.model_validate(dict(entry)) for entry in entries],
            next=str(entries[-1]["seq"]) if len(entries) == limit else "",
        )

    async def audit(
        self, *, user_id: str | None, case_id: str | None, before: int, limit: int
    ) -> AuditPage:
        """What was done, the newest first."""
        async with transaction(self._engine) as connection:
            return await read_page(
                connection, user_id=user_id, case_id=case_id, before=before, limit=limit
            )


def _hold_state(user_id: str, row: Any) -> HoldState:
    return HoldState(user_id=user_id, held=row.held, score=row.score, version=row.version)
