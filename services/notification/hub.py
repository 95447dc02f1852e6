"""
Fan-out of the newest snapshot to the streams of this process.

A stream whose write buffer is not empty is left alone, and gets the newest snapshot when it has
drained: it costs no memory, delays nobody and never falls back. No queue, no task, no timer per
stream; the bytes are encoded once and shared.
"""

import asyncio
from collections.abc import Iterator
from itertools import islice
from time import perf_counter

from libs.common import metrics
from libs.common.clock import Clock
from libs.common.contracts.streams import CloseCode
from services.notification.domain import (
    UNSEEN,
    Client,
    Frames,
    Position,
    Snapshot,
    current,
    heartbeat,
)

HEARTBEAT_SECONDS = 5.0
SOURCE_SILENCE_SECONDS = 15.0
SLICE = 500

_SENT = metrics.FRAMES.labels("sent")
_CONFLATED = metrics.FRAMES.labels("conflated")


class Hub:
    """Who watches, and what they have seen. Every change between two awaits is whole."""

    def __init__(self, clock: Clock, *, stall_seconds: float) -> None:
        self._clock = clock
        self._stall_seconds = stall_seconds
        self._clients: dict[Client, None] = {}
        self._snapshot: Snapshot | None = None
        self._current: Frames | None = None
        self._heard_at = float("-inf")

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
        self._clients[client] = None
        metrics.SOCKETS.labels(client.variant.name.lower()).inc()
        if self._current is not None and since == self.position:
            if client.writable:
                client.write(self._current[client.variant])
        else:
            _SENT.inc(self._offer(client))

    def leave(self, client: Client) -> None:
        """Forget a client; safe to repeat."""
        if client in self._clients:
            del self._clients[client]
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
        self._snapshot = snapshot
        self._current = current(snapshot.position)
        for clients in self._slices():
            _SENT.inc(sum(map(self._offer, clients)))
            _CONFLATED.inc(sum(client.sent < snapshot.position for client in clients))
            await asyncio.sleep(0)
        metrics.FANOUT_SECONDS.observe(perf_counter() - started)
        if snapshot.accepted_at is not None:
            age = self._clock.now() - snapshot.accepted_at
            metrics.FRESHNESS_SECONDS.observe(max(0.0, age.total_seconds()))
        return True

    async def beat(self) -> None:
        """Send heartbeats for ever, and close who stalls."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            await self.pulse()

    async def pulse(self) -> None:
        """
        One heartbeat to everyone who can take it; nothing if the source is silent.

        Without heartbeats a page says by itself that its board is stale.
        """
        now = self._clock.monotonic()
        alive = self._snapshot is not None and now - self._heard_at < SOURCE_SILENCE_SECONDS
        for clients in self._slices():
            # Made per slice: a snapshot may have come while the loop had its turn.
            frames = heartbeat(self.position) if alive else None
            for client in clients:
                if not client.writable:
                    self._judge_stall(client, now)
                elif frames is not None and not self._offer(client):
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

    def _slices(self) -> Iterator[list[Client]]:
        """All clients of this moment, some at a time, so that the loop can turn in between."""
        everyone = iter(list(self._clients))
        while clients := list(islice(everyone, SLICE)):
            yield clients
