"""A client that speaks whatever bytes it is told to, and sees how the server ends it."""

import asyncio
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

READ_BYTES = 65_536
LIMIT_BYTES = 64_000_000

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")

Piece = bytes | float | None
"""What to send next, how many seconds to wait, or None: that nothing more will come."""


@dataclass(frozen=True)
class Ending:
    """All that came back, until the server hung up, or for as long as we waited."""

    received: bytes
    cut: bool
    seconds: float

    @property
    def statuses(self) -> list[int]:
        """Of all HTTP answers in it, in their order."""
        return [int(status) for status in _STATUS.findall(self.received)]


class Line:
    """One TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._started = asyncio.get_running_loop().time()

    @classmethod
    async def to(cls, url: str) -> "Line":
        """Connect to the server of a URL."""
        place = urlsplit(url)
        assert place.hostname is not None
        return cls(*await asyncio.open_connection(place.hostname, place.port))

    async def send(self, pieces: Iterable[Piece]) -> None:
        """Send them one after the other, or as many as the server takes."""
        with suppress(OSError):
            for piece in pieces:
                if isinstance(piece, bytes):
                    self._writer.write(piece)
                    await self._writer.drain()
                elif piece is None:
                    self._writer.write_eof()
                else:
                    await asyncio.sleep(piece)
                if self._reader.at_eof():
                    return

    async def read_until(self, end: bytes, *, seconds: float) -> bytes:
        """What came, up to and with `end`. Raises `TimeoutError`, `EOFError`."""
        async with asyncio.timeout(seconds):
            return await self._reader.readuntil(end)

    async def ending(self, *, seconds: float, reading_after: float = 0) -> Ending:
        """Read until the server hangs up, at most for so long; then hang up."""
        received = bytearray()
        cut = False
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.sleep(reading_after)
                while not cut:
                    cut = await self._read_into(received)
        took = asyncio.get_running_loop().time() - self._started
        self.hang_up()
        return Ending(bytes(received), cut, took)

    def hang_up(self) -> None:
        """Without a word."""
        self._writer.transport.abort()

    async def _read_into(self, received: bytearray) -> bool:
        try:
            data = await self._reader.read(READ_BYTES)
        except OSError:
            return True
        if len(received) < LIMIT_BYTES:
            received += data
        return not data


async def talk(
    url: str, pieces: Iterable[Piece], *, seconds: float, reading_after: float = 0
) -> Ending:
    """
    Say this, and listen meanwhile, or after a while, until the server hangs up.

    At most for so many `seconds` in all.
    """
    line = await Line.to(url)
    sending = asyncio.ensure_future(line.send(pieces))
    try:
        return await line.ending(seconds=seconds, reading_after=reading_after)
    finally:
        sending.cancel()
