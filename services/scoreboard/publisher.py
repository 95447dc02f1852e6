"""What scoreboard writes: snapshots for everybody, and messages that nobody can read."""

from collections import deque
from collections.abc import Mapping

from libs.common.clock import Clock, from_microseconds
from libs.common.contracts.boards import LeaderboardUpdated, TopEntry
from libs.common.kafka import Publisher, Record
from services.scoreboard.domain import Top

PARKED_PER_WINDOW = 100
WINDOW_SECONDS = 60.0


class TooManyParked(Exception):
    """More than a bad message: a bad release. The process stops before it parks a whole topic."""


class SnapshotPublisher:
    """Writes to `leaderboard_updated`; each region and board has its own key."""

    def __init__(self, publisher: Publisher, clock: Clock, *, region: str, board: str) -> None:
        self._publisher = publisher
        self._clock = clock
        self._region = region
        self._board = board

    async def publish(self, top: Top, moves: Mapping[str, int]) -> None:
        snapshot = LeaderboardUpdated(
            top_10=[TopEntry(user_id=user, score=score) for user, score in top.entries],
            timestamp=self._clock.now(),
            board=self._board,
            region=self._region,
            epoch=top.epoch,
            rev=top.rev,
            accepted_at=from_microseconds(top.accepted_us) if top.accepted_us else None,
            moves=dict(moves),
            reason=top.reason,
            schema=1,
        )
        key = f"{self._region}:{self._board}".encode()
        await self._publisher.publish(
            [Record(key, snapshot.model_dump_json(by_alias=True).encode())]
        )


class DeadLetters:
    """Writes to `score-updates.dlq`, a bounded number per minute."""

    def __init__(self, publisher: Publisher, clock: Clock) -> None:
        self._publisher = publisher
        self._clock = clock
        self._parked_at: deque[float] = deque(maxlen=PARKED_PER_WINDOW)

    async def park(self, value: bytes | None, reason: str) -> None:
        """Keep the message with the reason. Raises `TooManyParked` or `PublishFailed`."""
        now = self._clock.monotonic()
        full = len(self._parked_at) == PARKED_PER_WINDOW
        if full and now - self._parked_at[0] < WINDOW_SECONDS:
            raise TooManyParked(
                f"{PARKED_PER_WINDOW} unreadable messages in {WINDOW_SECONDS:.0f} s"
            )
        self._parked_at.append(now)
        headers = (("reason", reason.encode()),)
        await self._publisher.publish([Record(b"", value or b"", headers)])
