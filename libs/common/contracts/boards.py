"""What `scoreboard` says: a snapshot whenever the top ten changes, and pages of the board."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from libs.common.contracts.values import GLOBAL_BOARD, Contract, Total, UserId

Reason = Literal["scores", "correction", "heartbeat", "rebuild"]


class TopEntry(Contract):
    """One line of the top ten; its place in the list is its rank."""

    user_id: UserId
    score: Total


class LeaderboardUpdated(Contract):
    """
    The top ten as it is now, whole: missing one, or seeing one twice, harms nobody.

    Of two snapshots the one with the larger `(epoch, rev)` is newer, and a pair never names two
    contents. A heartbeat repeats the newest.
    """

    event_type: Literal["leaderboard_updated"] = "leaderboard_updated"
    top_10: list[TopEntry] = Field(max_length=10)
    timestamp: datetime
    board: str = GLOBAL_BOARD
    region: str = "local"
    epoch: int = Field(ge=1)
    rev: int = Field(ge=0)
    accepted_at: datetime | None = Field(
        default=None, description="when the newest increment in it was accepted"
    )
    moves: dict[str, int] = Field(
        default_factory=dict, description="places gained since the last snapshot, lost if negative"
    )
    reason: Reason = "scores"
    schema_: Literal[1] = Field(default=1, alias="schema")

    @property
    def position(self) -> tuple[int, int]:
        """What orders snapshots."""
        return (self.epoch, self.rev)


class RankedEntry(Contract):
    """A user's place on the board, from 1; equal scores have different ranks (earliest first)."""

    rank: int = Field(ge=1)
    user_id: str
    score: int


class BoardPage(Contract):
    """A page of the board."""

    board: str = GLOBAL_BOARD
    epoch: int
    rev: int
    total: int = Field(description="how many users the board holds")
    entries: list[RankedEntry]


class Standing(Contract):
    """Where a user stands, and who is around."""

    board: str = GLOBAL_BOARD
    epoch: int
    rev: int
    rank: int
    user_id: str
    score: int
    neighbours: list[RankedEntry] = Field(default_factory=list)


class RanksQuery(Contract):
    """Whose ranks to look up in one call."""

    user_ids: list[str] = Field(max_length=1000)


class Ranks(Contract):
    """The ranks of those that are on the board; others are left out."""

    entries: list[RankedEntry]
