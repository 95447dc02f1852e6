"""Reversal cases: chosen, approved, worked on, reverted. Every step is one transaction."""

from typing import Any
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from libs.common.contracts.corrections import (
    Act,
    ReversalCase,
    ReversalOrder,
    ReversalPreview,
    Selector,
)
from libs.common.contracts.values import MAX_TOTAL
from libs.common.errors import Conflict, NotFound, ScoreLimitReached, Unavailable
from services.score.domain.changes import Change, Commit
from services.score.domain.corrections import ApprovalLimits, Decide, Step
from services.score.store.audit import record
from services.score.store.database import transaction
from services.score.store.selection import freeze

_FIND = text("SELECT * FROM score.reversal_case WHERE case_id = :case_id")
_LOCK = text("SELECT * FROM score.reversal_case WHERE case_id = :case_id FOR UPDATE")
_LIST = text("""
    SELECT * FROM score.reversal_case
    WHERE number < :before AND state = coalesce(CAST(:state AS text), state)
    ORDER BY number DESC LIMIT :limit
""")
_OPEN = text("""
    INSERT INTO score.reversal_case (case_id, state, selector, preview, entries, requested_by,
                                     reason)
    VALUES (:case_id, 'applying', CAST(:selector AS jsonb), '{}', 0, :actor, :reason)
    ON CONFLICT DO NOTHING
""")
_DESCRIBE = text("""
    UPDATE score.reversal_case
    SET preview = CAST(:preview AS jsonb), entries = :entries, state = :state
    WHERE case_id = :case_id
""")
_MOVE = text("""
    UPDATE score.reversal_case
    SET state = :state, done = CASE WHEN :state = 'reverting' THEN 0 ELSE done END,
        finished_at = CASE WHEN :state = 'reverting' THEN NULL ELSE finished_at END
    WHERE case_id = :case_id
""")
_SIGN = {
    "approved": text("""
        UPDATE score.reversal_case SET approved_by = :actor, approved_at = clock_timestamp()
        WHERE case_id = :case_id
    """),
    "revert_requested": text("""
        UPDATE score.reversal_case
        SET revert_requested_by = :actor, revert_requested_at = clock_timestamp(),
            revert_reason = :reason
        WHERE case_id = :case_id
    """),
    "revert_approved": text("""
        UPDATE score.reversal_case
        SET revert_approved_by = :actor, revert_approved_at = clock_timestamp()
        WHERE case_id = :case_id
    """),
}
_RELEASE = text("DELETE FROM score.case_entry WHERE case_id = :case_id")
_OVERFULL = text("""
    SELECT c.user_id FROM score.case_entry c
    JOIN score.score_entry e ON e.user_id = c.user_id AND e.seq = c.target_seq
    JOIN score.user_score s ON s.user_id = c.user_id
    WHERE c.case_id = :case_id GROUP BY c.user_id, s.score
    HAVING s.score + sum(e.delta) > :most LIMIT 1
""")
_AT_WORK = text("""
    SELECT case_id FROM score.reversal_case WHERE state IN ('applying', 'reverting')
    ORDER BY number LIMIT 1
""")
_WORK = text("""
    SELECT w.*, score.ledger_epoch() FROM score.work_on_case(:batch, :case_id, :limit) w
""")


class Cases:
    """All reversal cases. Every call raises `Unavailable` when the database does not answer."""

    def __init__(self, engine: AsyncEngine, limits: ApprovalLimits) -> None:
        self._engine = engine
        self._limits = limits

    async def preview(self, order: ReversalOrder) -> ReversalPreview:
        """What the case would do; nothing is left of it. Raises what `freeze` raises."""
        async with transaction(self._engine) as connection:
            inserted = await connection.execute(_OPEN, _opening(order, "preview"))
            if inserted.rowcount == 0:
                raise Conflict(f"there is a case {order.case_id} already")
            found = await freeze(connection, order.case_id, order.selector, self._limits)
            await connection.rollback()
            return found

    async def open(self, order: ReversalOrder, actor: str) -> tuple[ReversalCase, bool]:
        """
        A case with its entries chosen, and whether it is new.

        Raises what `freeze` raises, and `Conflict` if the case is known with another selector.
        """
        try:
            async with transaction(self._engine) as connection:
                inserted = await connection.execute(_OPEN, _opening(order, actor))
                if inserted.rowcount:
                    await self._choose(connection, order, actor)
                case = await _read(connection, order.case_id)
        except IntegrityError as error:
            raise Conflict("another case has just chosen some of these increments") from error
        if case.selector != order.selector:
            raise Conflict(f"there is a case {order.case_id} already, with another selector")
        return case, bool(inserted.rowcount)

    async def find(self, case_id: str) -> ReversalCase:
        """Raises `NotFound`."""
        async with transaction(self._engine) as connection:
            return await _read(connection, case_id)

    async def page(
        self, *, state: str | None, before: int, limit: int
    ) -> tuple[list[ReversalCase], int | None]:
        """The newest cases first, without their users, and where the next page begins."""
        values = {"state": state, "before": before, "limit": limit}
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(_LIST, values)).all()
        following = rows[-1].number if len(rows) == limit else None
        return [_case(row, whole=False) for row in rows], following

    async def move(self, case_id: str, decide: Decide) -> ReversalCase:
        """Take the step that `decide` says. Raises `NotFound`, and what `decide` raises."""
        async with transaction(self._engine) as connection:
            case = await _read(connection, case_id, lock=True)
            step = decide(case)
            if step is None:
                return case
            await self._take(connection, case_id, step)
            return await _read(connection, case_id)

    async def work(self, *, limit: int) -> Commit | None:
        """Work on the oldest case that needs it, for so many entries; None: there is none."""
        batch_id = uuid4()
        case_id = None
        try:
            async with transaction(self._engine) as connection:
                case_id = (await connection.execute(_AT_WORK)).scalar()
                if case_id is None:
                    return None
                values = {"batch": batch_id, "case_id": case_id, "limit": limit}
                rows = (await connection.execute(_WORK, values)).all()
        except IntegrityError as error:
            raise Unavailable(f"case {case_id} cannot go on: {error.orig}") from error
        changes = [
            Change(user_id, score, version, reached_at, "reversal", held)
            for user_id, score, version, reached_at, held, _ in rows
        ]
        return Commit(batch_id, rows[0][5] if rows else 1, (), changes)

    async def _choose(self, connection: AsyncConnection, order: ReversalOrder, actor: str) -> None:
        preview = await freeze(connection, order.case_id, order.selector, self._limits)
        values = {
            "case_id": order.case_id,
            "preview": preview.model_dump_json(),
            "entries": preview.entries,
            "state": "awaiting_approval" if preview.needs_approval else "applying",
        }
        await connection.execute(_DESCRIBE, values)
        counts = {"users": preview.users, "entries": preview.entries, "points": preview.points}
        await record(
            connection,
            actor=actor,
            action="reversal.requested",
            case_id=order.case_id,
            reason=order.reason,
            detail=counts,
        )

    async def _take(self, connection: AsyncConnection, case_id: str, step: Step) -> None:
        if step.state in ("reverting", "revert_awaiting_approval"):
            full = await connection.execute(_OVERFULL, {"case_id": case_id, "most": MAX_TOTAL})
            if user_id := full.scalar():
                raise ScoreLimitReached(f"the total of {user_id} would pass 2^53-1")
        await connection.execute(_MOVE, {"case_id": case_id, "state": step.state})
        if step.records:
            signed = {"case_id": case_id, "actor": step.actor, "reason": step.reason}
            await connection.execute(_SIGN[step.records], signed)
        if step.state == "withdrawn":
            await connection.execute(_RELEASE, {"case_id": case_id})
        await record(
            connection,
            actor=step.actor,
            action=step.action,
            case_id=case_id,
            reason=step.reason,
        )


def _opening(order: ReversalOrder, actor: str) -> dict[str, Any]:
    return {
        "case_id": order.case_id,
        "selector": order.selector.model_dump_json(by_alias=True),
        "actor": actor,
        "reason": order.reason,
    }


async def _read(connection: AsyncConnection, case_id: str, *, lock: bool = False) -> ReversalCase:
    row = (await connection.execute(_LOCK if lock else _FIND, {"case_id": case_id})).first()
    if row is None:
        raise NotFound(f"there is no case {case_id}")
    return _case(row)


def _case(row: Any, *, whole: bool = True) -> ReversalCase:
    def act(prefix: str, reason: str = "") -> Act | None:
        by, at = getattr(row, f"{prefix}_by"), getattr(row, f"{prefix}_at")
        return Act(by=by, at=at, reason=reason) if by else None

    return ReversalCase(
        case_id=row.case_id,
        state=row.state,
        selector=Selector.model_validate(row.selector),
        preview=ReversalPreview.model_validate(row.preview | ({} if whole else {"changes": []})),
        entries=row.entries,
        done=row.done,
        requested=Act(by=row.requested_by, at=row.requested_at, reason=row.reason),
        approved=act("approved"),
        revert_requested=act("revert_requested", row.revert_reason or ""),
        revert_approved=act("revert_approved"),
        finished_at=row.finished_at,
    )
