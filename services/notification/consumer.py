"""
Reads every snapshot of this region's board, and gives the newest to the hub.

In no consumer group: each process needs all of them. It may miss any number, because each one is
whole; so after a broken connection it begins at the newest again.
"""

import asyncio

import structlog
from pydantic import ValidationError

from libs.common import metrics
from libs.common.clock import Clock
from libs.common.contracts.boards import LeaderboardUpdated
from libs.common.contracts.topics import LEADERBOARD_UPDATED
from libs.common.contracts.values import GLOBAL_BOARD
from libs.common.errors import BrokerTrouble, Unavailable
from libs.common.kafka import BroadcastReader, Message
from libs.common.logs import Trouble
from services.notification.domain import UNSEEN, Snapshot
from services.notification.hub import Hub

POLL_MS = 1000
MAX_RECORDS = 500
OPEN_DEADLINE_SECONDS = 20.0
# Heartbeats come every 5 s, so silence means that aiokafka hangs: it is known to, without a word.
SILENCE_SECONDS = 30.0
RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)

_log = structlog.get_logger()


class BoardConsumer:
    """Follows one region's board."""

    def __init__(self, bootstrap: str, region: str, hub: Hub, clock: Clock, *, node: str) -> None:
        self._bootstrap = bootstrap
        self._region = region
        self._hub = hub
        self._clock = clock
        self._node = node
        self._connected = False
        self._failures = 0
        self._trouble = Trouble("board_not_read")
        self._last: dict[int, int] = {}

    async def run(self) -> None:
        """Follow for ever, through the loss of brokers, connections and the log itself."""
        while True:
            try:
                await self._follow()
            except (BrokerTrouble, TimeoutError) as error:
                self._connected = False
                delay = RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS) - 1)]
                self._failures += 1
                self._trouble.met(error)
                await asyncio.sleep(delay)

    async def check(self) -> None:
        """Raises `Unavailable` before the first snapshot while no broker answers."""
        if not self._connected and self._hub.position == UNSEEN:
            raise Unavailable("no snapshot yet, and no broker")

    async def _follow(self) -> None:
        """Read until nothing comes any more."""
        reader = BroadcastReader(
            self._bootstrap, LEADERBOARD_UPDATED.name, client_id=f"notification-{self._node}"
        )
        try:
            async with asyncio.timeout(OPEN_DEADLINE_SECONDS):
                await reader.open(partitions=LEADERBOARD_UPDATED.partitions)
            self._connected = True
            self._failures = 0
            self._trouble.over()
            heard_at = self._clock.monotonic()
            while self._clock.monotonic() - heard_at < SILENCE_SECONDS:
                messages = await reader.read(max_records=MAX_RECORDS, timeout_ms=POLL_MS)
                if messages:
                    heard_at = self._clock.monotonic()
                    await self._handle(messages)
            _log.warning("board_reader_replaced")
        finally:
            await reader.close()

    async def _handle(self, messages: list[Message]) -> None:
        """Publish the newest of them; the others are history already."""
        events = [event for message in messages if (event := self._read(message)) is not None]
        if events:
            await self._hub.publish(Snapshot.of(max(events, key=lambda event: event.position)))
            # What comes meanwhile is read then, and only the newest of it published.
            await self._hub.rest()

    def _read(self, message: Message) -> LeaderboardUpdated | None:
        again = self._last.get(message.partition) == message.offset
        self._last[message.partition] = message.offset
        if message.value is None:
            return None
        try:
            event = LeaderboardUpdated.model_validate_json(message.value)
        except ValidationError:
            metrics.UNREADABLE_SNAPSHOTS.inc()
            _log.warning("snapshot_unreadable", offset=message.offset)
            return None
        if event.region != self._region or event.board != GLOBAL_BOARD:
            return None
        if not again:  # the newest record, read again after a reconnection, is no sign of life
            self._hub.heard()
        return event
