"""
Who watches the board: a page with an `EventSource`, over a connection that may be slow or die.

A screen follows the rule of the stream: it says what it has seen, shows only what is newer, and
connects anew when a heartbeat names another position or nothing comes any more.
"""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING, Any

from libs.common.errors import AppError
from services.notification.connections.sse import EventStream
from services.notification.connections.stream import Stream
from services.notification.domain import UNSEEN, Position
from services.notification.usecases.streams import Streams
from tests.oracle.screens import Screen, Wall
from tests.simulation.process import Process, Service

if TYPE_CHECKING:
    from tests.simulation.world import World

CONNECT_SECONDS = 3.0
RETRY_SECONDS = 0.3
SILENCE_SECONDS = 15.0


class Wire(asyncio.Transport):
    """One connection: what the node writes arrives in order; when it is slow, it piles up here."""

    def __init__(self, process: Process, arrived: Callable[[bytes], None]) -> None:
        super().__init__()
        self._process = process
        self._loop = process.world.loop
        self._arrived: Callable[[bytes], None] | None = arrived
        self._last_arrival = 0.0
        self._unsent: list[bytes] = []
        self._slow = False
        self.protocol: Any = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._arrived is None or not self._process.alive:
            return
        if self._slow:
            self._unsent.append(bytes(data))
            self.protocol.pause_writing()
            return
        wires = self._process.world.wires
        self._last_arrival = max(self._last_arrival, self._loop.time() + wires.delay())
        self._loop.call_at(self._last_arrival, self._deliver, bytes(data))

    def slow(self, seconds: float) -> None:
        """Take nothing for so long."""
        self._slow = True
        self._loop.call_later(seconds, self._quick)

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self._unsent))

    def is_closing(self) -> bool:
        return self._arrived is None

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        """End it, for both sides."""
        if self._arrived is not None:
            arrived, self._arrived = self._arrived, None
            arrived(b"")
            if self._process.alive and self.protocol is not None:
                self.protocol.connection_lost(None)

    def _quick(self) -> None:
        self._slow = False
        unsent, self._unsent = self._unsent, []
        for data in unsent:
            self.write(data)
        if unsent and self._arrived is not None and self._process.alive:
            self.protocol.resume_writing()

    def _deliver(self, data: bytes) -> None:
        if self._arrived is not None:
            self._arrived(data)


class SimScreen(Screen):
    """A screen of this world; what it was shown is logged as the oracle's screens do."""

    def __init__(self, world: "World", number: int, wall: Wall, dice: Random) -> None:
        super().__init__(f"screen-{number}", wall)
        self._world = world
        self._dice = dice
        self._wire: Wire | None = None
        self._frames: asyncio.Queue[bytes] = asyncio.Queue()

    @property
    def position(self) -> Position:
        return Position(*self.positions[-1]) if self.positions else UNSEEN

    async def watch(self) -> None:
        """Follow the board for ever, on whichever node takes us."""
        while True:
            service = self._dice.choice(self._world.nodes)
            with suppress(OSError, TimeoutError, AppError):
                await self._follow(service)
            await asyncio.sleep(self._dice.random() * RETRY_SECONDS)

    def be_slow(self, seconds: float) -> None:
        if self._wire is not None:
            self._wire.slow(seconds)

    def be_cut(self) -> None:
        """The connection breaks."""
        if self._wire is not None:
            self._wire.abort()

    async def _follow(self, service: Service) -> None:
        frames: asyncio.Queue[bytes] = asyncio.Queue()
        process = service.process
        if process is None:
            return
        wire = Wire(process, frames.put_nowait)
        since = self.position
        try:
            await self._world.wires.request(
                service,
                lambda parts: _open(parts.streams, wire, since, self._lost),
                patience=CONNECT_SECONDS,
            )
            self._wire = wire
            self.connections += 1
            while True:
                async with asyncio.timeout(SILENCE_SECONDS):
                    frame = await frames.get()
                if not frame or not self._take(frame):
                    return
        finally:
            self._wire = None
            wire.abort()

    def _take(self, frame: bytes) -> bool:
        """Show a frame; False if another connection is needed."""
        message = _parsed(frame)
        if message is None:
            return True
        position = Position(message["epoch"], message["rev"])
        if message["type"] != "snapshot":
            return position == self.position
        top = tuple((entry["user_id"], entry["score"]) for entry in message["top_10"])
        self.wall.note(position, top)
        self._world.note(self.url, f"shows {position.epoch}:{position.rev} {message['reason']}")
        self.positions.append(position)
        return True

    def _lost(self, _stream: Stream) -> None:
        """The node's side has noticed."""


async def _open(
    streams: Streams, wire: Wire, since: Position, on_lost: Callable[[Stream], None]
) -> None:
    session = await streams.admit(address="page", transport="sse", ticket="")
    if wire.is_closing():
        streams.abandon(session)
        return
    wire.protocol = EventStream(wire, streams, on_lost)
    streams.begin(session, wire.protocol, since)


@lru_cache(maxsize=64)
def _parsed(chunk: bytes) -> dict[str, Any] | None:
    """The data of an SSE event with a position in a chunk; None if there is none."""
    start = chunk.find(b"data: ")
    if start < 0:
        return None
    message: dict[str, Any] = json.loads(chunk[start + 6 : chunk.rindex(b"}") + 1])
    return message if "epoch" in message else None
