"""Increments at a steady rate, without the doors that they usually come through."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

from libs.common.tasks import background
from libs.devstack import credentials, provision
from services.score.domain.increments import Entry
from services.score.publisher import Relay, open_publisher
from services.score.store.books import Books
from services.score.store.database import open_engine
from services.score.store.ledger import LedgerLane
from tests.stack import RunningStack

USERS = 1000
TICK_SECONDS = 0.05
MAX_BATCH = 500


class Source:
    """Committed by one of score's lanes, published by score's relay, both in this process."""

    def __init__(self, lane: LedgerLane, relay: Relay) -> None:
        self._lane = lane
        self._relay = relay
        self.sent = 0
        self.points = 0

    async def run(self, *, rate: int, seconds: float) -> None:
        """What a slow moment left behind is made up for, in larger batches."""
        started = time.monotonic()
        while (passed := time.monotonic() - started) < seconds:
            count = min(MAX_BATCH, int(passed * rate) - self.sent)
            if count:
                await self._send(count)
            await asyncio.sleep(TICK_SECONDS)

    async def _send(self, count: int) -> None:
        entries = [
            Entry(f"user-{random.randrange(USERS):04}", uuid4().hex, random.randint(1, 9))
            for _ in range(count)
        ]
        self._relay.offer(await self._lane.append(entries))
        self.sent += count
        self.points += sum(entry.delta for entry in entries)


@asynccontextmanager
async def source(stack: RunningStack) -> AsyncIterator[Source]:
    """A source beside the stack's own score, which sweeps up what this one leaves."""
    database, kafka = stack.urls["postgres"], stack.urls["kafka"]
    password = credentials.load(stack.data_dir)["score_database"]
    url = provision.with_login(database, provision.SCORE.role, password)
    async with AsyncExitStack() as opened:
        engine = open_engine(url, name="storm", connections=2)
        opened.push_async_callback(engine.dispose)
        publisher = open_publisher(kafka)
        opened.push_async_callback(publisher.close)
        relay = Relay(publisher, Books(engine))
        await opened.enter_async_context(background(relay.run(), name="relay"))
        lane = LedgerLane(url)
        opened.push_async_callback(lane.close)
        yield Source(lane, relay)
