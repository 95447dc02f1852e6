"""
Who watches a stream, at the price of a read and a glance at the frame's head.

All read into one buffer: what is in it is dealt with before the next one reads.
"""

import asyncio
import time
import zlib
from array import array
from enum import Enum, auto
from typing import Protocol, cast

from bench.load import heads
from bench.load.boards import Board, board
from bench.load.frames import CLOSE, DEFLATED, PING, TEXT, Frame, close_code, pong
from bench.load.handshakes import Handshake, Refused

BUFFER_BYTES = 64 * 1024
SLOW_READ_BYTES = 1024  # in each second
SLOW_PAUSE_SECONDS = 1.0

_FLUSHED = b"\x00\x00\xff\xff"  # what a sender leaves out at the end, RFC 7692 section 7.2.2


class Role(Enum):
    """How a watcher reads."""

    PROBE = auto()
    """At once, and remembers."""
    EAGER = auto()
    """At once, and counts."""
    SLOW = auto()
    """1 kB a second."""
    STUCK = auto()
    """Nothing after the handshake."""


SMALL = frozenset((Role.SLOW, Role.STUCK))


class Owner(Protocol):
    """Who is told how a watcher ends."""

    buffer: memoryview

    def arrived(self, watcher: "Watcher") -> None:
        """It is connected, and will leave."""
        ...

    def left(self, watcher: "Watcher", reason: str) -> None:
        """The stream has ended, or did not begin."""
        ...


class Watcher(asyncio.BufferedProtocol):
    """Answers pings, and counts the rest. `opened` is done when the handshake is."""

    __slots__ = (
        "_handshake",
        "_owner",
        "_reader",
        "_reason",
        "_rest",
        "_transport",
        "bytes",
        "frames",
        "opened",
        "role",
    )

    def __init__(self, owner: Owner, handshake: Handshake, role: Role) -> None:
        self._owner = owner
        self._handshake: Handshake | None = handshake
        self.role = role
        self._reason = "lost"
        self._rest = b""
        self.bytes = 0
        self.frames = 0
        self.opened = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._owner.arrived(self)
        if self._handshake is not None:
            self._transport.write(self._handshake.request)

    def get_buffer(self, _sizehint: int) -> memoryview:
        buffer = self._owner.buffer
        return buffer[:SLOW_READ_BYTES] if self.role is Role.SLOW else buffer

    def buffer_updated(self, count: int) -> None:
        self.bytes += count
        data = self._owner.buffer[:count]
        try:
            if self._handshake is None:
                self._take(self._reader.feed(data))
            else:
                self._begin(self._handshake, self._rest + data)
        except ValueError as error:  # Refused, Broken, or not JSON
            self._end(str(error))
        if self._handshake is None and self.role in SMALL:
            self._pause()

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(Refused(self._reason))
        self._owner.left(self, self._reason)

    def show(self, payload: bytes) -> None:
        """A text has come."""

    def show_deflated(self, payload: bytes) -> None:
        """A text has come that only inflating makes readable: a browser's work, not counted."""

    @property
    def began(self) -> bool:
        """The server has opened the stream."""
        return self._handshake is None

    def abort(self) -> None:
        self._transport.abort()

    def _begin(self, handshake: Handshake, data: bytes) -> None:
        parts = heads.split(data)
        if parts is None:
            self._rest = data
            return
        head, rest = parts
        self._reader = handshake.reader(head)
        self._handshake = None
        self._rest = b""
        self.opened.set_result(None)
        self._take(self._reader.feed(memoryview(rest)))

    def _take(self, frames: list[Frame]) -> None:
        for opcode, payload in frames:
            if opcode == TEXT:
                self.frames += 1
                self.show(payload)
            elif opcode == DEFLATED:
                self.frames += 1
                self.show_deflated(payload)
            elif opcode == PING:
                self._transport.write(pong(payload))
            elif opcode == CLOSE:
                self._end(f"close {close_code(payload)}")

    def _end(self, reason: str) -> None:
        self._reason = reason
        self._transport.abort()

    def _pause(self) -> None:
        if self._transport.is_closing():
            return
        self._transport.pause_reading()
        if self.role is Role.SLOW:
            asyncio.get_running_loop().call_later(SLOW_PAUSE_SECONDS, self._resume)

    def _resume(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()


class Probe(Watcher):
    """Remembers when it saw which board (ns of the monotonic clock)."""

    __slots__ = ("_inflate", "boards", "times")

    def __init__(self, owner: Owner, handshake: Handshake) -> None:
        super().__init__(owner, handshake, Role.PROBE)
        self.times = array("q")
        self.boards: list[Board] = []
        self._inflate = zlib.decompressobj(wbits=-zlib.MAX_WBITS)

    def show(self, payload: bytes) -> None:
        now = time.monotonic_ns()
        shown = board(payload)
        if shown is not None:
            self.times.append(now)
            self.boards.append(shown)

    def show_deflated(self, payload: bytes) -> None:
        self.show(self._inflate.decompress(payload + _FLUSHED))
