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
from itertools import cycle
from operator import itemgetter

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
RETURN_TRIES = 10
# As the product's pages (services/gateway/web): a random wait up to these, and then patience.
BACKOFF_BASE_SECONDS = 0.5
BACKOFF_CAP_SECONDS = 15.0
DEAD_AFTER_SECONDS = 15.0
LEAVE_SECONDS = 10.0
POLL_SECONDS = 0.02
SMALL_BUFFER_BYTES = 4096
LOCAL_HOST = "127.0.0.1"

_NO_LINGER = struct.pack("ii", 1, 0)  # reset: else the port waits for a minute after closing
# Linux: the port is chosen at `connect`, and may be in use towards another server.
_IP_BIND_ADDRESS_NO_PORT = 24


class Watched(BaseModel):
    """
    What a crowd has seen until now, those of its watchers that are there.

    `probes_alike` have the board that was seen last. `return_seconds` is how long it took after the
    last cut until everybody had a board again, `refused` how many tries to connect were in vain.
    `cpu_seconds` are those of the crowd's process.
    """

    cpu_seconds: float
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
    probes_alike: int
    ended: dict[str, int]
    refused: dict[str, int]
    return_seconds: float


class Crowd:
    """
    Watchers of one URL. `ended` counts those that are gone, by the reason.

    Probes read every board with its time; slow and stuck ones are never among them.
    """

    def __init__(self, url: str, sources: Sequence[str] = (LOCAL_HOST,)) -> None:
        self._url = url
        self._sources = cycle(sources)
        self._leaving = False
        self._present: set[Watcher] = set()
        self.buffer = memoryview(bytearray(BUFFER_BYTES))
        self.watchers: list[Watcher] = []
        self.probes: list[Probe] = []
        self.connect_seconds = 0.0
        self.return_seconds = 0.0
        self.ended: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def arrived(self, watcher: Watcher) -> None:
        self._present.add(watcher)

    def left(self, watcher: Watcher, reason: str) -> None:
        self._present.discard(watcher)
        if watcher.began and not self._leaving:
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
        boards = [(probe.times[-1], probe.boards[-1]) for probe in self.probes if probe.boards]
        last = [board.position for _, board in boards]
        position = max((place for place in last if place is not None), default=None)
        _, newest = max(boards, key=itemgetter(0), default=(0, None))
        return Watched(
            cpu_seconds=time.process_time(),
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
            probes_alike=sum(board == newest for _, board in boards),
            ended=dict(self.ended),
            refused=dict(self.refused),
            return_seconds=self.return_seconds,
        )

    async def until_current(self, seconds: float) -> float:
        """The seconds until everybody who reads has a first frame. Raises `TimeoutError`."""
        began = time.monotonic()
        async with asyncio.timeout(seconds):
            while not all(w.frames or w.role is Role.STUCK for w in self.watchers):
                await asyncio.sleep(POLL_SECONDS)
        return time.monotonic() - began

    async def enter(self, roles: Sequence[Role]) -> None:
        """Connect one watcher for each role. Raises `ConnectionError`."""
        began = time.monotonic()
        waiting = list(roles)

        async def connect() -> None:
            while waiting:
                await self._tried(waiting.pop())

        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await asyncio.gather(*(connect() for _ in range(CONNECT_AT_ONCE)))
        except TimeoutError:
            self.refused[f"after {CONNECT_SECONDS:.0f} s"] += len(roles) - len(self.watchers)
        self._require(len(roles))
        self.connect_seconds = time.monotonic() - began

    async def leave(self) -> None:
        """Everybody at once."""
        self._leaving = True
        for watcher in self._present:
            watcher.abort()
        async with asyncio.timeout(LEAVE_SECONDS):
            while self._present:
                await asyncio.sleep(POLL_SECONDS)
        self._leaving = False

    async def cut(self, seconds: float) -> None:
        """
        Cut all off in the same moment; each comes back by itself, as our own pages do.

        Done when everybody has a board again. Raises `ConnectionError`, `TimeoutError`.
        """
        began = time.monotonic()
        roles = [watcher.role for watcher in self.watchers]
        await self.leave()
        self.watchers, self.probes = [], []
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(self._come_back(role) for role in roles))
            self._require(len(roles))
            await self.until_current(seconds)
        self.return_seconds = time.monotonic() - began

    async def _come_back(self, role: Role) -> None:
        for failures in range(RETURN_TRIES):
            longest = min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2**failures)
            await asyncio.sleep(random.uniform(0, longest))
            if await self._tried(role, DEAD_AFTER_SECONDS):
                return

    async def _tried(self, role: Role, seconds: float | None = None) -> bool:
        """Whether one more is in, after so long at most."""
        try:
            async with asyncio.timeout(seconds):
                await self._connect(role, next(self._sources))
        except (OSError, ValueError) as error:  # a TimeoutError is an OSError
            self.refused[str(error) or "no answer"] += 1
            return False
        return True

    def _require(self, count: int) -> None:
        if len(self.watchers) < count:
            got = f"{len(self.watchers)} of {count} watchers"
            raise ConnectionError(f"{got} of {self._url}: {dict(self.refused)}")

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
        try:
            await watcher.opened
        except BaseException:
            watcher.abort()
            raise
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
    crowd = Crowd(url, sources)
    try:
        await crowd.enter(_roles(count, probes, slow, stuck))
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
