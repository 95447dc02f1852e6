"""What the machine needs of a ledger and of a board, in memory or real."""

from collections.abc import Sequence
from typing import Any, Protocol

from libs.common.contracts.scores import LedgerDigest, LedgerPage
from services.score.domain.changes import Commit
from services.score.domain.increments import Entry
from services.score.usecases.ports import Outbox
from services.scoreboard.domain import Top
from services.scoreboard.usecases.ports import AnnouncedBoard, AuditedBoard, BoardBuilder


class Ledger(Outbox, Protocol):
    """The ledger, its moderators and its administrator."""

    async def append(self, entries: Sequence[Entry]) -> Commit: ...
    async def set_held(self, user_id: str, *, held: bool) -> Commit: ...
    async def take_back(self, case_id: str, user_id: str, keys: Sequence[str]) -> None: ...
    async def give_back(self, case_id: str) -> None: ...
    async def work(self, *, limit: int) -> Commit | None: ...

    async def totals(self, *, after: str, limit: int) -> LedgerPage: ...
    async def top(self, *, limit: int) -> LedgerPage: ...
    async def digest(self) -> LedgerDigest: ...
    async def next_epoch(self, *, reason: str, after: int) -> int: ...
    async def entries(self, user_id: str, *, before: int, limit: int) -> list[dict[str, Any]]: ...

    async def expire_leases(self) -> None:
        """Time passes: whatever is in the outbox may be claimed."""
        ...

    async def back_up(self) -> None:
        """Remember everything as it is now."""
        ...

    async def restore(self) -> None:
        """Go back to the backup, on a new timeline."""
        ...


class Board(AuditedBoard, BoardBuilder, AnnouncedBoard, Protocol):
    """The board, and what may become of the server that keeps it."""

    async def shown(self) -> Top | None:
        """The top ten as readers see it; None if there is no board."""
        ...

    async def save(self) -> None:
        """What is there now is on disk."""
        ...

    async def restart(self, *, loses_tail: bool) -> None:
        """Another run of the server, with everything or with what was on disk."""
        ...

    async def wipe(self) -> None:
        """Lose everything."""
        ...
