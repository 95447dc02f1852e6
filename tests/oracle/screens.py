"""Screens that log every frame they were sent, over all their reconnects."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.oracle.beside import beside

RETRY_SECONDS = 0.1
# Heartbeats come every 5 s; a screen that heard nothing for three of them connects anew.
SILENCE_SECONDS = 15
MAX_FRAME_BYTES = 65_536

Position = tuple[int, int]
Top = tuple[tuple[str, int], ...]


@dataclass
class Wall:
    """What several screens of one board were shown; what two of them saw alike is kept once."""

    contents: dict[Position, Top] = field(default_factory=dict)
    torn: list[tuple[Position, Top, Top]] = field(default_factory=list)

    def note(self, position: Position, top: Top) -> None:
        """Log a snapshot; one (epoch, rev) with two contents is `torn`."""
        known = self.contents.setdefault(position, top)
        if known != top:
            self.torn.append((position, known, top))


@dataclass
class Screen:
    """One browser: it shows the newest snapshot that it was sent."""

    url: str
    wall: Wall
    positions: list[Position] = field(default_factory=list)
    reason: str = ""
    connections: int = 0

    @property
    def top(self) -> Top:
        """What it shows now."""
        return self.wall.contents[self.positions[-1]] if self.positions else ()

    async def watch(self) -> None:
        """Follow the stream for ever."""
        while True:
            with suppress(OSError, TimeoutError, WebSocketException):
                async with connect(self.url, max_size=MAX_FRAME_BYTES) as socket:
                    self.connections += 1
                    while True:
                        async with asyncio.timeout(SILENCE_SECONDS):
                            self._show(json.loads(await socket.recv()))
            await asyncio.sleep(RETRY_SECONDS)

    def _show(self, frame: Mapping[str, Any]) -> None:
        if frame["type"] != "snapshot":
            return
        position = (int(frame["epoch"]), int(frame["rev"]))
        self.wall.note(position, tuple((e["user_id"], e["score"]) for e in frame["top_10"]))
        # A reconnect may bring the newest again; whatever else is not newer is for the oracle.
        if not self.positions or position != self.positions[-1]:
            self.positions.append(position)
            self.reason = frame["reason"]


@asynccontextmanager
async def watching(
    notification_url: str, count: int = 1, wall: Wall | None = None
) -> AsyncIterator[list[Screen]]:
    """Screens that watch while the block runs. A frame that none could read is raised at its end"""
    url = notification_url.replace("http://", "ws://") + "/api/stream"
    wall = wall or Wall()
    screens = [Screen(url, wall) for _ in range(count)]
    async with beside(screen.watch() for screen in screens):
        yield screens
