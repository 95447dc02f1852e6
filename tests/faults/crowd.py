"""Streams that are read as they come, slowly, or not at all; frames are searched, not parsed."""

import asyncio
import re
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import urlsplit

SLOW_BYTES, SLOW_SECONDS = 1024, 1.0
READ_BYTES = 2**16
# Longer than a frame, so that a score whose digits came in two reads is found with the second.
TAIL_BYTES = 2048

WEBSOCKET, EVENTS = "/api/stream", "/api/stream/sse"
_UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


class Pace(Enum):
    """How a stream is read after its handshake."""

    STEADY = "as it comes"
    SLOW = "1 kB a second"
    STUCK = "never"


# The kernel keeps what is not read, and takes more when half of that is free: with a larger one a
# slow reader would seem stuck in between; with a smaller one the server notices sooner.
RECEIVE_BUFFER_BYTES = {Pace.SLOW: 32 * 1024, Pace.STUCK: 4 * 1024}


@dataclass
class Race:
    """A leader, and when each of his scores was sent for."""

    leader: str
    sent: dict[int, float] = field(default_factory=dict)

    @property
    def mark(self) -> re.Pattern[bytes]:
        """Where a frame says his score."""
        return re.compile(rb'"top_10":\[{"user_id":"%b","score":(\d+)}' % self.leader.encode())


class Reader:
    """
    A stream: the leader's scores as it showed them, and the seconds until it did.

    `open` until the server hung up, as far as it was read.
    """

    def __init__(self, url: str, path: str, race: Race, pace: Pace) -> None:
        self._place = urlsplit(url)
        self._path = path
        self._race = race
        self._mark = race.mark
        self.pace = pace
        self.open = True
        self.scores: list[int] = []
        self.waits: list[float] = []

    async def watch(self) -> None:
        """Read until the server hangs up."""
        loop = asyncio.get_running_loop()
        with socket.socket() as sock:
            sock.setblocking(False)
            if size := RECEIVE_BUFFER_BYTES.get(self.pace):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
            await loop.sock_connect(sock, (self._place.hostname, self._place.port))
            await loop.sock_sendall(sock, self._handshake())
            head = await loop.sock_recv(sock, SLOW_BYTES)
            assert head.split(b" ", 2)[1] in (b"101", b"200"), head
            if self.pace is Pace.STUCK:
                await loop.create_future()
            with suppress(ConnectionError):
                await self._read(sock)
        self.open = False

    async def _read(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        slow = self.pace is Pace.SLOW
        tail = b""
        while data := await loop.sock_recv(sock, SLOW_BYTES if slow else READ_BYTES):
            tail += data
            read = max(0, len(tail) - TAIL_BYTES)
            for found in self._mark.finditer(tail):
                self._show(int(found[1]), loop.time())
                read = found.end()
            tail = tail[read:]
            if slow:
                await asyncio.sleep(SLOW_SECONDS)

    def _show(self, score: int, now: float) -> None:
        newest = self.scores[-1] if self.scores else score - 1
        self.scores.append(score)
        sent = (self._race.sent.get(passed) for passed in range(newest + 1, score + 1))
        self.waits += [now - at for at in sent if at is not None]

    def _handshake(self) -> bytes:
        more = _UPGRADE if self._path == WEBSOCKET else ""
        return f"GET {self._path} HTTP/1.1\r\nHost: {self._place.netloc}\r\n{more}\r\n".encode()
