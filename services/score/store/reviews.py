"""
The review queue in PostgreSQL: each step is one transaction, with its hold and its audit lines.

Every call raises `Unavailable` when the database does not answer.
"""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from libs.common.contracts.reviews import Review, ReviewList, ReviewState
from libs.common.errors import Conflict, NotFound
from services.score.domain.bots import Suspicion
from services.score.domain.changes import Commit
from services.score.store.audit import record
from services.score.store.database import transaction
from services.score.store.holds import set_held

# A person has looked: the same rule does not ask again about the same user for so long.
RESTS = timedelta(days=7)

_COLUMNS = """
    r.review_id, r.user_id, r.rule, r.action,
    r.evidence || jsonb_build_object('since', r.since) AS evidence, r.state,
    coalesce(s.held, false) AS held, r.opened_at, r.decided_by, r.decided_at, r.reason, r.case_id
"""
_FROM = "FROM score.review r LEFT JOIN score.user_score s USING (user_id)"
_FIND = text(f"SELECT {_COLUMNS}, r.since, r.holds {_FROM} WHERE r.review_id = :review_id")
_PAGE = text(f"""
    SELECT {_COLUMNS} {_FROM}
    WHERE r.review_id < :before AND r.state = coalesce(CAST(:state AS text), r.state)
    ORDER BY r.review_id DESC LIMIT :limit
""")
# All of the user's that may say whether they are held: two decisions take turns.
_LOCK = text("""
    SELECT FROM score.review WHERE state IN ('open', 'held') AND user_id =
        (SELECT user_id FROM score.review WHERE review_id = :review_id)
    ORDER BY review_id FOR UPDATE
""")
_OPEN = text("""
    INSERT INTO score.review (user_id, rule, action, evidence, since)
    SELECT :user_id, :rule, :action, CAST(:evidence AS jsonb), :since
    WHERE NOT EXISTS (SELECT FROM score.review WHERE user_id = :user_id AND rule = :rule
                      AND decided_at > clock_timestamp() - CAST(:rests AS interval))
    ON CONFLICT (user_id, rule) WHERE state = 'open' DO NOTHING
    RETURNING review_id
""")
_WAITING = text("SELECT count(*) FROM score.review WHERE state = 'open'")
_HOLDS = text("UPDATE score.review SET holds = true WHERE review_id = :review_id")
# Another review that wants the user off the board takes the hold over.
_HAND_OVER = text("""
    UPDATE score.review SET holds = true WHERE review_id = (
        SELECT review_id FROM score.review
        WHERE user_id = :user_id AND review_id <> :review_id
          AND (state = 'held' OR state = 'open' AND action = 'hold') LIMIT 1)
    RETURNING review_id
""")
_DECIDE = text("""
    UPDATE score.review SET state = :state, decided_by = :actor, reason = :reason,
        case_id = :case_id, decided_at = clock_timestamp() WHERE review_id = :review_id
""")


class ReviewQueue:
    """All reviews; `publish` tells of the holds and releases that decisions bring."""

    def __init__(self, engine: AsyncEngine, publish: Callable[[Commit], None]) -> None:
        self._engine = engine
        self._publish = publish

    async def open(self, suspicion: Suspicion) -> None:
        """
        Open a review, and hold the user if the rule says so.

        Does nothing if one is open for this user and rule, or was decided in the last 7 days.
        """
        rule = suspicion.rule
        values = {
            "user_id": suspicion.user_id,
            "rule": rule.name,
            "action": rule.action,
            "evidence": json.dumps(suspicion.evidence),
            "since": suspicion.since,
            "rests": RESTS,
        }
        commit: Commit | None = None
        async with transaction(self._engine) as connection:
            review_id = (await connection.execute(_OPEN, values)).scalar()
            if review_id is None:
                return
            await record(
                connection,
                actor=f"rule:{rule.name}",
                action="review.opened",
                user_id=suspicion.user_id,
                detail={"review_id": review_id, **suspicion.evidence},
            )
            if rule.action == "hold":
                commit = await _keep_off(
                    connection, review_id, suspicion.user_id, f"rule:{rule.name}", "suspicion"
                )
        if commit:
            self._publish(commit)

    async def page(self, *, state: ReviewState | None, before: int, limit: int) -> ReviewList:
        """The newest first."""
        values = {"state": state, "before": before, "limit": limit}
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(_PAGE, values)).mappings().all()
        return ReviewList(
            reviews=[Review.model_validate(dict(row)) for row in rows],
            next=str(rows[-1]["review_id"]) if len(rows) == limit else "",
        )

    @asynccontextmanager
    async def deciding(self, review_id: int) -> AsyncGenerator["OpenReview", None]:
        """All or nothing. Raises `NotFound`, and `Conflict` if it was decided before."""
        async with transaction(self._engine) as connection:
            await connection.execute(_LOCK, {"review_id": review_id})
            found = OpenReview(connection, await _find(connection, review_id))
            if found.review.state != "open":
                raise Conflict(f"review {review_id} was decided before: {found.review.state}")
            yield found
        if found.commit:
            self._publish(found.commit)

    async def waiting(self) -> int:
        """How many wait for a person."""
        async with transaction(self._engine) as connection:
            return int((await connection.execute(_WAITING)).scalar_one())

    async def record_switch(self, actor: str, *, enabled: bool, reason: str) -> None:
        """For the audit."""
        action = "bots.switched_on" if enabled else "bots.switched_off"
        async with transaction(self._engine) as connection:
            await record(connection, actor=actor, action=action, reason=reason)


class OpenReview:
    """A review under decision, locked; `commit` is what the decision has to tell, if anything."""

    def __init__(self, connection: AsyncConnection, row: Any) -> None:
        self._connection = connection
        self._holds: bool = row["holds"]
        self.since: datetime = row["since"]
        self.review = Review.model_validate(dict(row))
        self.commit: Commit | None = None

    async def accept(self, actor: str, reason: str) -> Review:
        """An honest player: back on the board, if nothing but this kept them off it."""
        if self._holds:
            review = {"review_id": self.review.review_id, "user_id": self.review.user_id}
            if (await self._connection.execute(_HAND_OVER, review)).first() is None:
                _, self.commit = await set_held(
                    self._connection, self.review.user_id, False, actor, reason
                )
        return await self._settle("accepted", actor, reason)

    async def hold(self, actor: str, reason: str) -> Review:
        """Off the board until somebody releases them."""
        self.commit = await _keep_off(
            self._connection, self.review.review_id, self.review.user_id, actor, reason
        )
        return await self._settle("held", actor, reason)

    async def close_as_reversed(self, actor: str, reason: str, *, case_id: str) -> Review:
        """A case takes it from here; a hold stays until somebody releases them."""
        return await self._settle("reversed", actor, reason, case_id)

    async def _settle(
        self, state: ReviewState, actor: str, reason: str, case_id: str | None = None
    ) -> Review:
        review_id = self.review.review_id
        values = {
            "review_id": review_id,
            "state": state,
            "actor": actor,
            "reason": reason,
            "case_id": case_id,
        }
        await self._connection.execute(_DECIDE, values)
        await record(
            self._connection,
            actor=actor,
            action=f"review.{state}",
            user_id=self.review.user_id,
            case_id=case_id,
            reason=reason,
            detail={"review_id": review_id, "rule": self.review.rule},
        )
        return Review.model_validate(dict(await _find(self._connection, review_id)))


async def _find(connection: AsyncConnection, review_id: int) -> Any:
    row = (await connection.execute(_FIND, {"review_id": review_id})).mappings().first()
    if row is None:
        raise NotFound(f"there is no review {review_id}")
    return row


async def _keep_off(
    connection: AsyncConnection, review_id: int, user_id: str, actor: str, reason: str
) -> Commit:
    row, commit = await set_held(connection, user_id, True, actor, reason)
    if row.changed:
        await connection.execute(_HOLDS, {"review_id": review_id})
    return commit
