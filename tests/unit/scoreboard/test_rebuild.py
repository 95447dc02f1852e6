"""How a large ledger becomes a board: page by page, score and Redis at work at the same time."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from libs.common.clock import system_clock
from libs.common.contracts.scores import LedgerPage
from services.score.domain.increments import Entry
from services.scoreboard.domain import Row
from services.scoreboard.usecases import rebuild
from services.scoreboard.usecases.ports import Applied, Offsets
from tests.fakes import MemoryBoard, MemoryLedger

USERS, PAGE_USERS = 10, 2


class Log:
    async def ends(self) -> Mapping[int, int]:
        return {0: 40}


class Redis(MemoryBoard):
    """A board that takes its time with each page."""

    writing = False

    async def apply(self, epoch: int, rows: Sequence[Row], offsets: Offsets) -> Applied:
        self.writing = True
        await asyncio.sleep(0.01)
        self.writing = False
        return await super().apply(epoch, rows, offsets)


async def test_the_next_page_is_read_while_one_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild, "PAGE_USERS", PAGE_USERS)
    board, ledger = Redis(), MemoryLedger()
    await ledger.append([Entry(f"user-{n}", "k", n + 1) for n in range(USERS)])
    totals = ledger.totals
    meanwhile: list[bool] = []

    async def slowly(*, after: str, limit: int) -> LedgerPage:
        await asyncio.sleep(0)
        meanwhile.append(board.writing)
        return await totals(after=after, limit=limit)

    ledger.totals = slowly  # type: ignore[method-assign]
    assert await rebuild.Rebuild(board, ledger, Log(), system_clock).run("test", 0)
    assert meanwhile == [False] + [True] * (USERS // PAGE_USERS)
    shown = await board.leaders(await board.current(), USERS)
    assert shown == [(f"user-{n}", n + 1) for n in reversed(range(USERS))]
