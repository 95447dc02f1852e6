"""How a large ledger becomes a board: page by page, score and Redis at work at the same time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import pytest

from libs.common.clock import system_clock
from libs.common.contracts.scores import LedgerPage
from services.score.domain.increments import Entry
from services.scoreboard.domain import Row
from services.scoreboard.usecases import rebuild
from tests.fakes import MemoryBoard, MemoryLedger

USERS, PAGE_USERS = 10, 2


class Log:
    async def ends(self) -> Mapping[int, int]:
        return {0: 40}


class Redis(MemoryBoard):
    """A board that takes its time with each page."""

    writing = False

    async def fill(self, epoch: int, rows: Sequence[Row]) -> None:
        self.writing = True
        await asyncio.sleep(0.01)
        self.writing = False
        await super().fill(epoch, rows)


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


class Sleeper:
    """A log that one builder waits for, while another's board is shown and lost."""

    def __init__(self, meanwhile: Callable[[], Awaitable[None]]) -> None:
        self._meanwhile = meanwhile

    async def ends(self) -> Mapping[int, int]:
        await self._meanwhile()
        return {}


async def test_a_board_is_never_followed_by_one_of_an_older_epoch() -> None:
    """Screens have seen the newer one, and would take nothing of the older (simulation 2821)."""
    board, ledger = MemoryBoard(), MemoryLedger()
    await ledger.append([Entry("alice", "k", 1)])
    seen = []

    async def meanwhile() -> None:
        board.flush()  # with the lock
        assert await rebuild.Rebuild(board, ledger, Log(), system_clock).run("test", 0)
        seen.append(await board.current())
        board.flush()

    slow = rebuild.Rebuild(board, ledger, Sleeper(meanwhile), system_clock)
    assert not await slow.run("test", 0)
    assert await board.current() == 0
    assert await rebuild.Rebuild(board, ledger, Log(), system_clock).run("test", 0)
    assert await board.current() > seen[0]


async def test_who_works_longer_than_a_lock_lasts_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild, "KEEP_LOCK_SECONDS", 0.01)
    kept = asyncio.Event()

    class Expiring(MemoryBoard):
        async def keep_lock(self, token: str, *, seconds: int) -> None:
            assert (token, seconds) == (self._lock, rebuild.LOCK_SECONDS)
            kept.set()

    async def meanwhile() -> None:
        async with asyncio.timeout(5):
            await kept.wait()

    slow = rebuild.Rebuild(Expiring(), MemoryLedger(), Sleeper(meanwhile), system_clock)
    assert await slow.run("test", 0)
