"""What the use cases need from outside, in the words of the board."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from libs.common.contracts.scores import LedgerDigest, LedgerPage
from services.scoreboard.domain import Row, Top

Offsets = Mapping[int, tuple[int, int]]
"""By partition: the offset that was reached before, and the one that is reached now."""


class BoardUnavailable(Exception):
    """Redis does not answer; nothing is known about the last call, and repeating it is safe."""


class BoardGone(Exception):
    """That epoch is not the current board any more, was lost, or is of Redis before a restart."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"epoch {epoch}")
        self.epoch = epoch


class Gap(Exception):
    """Redis lost writes that it had acknowledged: it knows an older offset than we reached."""


@dataclass(frozen=True, slots=True)
class Applied:
    """How many rows were news, and the top ten if it changed."""

    count: int
    top: Top | None


@dataclass(frozen=True, slots=True)
class BoardDigest:
    """Sums over all users of a board."""

    ledger_epoch: int
    users: int
    points: int
    versions: int


@dataclass(frozen=True, slots=True)
class Due:
    """
    What is to be announced now, and by whoever was told so: `top`, after `before`.

    `mark` is the board's own note of it, to be handed back when it was announced.
    """

    top: Top
    before: Top | None
    mark: str


@dataclass(frozen=True, slots=True)
class Later:
    """
    Nothing is to be announced yet. Ask again in so many seconds; if `quiet`, at the next change.
    """

    seconds: float
    quiet: bool


class Board(Protocol):
    """The board as updates see it. Every method raises `BoardUnavailable`."""

    async def current(self) -> int:
        """The epoch of the board that is shown; 0 if there is none."""
        ...

    async def apply(self, epoch: int, rows: Sequence[Row], offsets: Offsets) -> Applied:
        """Keep the newest states, and the offsets with them. Raises `BoardGone` or `Gap`."""
        ...

    async def offsets(self, epoch: int) -> Mapping[int, int]:
        """The next offset to read, by partition. Raises `BoardGone`."""
        ...

    async def server_changed(self, epoch: int) -> bool:
        """Whether Redis was restarted since this board was built. Raises `BoardGone`."""
        ...


class AnnouncedBoard(Protocol):
    """The board as an announcer sees it; the replicas of a region share one memory of the said."""

    async def current(self) -> int:
        """The epoch of the board that is shown; 0 if there is none."""
        ...

    async def due(
        self, epoch: int, *, window_seconds: float, heartbeat_seconds: float
    ) -> Due | Later:
        """What is to be announced; one replica per window is told. Raises `BoardGone`."""
        ...

    async def announced(self, due: Due) -> None:
        """It was: what comes next is compared with it."""
        ...


class AuditedBoard(Board, Protocol):
    """The board as an auditor sees it."""

    async def digest(self, epoch: int) -> BoardDigest:
        """Sums over all users. Raises `BoardGone`."""
        ...

    async def leaders(self, epoch: int, count: int) -> list[tuple[str, int]]:
        """The first users with their scores."""
        ...

    async def rows(self, epoch: int, users: Sequence[str]) -> list[Row | None]:
        """What the board holds of these users."""
        ...


class BoardBuilder(Protocol):
    """The board as a builder sees it. Every method raises `BoardUnavailable`."""

    async def current(self) -> int:
        """The epoch of the board that is shown; 0 if there is none."""
        ...

    async def lock(self, token: str, *, seconds: int) -> bool:
        """Be the only builder; False if there is one."""
        ...

    async def keep_lock(self, token: str, *, seconds: int) -> None:
        """Stay it. Who lost the lock does not get it back."""
        ...

    async def unlock(self, token: str) -> None: ...

    async def begin(self, epoch: int, ledger_epoch: int, offsets: Mapping[int, int]) -> None:
        """An empty board that nobody sees yet."""
        ...

    async def fill(self, epoch: int, rows: Sequence[Row]) -> None:
        """Put in users whom that board, which nobody sees yet, does not have."""
        ...

    async def keep_unfinished(self, epoch: int) -> None:
        """Not abandoned: keep it for another hour."""
        ...

    async def finish(self, epoch: int, token: str) -> bool:
        """
        Show it and drop the old one; False if a newer one is shown, or the lock was lost: whoever
        had it since may have shown a newer one, which was lost.

        Raises `BoardGone` if what was put in may be lost.
        """
        ...


class Ledger(Protocol):
    """The truth, as score tells it. Every method raises `Unavailable`."""

    async def totals(self, *, after: str, limit: int) -> LedgerPage: ...

    async def top(self, *, limit: int) -> LedgerPage: ...

    async def digest(self) -> LedgerDigest: ...

    async def next_epoch(self, *, reason: str, after: int) -> int: ...


class Log(Protocol):
    """The topic that updates come on."""

    async def ends(self) -> Mapping[int, int]:
        """The next offset of each partition; empty if no broker answers."""
        ...


class Parking(Protocol):
    """Where messages go that nobody can read."""

    async def park(self, value: bytes | None, reason: str) -> None:
        """Keep it for a person. Raises `TooManyParked` over budget."""
        ...


class Announcements(Protocol):
    """How everybody learns of a new top ten."""

    async def publish(self, top: Top, moves: Mapping[str, int]) -> None:
        """Raises `PublishFailed` from the door to Kafka."""
        ...
