"""
Increments that arrive at their own rate, whether or not earlier ones were answered.

A closed loop slows down with the server that it measures; real users do not (Schroeder, Wierman and
Harchol-Balter, NSDI 2006). Bare HTTP/1.1 over kept connections, as a client that costs little.
"""

import asyncio
import json
import random
import re
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from uuid import uuid4

from tests.oracle.client import MAX_POINTS, REFUSED
from tests.oracle.history import History, Request

TICK_SECONDS = 0.005
RETRY_SECONDS = 0.2
OVERLOADED = "urn:live-scoreboard:problem:overloaded"

_LENGTH = re.compile(rb"^content-length: (\d+)\r$", re.M | re.I)


@dataclass
class Flow:
    """What came of so many seconds; `unsent` had no connection left to go by."""

    seconds: float = 0.0
    unsent: int = 0
    malformed: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    """Of the accepted: seconds from when each was due."""

    @property
    def accepted_per_second(self) -> float:
        return self.answers["200"] / self.seconds

    def wait(self, share: float) -> float:
        """The seconds in which this share of the accepted had their answer."""
        return sorted(self.waits)[int(len(self.waits) * share)] if self.waits else float("inf")


class OpenLoop:
    """Players on kept connections, at most one request on each."""

    def __init__(self, gateway_url: str, tokens: Mapping[str, str], history: History) -> None:
        self._host = urlsplit(gateway_url).netloc
        self._tokens = tokens
        self._users = list(tokens)
        self._history = history
        self._free: deque[_Connection] = deque()

    @asynccontextmanager
    async def connected(self, connections: int) -> AsyncIterator[None]:
        """So many connections, and with them so many requests at once, while the block runs."""
        place = urlsplit(f"//{self._host}")
        for _ in range(connections):
            connection = _Connection(place.hostname or "", place.port or 0)
            await connection.open()
            self._free.append(connection)
        try:
            yield
        finally:
            for connection in self._free:
                connection.close()
            self._free.clear()

    async def arrive(self, per_second: float, seconds: float) -> Flow:
        """Increments at this rate; returns when those under way are answered, too."""
        clock = asyncio.get_running_loop().time
        flow = Flow(seconds)
        under_way: set[asyncio.Task[None]] = set()
        started = clock()
        arrived = 0
        while (now := clock() - started) < seconds:
            for number in range(arrived, int(now * per_second)):
                arrived += 1
                if not self._free:
                    flow.unsent += 1
                    continue
                due = started + number / per_second
                task = asyncio.ensure_future(self._post(self._free.popleft(), self._new(due), flow))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            await asyncio.sleep(TICK_SECONDS)
        await asyncio.gather(*under_way)
        return flow

    async def saturate(self, connections: int, seconds: float) -> Flow:
        """A closed loop: each connection sends its next when it has the answer to the last."""
        clock = asyncio.get_running_loop().time
        flow = Flow(seconds)
        ends = clock() + seconds

        async def one() -> None:
            while clock() < ends:
                await self._post(self._free.popleft(), self._new(clock()), flow)

        await asyncio.gather(*(one() for _ in range(connections)))
        return flow

    async def resolve(self) -> int:
        """Send again, under their keys, those whose outcome is unknown; how many there were."""
        unknown = [request for request in self._history.requests if not request.verdict]
        for request in unknown:
            while not request.verdict:
                await self._post(self._free.popleft(), request, Flow())
                if not request.verdict:
                    await asyncio.sleep(RETRY_SECONDS)
        return len(unknown)

    def _new(self, due: float) -> Request:
        user, points = random.choice(self._users), random.randint(1, MAX_POINTS)
        request = Request(user, uuid4().hex, points, due)
        self._history.requests.append(request)
        return request

    async def _post(self, connection: "_Connection", request: Request, flow: Flow) -> None:
        request.attempts += 1
        body = b'{"score_increment":%d}' % request.points
        head = (
            f"POST /api/scores HTTP/1.1\r\nHost: {self._host}\r\n"
            f"Authorization: Bearer {self._tokens[request.user]}\r\n"
            f"Idempotency-Key: {request.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            status, headers, answer = await connection.exchange(head.encode() + body)
        except OSError as error:
            flow.answers[type(error).__name__] += 1
        else:
            self._note(request, status, headers, json.loads(answer), flow)
        finally:
            request.ended = asyncio.get_running_loop().time()
            self._history.answers["attempt"] += 1
            self._free.append(connection)
        if request.acked:
            flow.waits.append(request.ended - request.started)

    @staticmethod
    def _note(request: Request, status: int, headers: bytes, answer: dict[str, object],
              flow: Flow) -> None:  # fmt: skip
        flow.answers[str(status)] += 1
        if status == 200:
            request.verdict = "acked"
            request.seq, request.score = int(str(answer["version"])), int(str(answer["new_score"]))
            request.replayed = b"idempotency-replayed" in headers
        elif status in REFUSED or answer.get("type") == OVERLOADED:
            request.verdict = "refused"
        if status == 503:
            asked_back = b"retry-after: " in headers
            flow.malformed += not (asked_back and b"application/problem+json" in headers)


class _Connection(asyncio.Protocol):
    """One kept connection; opened anew when it was lost."""

    def __init__(self, host: str, port: int) -> None:
        self._place = (host, port)
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[tuple[int, bytes, bytes]] | None = None
        self._read = b""

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, *self._place)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def exchange(self, request: bytes) -> tuple[int, bytes, bytes]:
        """Status, lower-case head and body of the answer. Raises `OSError`."""
        if self._transport is None:
            await self.open()
        assert self._transport is not None
        self._read = b""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, blank, body = self._read.partition(b"\r\n\r\n")
        length = _LENGTH.search(head + b"\r")
        if blank and length and len(body) >= int(length[1]) and self._answer is not None:
            answer, self._answer = self._answer, None
            answer.set_result((int(head.split(b" ", 2)[1]), head.lower(), body))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._answer is not None:
            self._answer.set_exception(exc or ConnectionResetError("closed by the server"))
            self._answer = None
