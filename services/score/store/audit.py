"""The audit of what people other than players did; written within the act's own transaction."""

import json
from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.contracts.corrections import AuditLine, AuditPage

_RECORD = text("""
    INSERT INTO score.audit (actor, action, user_id, case_id, reason, detail)
    VALUES (:actor, :action, :user_id, :case_id, :reason, CAST(:detail AS jsonb))
""")
_PAGE = text("""
    SELECT id, at, actor, action, user_id, case_id, reason, detail FROM score.audit
    WHERE id < :before
      AND (CAST(:user_id AS text) IS NULL OR user_id = :user_id)
      AND (CAST(:case_id AS text) IS NULL OR case_id = :case_id)
    ORDER BY id DESC LIMIT :limit
""")


async def record(
    connection: AsyncConnection,
    *,
    actor: str,
    action: str,
    user_id: str | None = None,
    case_id: str | None = None,
    reason: str = "",
    detail: Mapping[str, object] | None = None,
) -> None:
    """Add a line, in the caller's transaction."""
    values = {
        "actor": actor,
        "action": action,
        "user_id": user_id,
        "case_id": case_id,
        "reason": reason,
        "detail": json.dumps(detail or {}),
    }
    await connection.execute(_RECORD, values)


async def read_page(
    connection: AsyncConnection,
    *,
    user_id: str | None,
    case_id: str | None,
    before: int,
    limit: int,
) -> AuditPage:
    """The newest first."""
    values = {"user_id": user_id, "case_id": case_id, "before": before, "limit": limit}
    rows = (await connection.execute(_PAGE, values)).mappings().all()
    return AuditPage(
        acts=[AuditLine.model_validate(dict(row)) for row in rows],
        next=str(rows[-1]["id"]) if len(rows) == limit else "",
    )
