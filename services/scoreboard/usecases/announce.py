"""
Telling everybody: at most one snapshot per window, always the newest, and a heartbeat.

The replicas of a region announce one board. What was said last, and when, is kept beside it, so
that together they say as much as one would; and what one of them died before saying, another says
5 s later. Two may say the same: (epoch, rev) tells readers.
"""

import asyncio

from libs.common import metrics
from libs.common.errors import PublishFailed
from libs.common.logs import Trouble
from services.scoreboard.domain import moves
from services.scoreboard.usecases.ports import (
    AnnouncedBoard,
    Announcements,
    BoardGone,
    BoardUnavailable,
    Due,
)

RETRY_SECONDS = 0.5


class Announcer:
    """Publishes snapshots of the board that is shown."""

    def __init__(
        self,
        board: AnnouncedBoard,
        announcements: Announcements,
        *,
        window_seconds: float,
        heartbeat_seconds: float,
    ) -> None:
        self._board = board
        self._announcements = announcements
        self._window = window_seconds
        self._heartbeat = heartbeat_seconds
        self._woken = asyncio.Event()

    def changed(self) -> None:
        """The top ten is another: it is announced now, or at the end of the window."""
        metrics.SNAPSHOTS.labels("received").inc()
        self._woken.set()

    def refresh(self) -> None:
        """Look again: the board was rebuilt, or we have just caught up with it."""
        self._woken.set()

    async def run(self) -> None:
        """Announce for ever."""
        trouble = Trouble("not_announced")
        while True:
            try:
                await self._step()
            except (PublishFailed, BoardUnavailable, BoardGone) as error:
                trouble.met(error)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                trouble.over()

    async def _step(self) -> None:
        self._woken.clear()
        due = await self._board.due(
            await self._board.current(),
            window_seconds=self._window,
            heartbeat_seconds=self._heartbeat,
        )
        if isinstance(due, Due):
            await self._announce(due)
            await asyncio.sleep(self._window)  # nothing is due before
        elif due.quiet:
            await self._sleep(due.seconds)
        else:
            await asyncio.sleep(due.seconds)

    async def _announce(self, due: Due) -> None:
        await self._announcements.publish(due.top, moves(due.before, due.top))
        metrics.SNAPSHOTS.labels("emitted").inc()
        if due.before is not None:
            unsaid = due.top.rev - due.before.rev - 1
            metrics.SNAPSHOTS.labels("suppressed").inc(max(0, unsaid))
        await self._board.announced(due)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return
