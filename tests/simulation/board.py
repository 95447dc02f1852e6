"""Redis of the world: the board in memory, which may lose everything or go back in time."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.scoreboard.domain import Row
from services.scoreboard.usecases.ports import Applied, BoardGone, Due, Later, Offsets
from tests.fakes import MemoryBoard
from tests.simulation.clock import WallClock
from tests.simulation.process import here
from tests.simulation.watch import Watch
from tests.simulation.wires import Server

COALESCED = 10

_STATE = (
    "_boards",
    "_offsets",
    "_ledger_epochs",
    "_tops",
    "_corrected",
    "_said",
    "_said_at",
    "_members",
    "_runs",
    "_current",
)


class BoardServer(MemoryBoard, Server):
    """The twin of the Lua scripts, watched; a lock ends with its time, as in Redis."""

    def __init__(self, clock: WallClock, watch: Watch) -> None:
        MemoryBoard.__init__(self, clock.seconds)
        Server.__init__(self, "redis")
        self._clock = clock
        self._watch = watch
        self._lock_ends = 0.0
        self._past: list[dict[str, Any]] = []

    @property
    def shown(self) -> int:
        """The epoch of the board that is shown."""
        return self._current

    def rows_of(self, epoch: int) -> Mapping[str, Row]:
        """A board whole; empty if there is none."""
        return self._boards.get(epoch, {})

    async def apply(self, epoch: int, rows: Sequence[Row], offsets: Offsets) -> Applied:
        known = self._offsets.get(epoch, {})
        old = bool(rows and offsets) and all(known.get(p, 0) >= n for p, (_, n) in offsets.items())
        try:
            done = await self.keep(epoch, rows, offsets)
        except BoardGone:
            restarted = epoch in self._boards
            self._watch.sometimes(
                "a redis that came back with less took no update"
                if restarted
                else "a board was replaced under a writer"
            )
            raise
        kept = self._boards[epoch]
        self._watch.rows(kept[row.user_id] for row in rows if row.user_id in kept)
        if done.count < len(rows):
            self._watch.sometimes("an update was a duplicate, or late")
        if old and not done.count and _is_zombie(offsets):
            self._watch.sometimes("a zombie's updates changed nothing")
        return done

    async def keep(self, epoch: int, rows: Sequence[Row], offsets: Offsets) -> Applied:
        """What a broken build does differently."""
        return await super().apply(epoch, rows, offsets)

    async def fill(self, epoch: int, rows: Sequence[Row]) -> None:
        await super().fill(epoch, rows)
        self._watch.rows(rows)

    async def due(
        self, epoch: int, *, window_seconds: float, heartbeat_seconds: float
    ) -> Due | Later:
        answer = await super().due(
            epoch, window_seconds=window_seconds, heartbeat_seconds=heartbeat_seconds
        )
        match answer:
            case Due(top, before) if before and top.rev - before.rev >= COALESCED:
                self._watch.sometimes("ten changes became one announcement")
        return answer

    async def finish(self, epoch: int, token: str) -> bool:
        before = self._current
        self._expire_lock()
        shown = await super().finish(epoch, token)
        self._watch.always(self._current >= before, "the board's epoch never falls")
        return shown

    async def lock(self, token: str, *, seconds: int) -> bool:
        self._expire_lock()
        mine = await super().lock(token, seconds=seconds)
        if mine:
            self._lock_ends = self._clock.monotonic() + seconds
        return mine

    async def keep_lock(self, token: str, *, seconds: int) -> None:
        self._expire_lock()
        if self._lock == token:
            self._lock_ends = self._clock.monotonic() + seconds

    def _expire_lock(self) -> None:
        if self._lock is not None and self._clock.monotonic() >= self._lock_ends:
            self._watch.sometimes("a builder died, and its lock ran out")
            self._lock = None

    def remember(self) -> None:
        """What a stale replica, or an old file, would know."""
        self._past.append({name: _copied(getattr(self, name)) for name in _STATE})
        del self._past[:-5]

    def go_back(self, steps: int) -> None:
        """Be promoted from a replica that was some way behind, or restart from an old file."""
        if self._past:
            past = self._past[-min(steps, len(self._past))]
            for name, value in past.items():
                setattr(self, name, _copied(value))
            self._lock = None
            self.run += 1

    def forget_all(self) -> None:
        """FLUSHALL."""
        run = self.run
        MemoryBoard.__init__(self, self._clock.seconds)
        self.run = run


def _is_zombie(offsets: Offsets) -> bool:
    """Whether these partitions are somebody else's by now."""
    writer = here()
    groups = writer.world.broker.groups.values()
    return all(group.owner(p) not in (writer.name, "") for group in groups for p in offsets)


def _copied(value: Any) -> Any:
    """A copy of nested dictionaries; what they hold is frozen."""
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return value
