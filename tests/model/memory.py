"""Ledger and board in memory: thousands of steps a second."""

from collections.abc import Callable
from copy import copy
from time import monotonic
from typing import Any

from services.scoreboard.domain import Top
from tests.fakes import MemoryBoard
from tests.fakes_corrections import CorrectableLedger
from tests.model.stage import Stage


class SavedBoard(MemoryBoard):
    """A board whose server may restart."""

    def __init__(self, seconds: Callable[[], float] = monotonic) -> None:
        super().__init__(seconds)
        self._saved = self._everything()

    async def shown(self) -> Top | None:
        return self._tops[self._current] if self._current else None

    async def save(self) -> None:
        self._saved = self._everything()

    async def restart(self, *, loses_tail: bool) -> None:
        if loses_tail:
            vars(self).update(self._saved)
            await self.save()  # what was taken from there must not change it
        self.run += 1

    async def wipe(self) -> None:
        self.flush()

    def _everything(self) -> dict[str, Any]:
        return {
            name: {key: copy(value) for key, value in kept.items()}
            if isinstance(kept, dict)
            else kept
            for name, kept in vars(self).items()
            if name not in ("run", "_saved")
        }


class MemoryStage(Stage):
    """A new ledger and a new board for each sequence."""

    async def open(self) -> tuple[CorrectableLedger, SavedBoard]:
        return CorrectableLedger(), SavedBoard()

    async def close(self) -> None:
        pass
