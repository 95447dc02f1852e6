"""Hiding a user from the public board: one bit of their row, and an event like any other."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.contracts.scores import ChangeKind
from libs.common.errors import NotFound
from services.score.domain.changes import Change, Commit

_SET_HELD = text("""
    SELECT h.*, score.ledger_epoch() AS epoch
    FROM score.set_held(:batch, :user_id, :held, :actor, :reason, NULL) h
""")


async def set_held(
    connection: AsyncConnection, user_id: str, held: bool, actor: str, reason: str
) -> tuple[Any, Commit]:
    """
    Off the public board or back on it, in the caller's transaction, with its line of the audit.

    The user's row (`score`, `version`, `reached_at`, `held`, `erased`, `changed`), and what there
    is to publish. Who was erased stays held. Raises `NotFound` for a user without a ledger.
    """
    batch_id = uuid4()
    values = {
        "batch": batch_id,
        "user_id": user_id,
        "held": held,
        "actor": actor,
        "reason": reason,
    }
    row = (await connection.execute(_SET_HELD, values)).first()
    if row is None:
        raise NotFound(f"the ledger knows no user {user_id}")
    kind: ChangeKind = "hold" if held else "release"
    changes: Sequence[Change] = (
        [Change(user_id, row.score, row.version, row.reached_at, kind, row.held)]
        if row.changed
        else ()
    )
    return row, Commit(batch_id, row.epoch, (), changes)
