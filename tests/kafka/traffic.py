"""
Numbered records, written and read while something happens to the brokers.

The writer does as the relay: what was not acknowledged is published again, all of it. The reader
does as the scoreboard: it knows by itself how far it is, and opens anew after trouble. So every
record must come at least once, and none may be missing between two offsets.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from uuid import uuid4

from libs.common.errors import BrokerTrouble, PublishFailed
from libs.common.kafka import GroupReader, Message, Publisher, Record
from libs.common.tasks import background

KEYS = 20
PACE_SECONDS = 0.02
RETRY_SECONDS = 0.2
PATIENCE_SECONDS = 120


class Traffic:
    """What was written and what was read, by key."""

    def __init__(self, bootstrap: str, topic: str, *, group: str = "") -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._group = group or uuid4().hex
        self._seen: dict[bytes, set[int]] = defaultdict(set)
        self._next: dict[int, int] = {}
        self._stopped = False
        self.rounds = 0
        self.refused = 0
        self.reopened = 0
        self.missing_offsets = 0
        self.longest_pause = 0.0

    @property
    def partitions(self) -> set[int]:
        """Those that something was read from."""
        return set(self._next)

    @property
    def received(self) -> int:
        """Rounds of which every record was read."""
        everything = set.intersection(*self._seen.values()) if len(self._seen) == KEYS else set()
        return next(n for n in range(self.rounds + 2) if n + 1 not in everything)

    async def more(self, rounds: int = 20) -> None:
        """Wait until so many more rounds were acknowledged."""
        wanted = self.rounds + rounds
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.rounds < wanted:
                await asyncio.sleep(PACE_SECONDS)

    async def check(self) -> None:
        """Stop writing; everything that was acknowledged must be read, and nothing left out."""
        self._stopped = True
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.received < self.rounds:
                await asyncio.sleep(PACE_SECONDS)
        assert self.missing_offsets == 0

    async def write(self) -> None:
        """One round after the other, each until it is acknowledged."""
        publisher = Publisher(self._bootstrap, self._topic, client_id="traffic")
        try:
            while True:
                while self._stopped:
                    await asyncio.sleep(PACE_SECONDS)
                started = monotonic()
                await self._write_round(publisher, self.rounds + 1)
                self.rounds += 1
                self.longest_pause = max(self.longest_pause, monotonic() - started)
                await asyncio.sleep(PACE_SECONDS)
        finally:
            await publisher.close()

    async def read(self) -> None:
        """Follow the topic, whatever happens to it."""
        while True:
            reader = GroupReader(
                self._bootstrap,
                self._topic,
                group=self._group,
                member="traffic",
                positions=self._positions,
            )
            try:
                await reader.open()
                while True:
                    self._note(await reader.read(max_records=500, timeout_ms=100))
            except BrokerTrouble:
                self.reopened += 1
            finally:
                await reader.close()
            await asyncio.sleep(RETRY_SECONDS)

    async def _write_round(self, publisher: Publisher, number: int) -> None:
        records = [Record(b"key-%d" % key, b"%d" % number) for key in range(KEYS)]
        while True:
            try:
                return await publisher.publish(records)
            except PublishFailed:
                self.refused += 1
                await asyncio.sleep(RETRY_SECONDS)

    async def _positions(self, partitions: frozenset[int]) -> Mapping[int, int | None]:
        return {partition: self._next.get(partition) for partition in partitions}

    def _note(self, messages: list[Message]) -> None:
        for message in messages:
            expected = self._next.get(message.partition, message.offset)
            self.missing_offsets += message.offset - expected
            self._next[message.partition] = message.offset + 1
            self._seen[message.key or b""].add(int(message.value or b"0"))


@asynccontextmanager
async def traffic(bootstrap: str, topic: str) -> AsyncIterator[Traffic]:
    """Traffic that flows already."""
    running = Traffic(bootstrap, topic)
    async with background(running.write(), name="write"), background(running.read(), name="read"):
        await running.more()
        yield running
