"""One run: who sends when, and what became of it."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from bench.load.connection import Connection
from bench.load.heads import Address, Answer
from bench.load.posted import Posted
from bench.load.requests import Post
from bench.load.ticks import ticking
from libs.common.tasks import spawn

CONNECT_SECONDS = 10.0
RECONNECT_SECONDS = 0.1
DRAIN_SECONDS = 10.0  # how long the last answers may take
NANOSECONDS = 1_000_000_000

Accepted = Callable[[int, bytes], None]
"""Told of each increment that counted: when it was to be sent (ns), and the answer's body."""


class Run:
    """
    Sends requests over a pool of connections; each has one request under way at most.

    Without a rate (closed loop) a connection sends as soon as it is free. With one (open loop)
    request i is due at the start + i / rate: it goes out on the first free connection, the oldest
    first, and no slot is skipped. What waits is never stored: the next number to send says it all.
    """

    def __init__(
        self,
        address: Address,
        posts: Iterator[Post],
        *,
        connections: int,
        rate: float | None,
        limit: int | None,
        on_accepted: Accepted | None,
    ) -> None:
        self._address = address
        self._posts = posts
        self._size = connections
        self._interval = None if rate is None else NANOSECONDS / rate
        self._limit = limit
        self._on_accepted = on_accepted
        self._posted = Posted()
        self._open: set[Connection] = set()
        self._free: deque[Connection] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._done = asyncio.Event()
        self._over = False
        self._sent = 0
        self._began = 0
        self._ends = 0

    async def run(self, seconds: float) -> Posted:
        """
        Send for so long, then wait for the last answers. Raises `ConnectionError` if the pool
        can't be had.
        """
        try:
            await self._connect_all()
            cpu = time.process_time()
            self._began = time.monotonic_ns()
            # An open loop that is behind its schedule still sends the rest.
            late = DRAIN_SECONDS if self._interval else 0.0
            self._ends = self._began + int((seconds + late) * NANOSECONDS)
            with ExitStack() as opened:
                self._send_due()
                if self._interval is not None:
                    opened.enter_context(ticking(self._interval / NANOSECONDS, self._send_due))
                await self._finish(seconds + late + DRAIN_SECONDS)
            self._posted.cpu_seconds = time.process_time() - cpu
            self._posted.seconds = (time.monotonic_ns() - self._began) / NANOSECONDS
        finally:
            self._close()
        return self._posted

    def answered(self, connection: Connection, answer: Answer) -> None:
        now = time.monotonic_ns()
        posted = self._posted
        posted.latencies.record(now - connection.intended)
        posted.statuses[answer.status] += 1
        if answer.status == 200:
            posted.points += connection.points
            if self._on_accepted is not None:
                self._on_accepted(connection.intended, answer.body)
        if not answer.last:
            self._ready(connection, now)

    def lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if self._over:
            return
        if connection in self._free:
            self._free.remove(connection)
        self._count_unanswered(connection)
        self._posted.lost += not connection.retired
        spawn(self._replace(), self._tasks, name="reconnect")

    def _ready(self, connection: Connection, now: int) -> None:
        intended = self._due(now)
        if intended is None:
            self._free.append(connection)
            if len(self._free) == self._size and self._is_last(now):
                self._done.set()
            return
        if self._interval is not None:
            self._note_wait(now - intended)
        self._send(connection, intended)

    def _send_due(self) -> None:
        """What is due, as far as connections are free."""
        now = time.monotonic_ns()
        while self._free and (intended := self._due(now)) is not None:
            if self._interval is not None:
                self._note_wait(now - intended)
            self._send(self._free.popleft(), intended)

    def _note_wait(self, waited: int) -> None:
        """Somebody's fault: the generator's if a connection was free all the time."""
        if self._free:
            self._posted.late.record(waited)
        else:
            self._posted.queued += 1

    def _due(self, now: int) -> int | None:
        """When the next request was to be sent, if not later than now."""
        if self._is_last(now):
            return None
        if self._interval is None:
            return now
        intended = self._began + int(self._sent * self._interval)
        return intended if intended <= now else None

    def _is_last(self, now: int) -> bool:
        return now >= self._ends or self._sent == self._limit

    def _send(self, connection: Connection, intended: int) -> None:
        request, points = next(self._posts)
        self._sent += 1
        connection.send(request, points=points, intended=intended)

    async def _connect_all(self) -> None:
        """One after the other, because not every server has a long queue for newcomers."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                while len(self._open) < self._size:
                    self._free.append(await self._connect())
        except (OSError, TimeoutError) as error:
            got = f"{len(self._open)} of {self._size} connections"
            raise ConnectionError(f"{got} to {self._address.authority}: {error!r}") from error

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        host, port = self._address.host, self._address.port
        _, connection = await loop.create_connection(lambda: Connection(self), host, port)
        self._open.add(connection)
        return connection

    async def _replace(self) -> None:
        while True:
            try:
                connection = await self._connect()
            except OSError:
                self._posted.lost += 1
                await asyncio.sleep(RECONNECT_SECONDS)
            else:
                return self._ready(connection, time.monotonic_ns())

    async def _finish(self, seconds: float) -> None:
        """Wait until all is answered, or count what is not."""
        try:
            async with asyncio.timeout(seconds):
                await self._done.wait()
        except TimeoutError:
            for connection in self._open:
                self._count_unanswered(connection)
        self._posted.sent = self._sent
        self._posted.unsent = (self._limit or self._sent) - self._sent

    def _count_unanswered(self, connection: Connection) -> None:
        self._posted.unanswered += connection.busy
        self._posted.unanswered_points += connection.points * connection.busy

    def _close(self) -> None:
        self._over = True
        for task in self._tasks:
            task.cancel()
        for connection in self._open:
            connection.abort()
