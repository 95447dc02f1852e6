"""An outbox in memory, for a relay whose broker is in trouble."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

from services.score.domain.changes import Change, Commit

START = datetime(2026, 3, 1, tzinfo=UTC)


class MemoryOutbox:
    """Batches that wait; a lease is over at once."""

    def __init__(self, commits: Sequence[Commit]) -> None:
        self._commits = {commit.batch_id: commit for commit in commits}

    async def claim(self, *, limit: int) -> list[Commit]:
        return list(self._commits.values())[:limit]

    async def forget(self, batch_ids: Sequence[UUID]) -> None:
        for batch_id in batch_ids:
            del self._commits[batch_id]

    async def backlog(self) -> tuple[int, float]:
        return len(self._commits), 0.0


def a_commit(user_id: str, version: int = 1) -> Commit:
    """One increment of one user."""
    return Commit(
        uuid4(), 1, (), [Change(user_id, version, version, START, "increment", False, "")]
    )
