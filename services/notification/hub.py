"""
Fan-out of the newest snapshot to the streams of this process.

A stream whose write buffer is not empty is left alone, and gets the newest snapshot when it has
drained: it costs no memory, delays nobody and never falls back. No queue, no task, no timer per
stream; the bytes are encoded once and shared. Heartbeats go round on a wheel, some streams at each
tick, and fan-outs leave half of the process to all else.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle, islice
from time import perf_counter, thread_time

from libs.common import metrics
from libs.common.clock import Clock
from libs.common.contracts.streams import CloseCode
from services.notification.domain import (
    UNSEEN,
    Client,
    Frames,
    Pace,
    Position,
    Snapshot,
    current,
    heartbeat,
)

HEARTBEAT_SECONDS = 5.0
TICK_SECONDS = 0.1
SLOTS = round(HEARTBEAT_SECONDS / TICK_SECONDS)
# Who was given a snapshot so lately needs no heartbeat; nobody hears nothing for longer than both.
FRESH_SECONDS = HEARTBEAT_SECONDS / 2
SOURCE_SILENCE_SECONDS = 15.0
SLICE = 500

_SENT = metrics.FRAMES.labels("sent")
_CONFLATED = metrics.FRAMES.labels("conflated")


class Hub:
    """Who watches, and what they have seen. Every change between two awaits is whole."""

    def __init__(
        self,
        clock: Clock,
        *,
        stall_seconds: float,
        cpu_seconds: Callable[[], float] = thread_time,
    ) -> None:
        self._clock = clock
        self._cpu_seconds = cpu_seconds
        self._stall_seconds = stall_seconds
        self._clients: dict[Client, int] = {}  # and their slots
        self._wheel: list[dict[Client, None]] = [{} for _ in range(SLOTS)]
        self._places = cycle(range(SLOTS))
        self._hands = cycle(self._wheel)
        self._snapshot: Snapshot | None = None
        self._current: Frames | None = None
        self._heard_at = float("-inf")
        self._published_at = float("-inf")
        self._pace = Pace()

    @property
    def position(self) -> Position:
        """What the newest snapshot is; `UNSEEN` before the first."""
        return UNSEEN if self._snapshot is None else self._snapshot.position

    def join(self, client: Client, since: Position) -> None:
        """
        Begin to serve a client that has seen `since`.

        It gets the newest snapshot, or is told that it has it. One that has seen more than we
        have (from a node that is ahead) waits until we are there.
        """
        client.sent = since
        client.unwritable_since = None
        self._clients[client] = slot = next(self._places)
        self._wheel[slot][client] = None
        metrics.SOCKETS.labels(client.variant.name.lower()).inc()
        if self._current is not None and since == self.position:
            if client.writable:
                client.write(self._current[client.variant])
        else:
            _SENT.inc(self._offer(client))

    def leave(self, client: Client) -> None:
        """Forget a client; safe to repeat."""
        if client in self._clients:
            del self._wheel[self._clients.pop(client)][client]
            metrics.SOCKETS.labels(client.variant.name.lower()).dec()

    def drained(self, client: Client) -> None:
        """A client can take bytes again."""
        client.unwritable_since = None
        if client in self._clients:
            _SENT.inc(self._offer(client))

    def heard(self) -> None:
        """The source gave a sign of life."""
        self._heard_at = self._clock.monotonic()

    async def publish(self, snapshot: Snapshot) -> bool:
        """Give everyone a snapshot; say whether it was newer than the last."""
        if snapshot.position <= self.position:
            return False
        started = perf_counter()
        self._published_at = self._clock.monotonic()
        self._snapshot = snapshot
        self._current = current(snapshot.position)
        count = len(self._clients)
        spent = 0.0
        for clients in _slices(self._clients):
            before = self._cpu_seconds()
            sent = sum(map(self._offer, clients))
            _SENT.inc(sent)
            if sent < len(clients):
                _CONFLATED.inc(sum(client.sent < snapshot.position for client in clients))
            spent += self._cpu_seconds() - before
            await asyncio.sleep(0)
        self._pace = self._pace.after(count, spent)
        metrics.FANOUT_SECONDS.observe(perf_counter() - started)
        if snapshot.accepted_at is not None:
            age = self._clock.now() - snapshot.accepted_at
            metrics.FRESHNESS_SECONDS.observe(max(0.0, age.total_seconds()))
        return True

    async def rest(self) -> None:
        """Return when the next snapshot may be published; at once if the last is long ago."""
        window = self._pace.window_seconds(len(self._clients))
        metrics.FANOUT_WINDOW_SECONDS.set(window)
        early = self._published_at + window - self._clock.monotonic()
        if early > 0:
            await asyncio.sleep(early)

    async def beat(self) -> None:
        """Turn the wheel for ever, once around in `HEARTBEAT_SECONDS`."""
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            # On time on average; but after a long pause, what was missed is not made up for.
            due = max(due + TICK_SECONDS, clock())
            await asyncio.sleep(due - clock())
            await self.tick()

    async def tick(self) -> None:
        """
        Serve the next slot: a heartbeat to everyone who can take it, and close who stalls.

        Nothing if the source is silent: then a page says by itself that its board is stale.
        """
        now = self._clock.monotonic()
        alive = self._snapshot is not None and now - self._heard_at < SOURCE_SILENCE_SECONDS
        fresh = now - self._published_at < FRESH_SECONDS
        for clients in _slices(next(self._hands)):
            # Made per slice: a snapshot may have come while the loop had its turn.
            frames = heartbeat(self.position) if alive else None
            for client in clients:
                if not client.writable:
                    self._judge_stall(client, now)
                elif frames is None or self._offer(client):
                    continue
                elif not fresh or client.sent != self.position:
                    client.write(frames[client.variant])
            await asyncio.sleep(0)

    def _offer(self, client: Client) -> bool:
        """Write the newest snapshot, if it is news to the client and the client can take it."""
        snapshot = self._snapshot
        if snapshot is None or not client.writable or client.sent >= snapshot.position:
            return False
        client.sent = snapshot.position
        client.write(snapshot.frames[client.variant])
        return True

    def _judge_stall(self, client: Client, now: float) -> None:
        if client.unwritable_since is None:
            client.unwritable_since = now
        elif now - client.unwritable_since >= self._stall_seconds and client in self._clients:
            client.close(CloseCode.STALLED, "nothing was read for too long")


def _slices(clients: Iterable[Client]) -> Iterator[list[Client]]:
    """The clients of this moment, some at a time, so that the loop can turn in between."""
    everyone = iter(list(clients))
    while some := list(islice(everyone, SLICE)):
        yield some
