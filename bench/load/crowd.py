"""
Many watchers of one stream, in one process.

An address of this machine has some 28,000 ports for connections to one server, so a larger crowd
comes from several (127.0.0.2, …). Leaving is abrupt: nothing of a crowd stays in the kernel.
"""

import asyncio
import random
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from pydantic import BaseModel

from bench.load import files
from bench.load.boards import Board
from bench.load.handshakes import handshake
from bench.load.heads import Address
from bench.load.watcher import BUFFER_BYTES, SMALL, Probe, Role, Watcher

MAX_WATCHERS = 20_000
PROBES = 200
CONNECT_AT_ONCE = 64
CONNECT_SECONDS = 120.0
LEAVE_SECONDS = 10.0
POLL_SECONDS = 0.02
SMALL_BUFFER_BYTES = 4096
LOCAL_HOST = "127.0.0.1"

_NO_LINGER = struct.pack("ii", 1, 0)  # reset: else the port waits for a minute after closing
# Linux: the port is chosen at `connect`, and may be in use towards another server.
_IP_BIND_ADDRESS_NO_PORT = 24


class Watched(BaseModel):
    """What a crowd has seen until now."""

    watchers: int
    connect_seconds: float
    connects_per_second: float
    frames: int
    bytes: int
    fewest_frames: int
    most_frames: int
    probes: int
    position: tuple[int, int] | None
    probes_at_position: int
    ended: dict[str, int]


class Crowd:
    """
    Watchers of one URL. `ended` counts those that are gone, by the reason.

    Probes read every board with its time; slow and stuck ones are never among them.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._leaving = False
        self._present: set[Watcher] = set()
        self.buffer = memoryview(bytearray(BUFFER_BYTES))
        self.watchers: list[Watcher] = []
        self.probes: list[Probe] = []
        self.connect_seconds = 0.0
        self.ended: Counter[str] = Counter()

    def arrived(self, watcher: Watcher) -> None:
        self._present.add(watcher)

    def left(self, watcher: Watcher, reason: str) -> None:
        self._present.discard(watcher)
        if not self._leaving:
            self.ended[reason] += 1

    @property
    def frames(self) -> int:
        """How many texts (events) have come, to all together."""
        return sum(watcher.frames for watcher in self.watchers)

    @property
    def newest(self) -> Board | None:
        """The board that the first probe saw last; None before the first."""
        boards = self.probes[0].boards if self.probes else []
        return boards[-1] if boards else None

    def watched(self) -> Watched:
        seen = [watcher.frames for watcher in self.watchers]
        last = [probe.boards[-1].position for probe in self.probes if probe.boards]
        position = max((place for place in last if place is not None), default=None)
        return Watched(
            watchers=len(seen),
            connect_seconds=self.connect_seconds,
            connects_per_second=len(seen) / max(self.connect_seconds, 1e-9),
            frames=sum(seen),
            bytes=sum(watcher.bytes for watcher in self.watchers),
            fewest_frames=min(seen, default=0),
            most_frames=max(seen, default=0),
            probes=len(self.probes),
            position=position,
            probes_at_position=last.count(position) if position is not None else 0,
            ended=dict(self.ended),
        )

    async def until_current(self, seconds: float) -> float:
        """The seconds until everybody who reads has a first frame. Raises `TimeoutError`."""
        began = time.monotonic()
        async with asyncio.timeout(seconds):
            while not all(w.frames or w.role is Role.STUCK for w in self.watchers):
                await asyncio.sleep(POLL_SECONDS)
        return time.monotonic() - began

    async def enter(self, roles: Sequence[Role], sources: Sequence[str]) -> None:
        """Connect one watcher for each role. Raises `ConnectionError`."""
        began = time.monotonic()
        waiting = list(enumerate(roles))
        refused: Counter[str] = Counter()

        async def connect() -> None:
            while waiting:
                number, role = waiting.pop()
                try:
                    await self._connect(role, sources[number % len(sources)])
                except (OSError, ValueError) as error:
                    refused[str(error)] += 1

        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await asyncio.gather(*(connect() for _ in range(CONNECT_AT_ONCE)))
        except TimeoutError:
            refused[f"after {CONNECT_SECONDS:.0f} s"] += len(roles) - len(self.watchers)
        if refused:
            got = f"{len(self.watchers)} of {len(roles)} watchers"
            raise ConnectionError(f"{got} of {self._url}: {dict(refused)}")
        self.connect_seconds = time.monotonic() - began

    async def leave(self) -> None:
        """Everybody at once."""
        self._leaving = True
        for watcher in self._present:
            watcher.abort()
        async with asyncio.timeout(LEAVE_SECONDS):
            while self._present:
                await asyncio.sleep(POLL_SECONDS)

    async def _connect(self, role: Role, source: str) -> None:
        loop = asyncio.get_running_loop()
        address = Address.of(self._url)
        sock = _socket(source, small=role in SMALL)
        try:
            await loop.sock_connect(sock, (address.host, address.port))
        except BaseException:
            sock.close()
            raise
        greeting = handshake(self._url)
        watcher = Probe(self, greeting) if role is Role.PROBE else Watcher(self, greeting, role)
        await loop.create_connection(lambda: watcher, sock=sock)
        await watcher.opened
        self.watchers.append(watcher)
        if isinstance(watcher, Probe):
            self.probes.append(watcher)


@asynccontextmanager
async def watching(
    url: str,
    count: int,
    *,
    probes: int = PROBES,
    slow: int = 0,
    stuck: int = 0,
    sources: Sequence[str] = (LOCAL_HOST,),
) -> AsyncGenerator[Crowd, None]:
    """
    So many watchers, of which some are probes, slow or stuck, while the block runs.

    `ws://` is WebSocket, `http://` server-sent events. Raises `ConnectionError` unless all are let
    in, `TooFewFiles` if there can't be so many.
    """
    if not 0 < count <= MAX_WATCHERS:
        raise ValueError(f"1 to {MAX_WATCHERS} watchers")
    files.allow(count)
    crowd = Crowd(url)
    try:
        await crowd.enter(_roles(count, probes, slow, stuck), sources)
        yield crowd
    finally:
        await crowd.leave()


def _roles(count: int, probes: int, slow: int, stuck: int) -> list[Role]:
    """Spread evenly over those who come early and late: servers send in that order."""
    roles = [Role.STUCK] * stuck + [Role.SLOW] * slow
    roles += [Role.PROBE] * min(probes, count - len(roles))
    roles += [Role.EAGER] * (count - len(roles))
    random.Random(0).shuffle(roles)
    return roles


def _socket(source: str, *, small: bool) -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    if small:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
    if source != LOCAL_HOST:
        sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
        sock.bind((source, 0))
    return sock
