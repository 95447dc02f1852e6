"""
Choosing increments for a reversal case, and saying what taking them back means.

Everything runs in the caller's transaction: a dry run is the same with a rollback at its end.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.contracts.boards import TopEntry
from libs.common.contracts.corrections import (
    MAX_LISTED_USERS,
    ReversalPreview,
    Selector,
    UserChange,
)
from libs.common.errors import Conflict, InvalidRequest, NotFound
from services.score.domain.corrections import ApprovalLimits

MAX_CASE_ENTRIES = 500_000

_KNOWN = text("SELECT 1 FROM score.user_score WHERE user_id = :user_id AND version > 0")
_TAKEN = text("""
    SELECT count(*) FILTER (WHERE reversed), count(*) FILTER (WHERE NOT reversed),
           min(case_id) FILTER (WHERE NOT reversed),
           min(user_id || ' ' || seq || ' ' || case_id) FILTER (WHERE reversed)
    FROM score.select_increments(:user_id, :seqs, :keys, :from, :to, :fingerprint)
    WHERE case_id IS NOT NULL
""")
_FREEZE = text("""
    INSERT INTO score.case_entry (case_id, user_id, seq, target_seq)
    SELECT :case_id, user_id, seq, standing_seq
    FROM score.select_increments(:user_id, :seqs, :keys, :from, :to, :fingerprint)
    WHERE case_id IS NULL LIMIT :limit
""")
_CHANGES = text("""
    SELECT user_id, chosen, points, score, count(*) OVER (), sum(chosen) OVER (),
           sum(points) OVER ()
    FROM (SELECT c.user_id, count(*) AS chosen, sum(e.delta) AS points
          FROM score.case_entry c
          JOIN score.score_entry e ON e.user_id = c.user_id AND e.seq = c.target_seq
          WHERE c.case_id = :case_id GROUP BY c.user_id) t
    JOIN score.user_score USING (user_id)
    ORDER BY points DESC, user_id LIMIT :limit
""")
_TOP = text("""
    SELECT user_id, score FROM score.user_score WHERE version > 0 AND NOT held
    ORDER BY score DESC, reached_at, user_id LIMIT 10
""")
_TOP_AFTER = text("""
    WITH loser AS (
        SELECT c.user_id, sum(e.delta) AS points FROM score.case_entry c
        JOIN score.score_entry e ON e.user_id = c.user_id AND e.seq = c.target_seq
        WHERE c.case_id = :case_id GROUP BY c.user_id
    ), other AS (
        SELECT s.user_id, s.score, s.reached_at FROM score.user_score s
        WHERE s.version > 0 AND NOT s.held
          AND NOT EXISTS (SELECT FROM loser l WHERE l.user_id = s.user_id)
        ORDER BY s.score DESC, s.reached_at, s.user_id LIMIT 10
    )
    SELECT user_id, score FROM (
        SELECT * FROM other
        UNION ALL
        SELECT s.user_id, s.score - l.points, score.standing_since(s.user_id, :case_id)
        FROM loser l JOIN score.user_score s USING (user_id) WHERE NOT s.held
    ) t ORDER BY score DESC, reached_at, user_id LIMIT 10
""")


async def freeze(
    connection: AsyncConnection, case_id: str, selector: Selector, limits: ApprovalLimits
) -> ReversalPreview:
    """
    Put what the selector means, as of now, into the case.

    What another case took back is left out, unless it was named one by one. Raises `NotFound` for
    an unknown user, `Conflict` if another case is about to take some of it, and `InvalidRequest`
    for nothing at all, too much, or a name that is no increment's.
    """
    values = _values(selector)
    if selector.user_id is not None:
        known = await connection.execute(_KNOWN, {"user_id": selector.user_id})
        if known.first() is None:
            raise NotFound(f"the ledger knows no user {selector.user_id}")
    reversed_, pending, pending_case, example = (await connection.execute(_TAKEN, values)).one()
    named = selector.seqs or selector.idempotency_keys
    if pending:
        raise Conflict(f"case {pending_case} has already chosen {pending} of these increments")
    if named and reversed_:
        user_id, seq, case_id_ = example.split(" ")
        raise Conflict(f"increment {seq} of {user_id} is already reversed by case {case_id_}")
    frozen = await connection.execute(
        _FREEZE, {**values, "case_id": case_id, "limit": MAX_CASE_ENTRIES + 1}
    )
    if named and frozen.rowcount != len(set(named)):
        raise InvalidRequest("some of the seqs or idempotency_keys are no increment of this user")
    if frozen.rowcount == 0:
        raise InvalidRequest(
            f"the selector matches no increment that counts ({reversed_} are already reversed)"
        )
    if frozen.rowcount > MAX_CASE_ENTRIES:
        raise InvalidRequest(f"a case takes back at most {MAX_CASE_ENTRIES} increments; narrow it")
    return await _preview(connection, case_id, limits, already_reversed=reversed_)


async def _preview(
    connection: AsyncConnection, case_id: str, limits: ApprovalLimits, *, already_reversed: int
) -> ReversalPreview:
    of_case = {"case_id": case_id}
    rows = (await connection.execute(_CHANGES, {**of_case, "limit": MAX_LISTED_USERS})).all()
    _, _, _, _, users, entries, points = rows[0]
    return ReversalPreview(
        users=users,
        entries=int(entries),
        points=int(points),
        already_reversed=already_reversed,
        needs_approval=limits.passed_by(entries=int(entries), points=int(points)),
        changes=[
            UserChange(
                user_id=user_id, entries=n, score_before=score, score_after=score - int(lost)
            )
            for user_id, n, lost, score, *_ in rows
        ],
        top_10_before=_top((await connection.execute(_TOP)).all()),
        top_10_after=_top((await connection.execute(_TOP_AFTER, of_case)).all()),
    )


def _top(rows: Sequence[Any]) -> list[TopEntry]:
    return [TopEntry(user_id=user_id, score=int(score)) for user_id, score in rows]


def _values(selector: Selector) -> dict[str, Any]:
    return {
        "user_id": selector.user_id,
        "seqs": selector.seqs,
        "keys": selector.idempotency_keys,
        "from": selector.from_,
        "to": selector.to,
        "fingerprint": bytes.fromhex(selector.fingerprint) if selector.fingerprint else None,
    }
