"""
The topics: what they carry, keyed by what, written and read by whom.

A test holds this table against the services' imports; `docs/events.md` is printed from it.
"""

from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel

from libs.common.contracts.boards import LeaderboardUpdated
from libs.common.contracts.scores import ScoreUpdated

_DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True)
class Topic:
    """A topic and its configuration; `partitions` may grow, never shrink."""

    name: str
    event: type[BaseModel]
    key: str
    partitions: int
    producer: str
    consumers: tuple[str, ...]
    config: dict[str, str]


SCORE_UPDATES: Final = Topic(
    name="score-updates",
    event=ScoreUpdated,
    key="user_id",
    partitions=3,
    producer="score",
    consumers=("scoreboard",),
    config={"cleanup.policy": "delete", "retention.ms": str(7 * _DAY_MS)},
)

SCORE_UPDATES_DLQ: Final = Topic(
    name="score-updates.dlq",
    event=ScoreUpdated,
    key="user_id",
    partitions=1,
    producer="scoreboard",
    consumers=(),
    config={"cleanup.policy": "delete", "retention.ms": str(30 * _DAY_MS)},
)

LEADERBOARD_UPDATED: Final = Topic(
    name="leaderboard_updated",
    event=LeaderboardUpdated,
    key="region:board",
    partitions=1,
    producer="scoreboard",
    consumers=("notification",),
    config={"cleanup.policy": "compact"},
)

TOPICS: Final = (SCORE_UPDATES, SCORE_UPDATES_DLQ, LEADERBOARD_UPDATED)
