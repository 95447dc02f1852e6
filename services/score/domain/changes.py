"""What the ledger tells everybody who follows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from libs.common.contracts.scores import ChangeKind, ScoreUpdated
from services.score.domain.increments import Settled


class Change(NamedTuple):
    """A user's new state, on its way to everybody who follows the ledger."""

    user_id: str
    score: int
    version: int
    reached_at: datetime
    kind: ChangeKind
    held: bool
    request_id: str = ""

    def event(self, ledger_epoch: int) -> ScoreUpdated:
        """The change as it is published; the same change always gives the same `event_id`."""
        return ScoreUpdated(
            user_id=self.user_id,
            new_score=self.score,
            timestamp=self.reached_at,
            event_id=f"{self.user_id}:{ledger_epoch}:{self.version}",
            version=self.version,
            ledger_epoch=ledger_epoch,
            kind=self.kind,
            held=self.held,
            schema=1,
        )


@dataclass(frozen=True, slots=True)
class Commit:
    """A batch that is on disk; `changes` are to be published, then `batch_id` forgotten."""

    batch_id: UUID
    ledger_epoch: int
    settled: Sequence[Settled]
    changes: Sequence[Change]
