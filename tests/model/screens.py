"""
What was announced, and a screen that watches it.

Both say at once when they are given something that must not be: a position with two contents, a
user with a score that the ledger never held, a step back.
"""

import json
from collections.abc import Callable, Sequence

from libs.common.clock import SystemClock
from libs.common.contracts.boards import LeaderboardUpdated
from libs.common.errors import PublishFailed
from libs.common.kafka import Record
from services.notification.domain import UNSEEN, Client, Position, Snapshot, Variant
from services.notification.hub import Hub
from tests.model.log import Fate

Pairs = tuple[tuple[str, int], ...]
_STALL_SECONDS = 30.0


class Announced:
    """The topic `leaderboard_updated`; `fate` is that of the next snapshot."""

    def __init__(self, held: Callable[[str, int], bool]) -> None:
        self.snapshots: list[LeaderboardUpdated] = []
        self.fate: Fate = "acked"
        self._held = held
        self._contents: dict[tuple[int, int], Pairs] = {}

    async def publish(self, records: Sequence[Record]) -> None:
        """As `libs.common.kafka.Publisher`."""
        if self.fate != "refused":
            for record in records:
                self._keep(LeaderboardUpdated.model_validate_json(record.value))
        if self.fate in ("refused", "unacked"):
            raise PublishFailed(self.fate)

    def check(self, position: tuple[int, int], top: Pairs) -> None:
        """A position has one content, and all of it was true once."""
        known = self._contents.setdefault(position, top)
        assert known == top, f"{position} was {known}, and now it is {top}"
        for user, score in top:
            assert self._held(user, score), f"{user} never had {score}"

    def _keep(self, snapshot: LeaderboardUpdated) -> None:
        top = tuple((entry.user_id, entry.score) for entry in snapshot.top_10)
        assert len(dict(top)) == len(top) <= 10, top
        self.check(snapshot.position, top)
        self.snapshots.append(snapshot)


class Screen(Client):
    """A WebSocket's end, and the hub that serves it."""

    def __init__(self) -> None:
        self.variant = Variant.WEBSOCKET
        self.writable = True
        self.write = self._show
        self.position = UNSEEN
        self.top: Pairs = ()
        self._hub = Hub(SystemClock(), stall_seconds=_STALL_SECONDS)
        self._hub.join(self, UNSEEN)

    async def read(self, snapshot: LeaderboardUpdated) -> bool:
        """The hub gets a snapshot; whether it was news."""
        return await self._hub.publish(Snapshot.of(snapshot))

    def _show(self, frame: bytes) -> None:
        shown = json.loads(frame[frame.index(b"{") :])
        position = Position(shown["epoch"], shown["rev"])
        assert position > self.position, f"from {self.position} back to {position}"
        self.position = position
        self.top = tuple((entry["user_id"], entry["score"]) for entry in shown["top_10"])
