"""
A new board from the ledger, while the old one is still shown.

The same path for the first start, an empty or outdated Redis, a broker that lost its log, and a
ledger that was restored: new epoch, note where the log ends, copy all users, show it. Whatever
was committed after a page was read comes on the log after the noted end, and versions settle
what came twice.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from uuid import uuid4

import structlog

from libs.common import metrics
from libs.common.clock import Clock
from libs.common.contracts.scores import LedgerPage
from libs.common.tasks import background
from services.scoreboard.domain import Row
from services.scoreboard.usecases.ports import (
    BoardBuilder,
    BoardGone,
    BoardUnavailable,
    Ledger,
    Log,
)

PAGE_USERS = 5000
# A builder's death is waited for that long, and no screen moves meanwhile.
LOCK_SECONDS = 5
KEEP_LOCK_SECONDS = 1.0

_log = structlog.get_logger()


class Rebuild:
    """Builds a board; of several replicas, one does."""

    def __init__(self, board: BoardBuilder, ledger: Ledger, log: Log, clock: Clock) -> None:
        self._board = board
        self._ledger = ledger
        self._log = log
        self._clock = clock

    async def run(self, reason: str, epoch: int) -> bool:
        """
        Show a new board instead of `epoch`, which was found wanting (0: there was none). False if
        another replica is at it, or has done it.

        Raises `Unavailable` or `BoardUnavailable`; the old board stays, and a later call begins
        anew.
        """
        token = uuid4().hex
        if not await self._board.lock(token, seconds=LOCK_SECONDS):
            return False
        try:
            started = self._clock.monotonic()
            before = await self._board.current()
            if before not in (0, epoch):
                return False
            new = await self._ledger.next_epoch(reason=reason, after=before)
            _log.info("rebuild_started", reason=reason, epoch=new)
            # Held from before the epoch was given until it is shown: else a builder that slept
            # through another's board, and its loss, would show one that screens take for older.
            async with background(self._keep_lock(token), name="rebuild-lock"):
                users = await self._copy(new)
                shown = await self._board.finish(new, token)
            seconds = self._clock.monotonic() - started
        except BoardGone as error:
            raise BoardUnavailable("the board was lost while it was built") from error
        finally:
            await self._board.unlock(token)
        if not shown:
            _log.info("rebuild_abandoned", epoch=new)
            return False
        metrics.REBUILDS.labels(reason).inc()
        metrics.REBUILD_SECONDS.set(seconds)
        _log.info("rebuild_finished", epoch=new, users=users, seconds=round(seconds, 3))
        return True

    async def _copy(self, epoch: int) -> int:
        ends = await self._log.ends()
        digest = await self._ledger.digest()
        await self._board.begin(epoch, digest.ledger_epoch, ends)
        page: LedgerPage | None = await self._ledger.totals(after="", limit=PAGE_USERS)
        users = 0
        while page is not None:
            rows = [Row.of_ledger(row, page.ledger_epoch) for row in page.rows]
            # Score reads the next page while Redis takes this one. Both end before either's failure
            # is raised: nothing is written for a builder that is no more.
            read, put = await asyncio.gather(
                self._next(page.next), self._put(epoch, rows), return_exceptions=True
            )
            if isinstance(put, BaseException):
                raise put
            if isinstance(read, BaseException):
                raise read
            page = read
            users += len(rows)
        return users

    async def _next(self, after: str) -> LedgerPage | None:
        return await self._ledger.totals(after=after, limit=PAGE_USERS) if after else None

    async def _put(self, epoch: int, rows: Sequence[Row]) -> None:
        await self._board.fill(epoch, rows)
        await self._board.keep_unfinished(epoch)

    async def _keep_lock(self, token: str) -> None:
        while True:
            await asyncio.sleep(KEEP_LOCK_SECONDS)
            with suppress(BoardUnavailable):
                await self._board.keep_lock(token, seconds=LOCK_SECONDS)
