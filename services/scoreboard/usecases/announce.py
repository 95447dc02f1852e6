"""
Telling everybody: at most one snapshot per window, always the newest, and a heartbeat.

The heartbeat reads the board itself, so that whatever died between a change and its
announcement, the change is announced 5 s later.
"""

import asyncio
from dataclasses import replace

from libs.common import metrics
from libs.common.clock import Clock
from libs.common.errors import PublishFailed
from libs.common.logs import Trouble
from services.scoreboard.domain import Throttle, Top, moves
from services.scoreboard.usecases.ports import (
    Announcements,
    Board,
    BoardGone,
    BoardUnavailable,
)

RETRY_SECONDS = 0.5


class Announcer:
    """Publishes snapshots of one board; `run` is its only writer."""

    def __init__(
        self,
        board: Board,
        announcements: Announcements,
        clock: Clock,
        *,
        window_seconds: float,
        heartbeat_seconds: float,
    ) -> None:
        self._board = board
        self._announcements = announcements
        self._clock = clock
        self._heartbeat = heartbeat_seconds
        self._throttle: Throttle[Top] = Throttle(window_seconds)
        self._wake = asyncio.Event()
        self._last: Top | None = None
        self._beat_at = float("-inf")

    def offer(self, top: Top, *, accepted_us: int, correction: bool = False) -> None:
        """The top ten changed; it goes out now, or with the end of the window."""
        metrics.SNAPSHOTS.labels("received").inc()
        waiting = self._throttle.pending
        if waiting is not None:
            metrics.SNAPSHOTS.labels("suppressed").inc()
            if waiting.position > top.position:
                return
            accepted_us = max(accepted_us, waiting.accepted_us)
            correction = correction or waiting.reason == "correction"
        reason = "correction" if correction else "scores"
        top = replace(top, accepted_us=accepted_us, reason=reason)  # type: ignore[arg-type]
        self._throttle = self._throttle.offer(top)
        self._wake.set()

    def refresh(self) -> None:
        """Announce the board as it is, soon: it was rebuilt, or we have just caught up with it."""
        self._beat_at = float("-inf")
        self._wake.set()

    async def run(self) -> None:
        """Announce for ever."""
        trouble = Trouble("not_announced")
        while True:
            await self._sleep()
            now = self._clock.monotonic()
            try:
                if self._throttle.wait(now) == 0:
                    await self._emit()
                elif now >= self._beat_at:
                    await self._beat()
            except (PublishFailed, BoardUnavailable, BoardGone) as error:
                trouble.met(error)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                trouble.over()

    async def _sleep(self) -> None:
        now = self._clock.monotonic()
        wait = self._throttle.wait(now)
        until = max(0.0, self._beat_at - now)
        try:
            async with asyncio.timeout(until if wait is None else min(wait, until)):
                await self._wake.wait()
        except TimeoutError:
            return
        finally:
            self._wake.clear()

    async def _emit(self) -> None:
        top = self._throttle.pending
        assert top is not None
        self._throttle = self._throttle.emit(self._clock.monotonic())
        last = self._last
        if last is not None and last.epoch == top.epoch and last.entries == top.entries:
            metrics.SNAPSHOTS.labels("suppressed").inc()
            return
        try:
            await self._publish(top)
        except PublishFailed:
            if self._throttle.pending is None:
                self._throttle = self._throttle.offer(top)
            raise

    async def _beat(self) -> None:
        top = await self._board.top(await self._board.current())
        rebuilt = self._last is not None and top.epoch != self._last.epoch
        await self._publish(replace(top, reason="rebuild" if rebuilt else "heartbeat"))

    async def _publish(self, top: Top) -> None:
        self._beat_at = self._clock.monotonic() + self._heartbeat
        await self._announcements.publish(top, moves(self._last, top))
        metrics.SNAPSHOTS.labels("emitted").inc()
        self._last = top
