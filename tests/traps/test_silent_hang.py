"""aiokafka's consumer can stop to fetch, stay in its group and say nothing (K5, K6)."""

import asyncio
import signal
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from libs.common.contracts.topics import SCORE_UPDATES
from libs.common.kafka import Publisher, Record, end_offsets
from libs.common.kafka.clients import close
from libs.common.tasks import background
from services.scoreboard import consumer as module
from services.scoreboard.consumer import Consumer, Stuck
from tests.servers import mortal_kafka

TOPIC = SCORE_UPDATES.name
PATIENCE_SECONDS = 30
SILENCE_MS = 2_000
WATCH_SECONDS = 0.2
STUCK_SECONDS = 1.0


class Board:
    """All that a consumer works with, and does nothing."""

    epoch = 1

    def __init__(self) -> None:
        self.handled = 0

    async def locate(self, partitions: frozenset[int]) -> Mapping[int, int | None]:
        return dict.fromkeys(partitions)

    async def handle(self, values: Sequence[bytes], _: object, *, announce: bool) -> None:
        self.handled += len(values)

    def refresh(self) -> None: ...

    def request(self) -> None: ...


async def test_a_consumer_that_fetches_no_more_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WATCH_SECONDS", WATCH_SECONDS)
    monkeypatch.setattr(module, "STUCK_SECONDS", STUCK_SECONDS)
    with mortal_kafka() as broker:
        await publish(broker.address)
        await alone(broker.address)
        board: Any = Board()
        ours = Consumer(
            broker.address,
            group="ours",
            member="one",
            apply=board,
            announcer=board,
            audit=board,
            rebuild=board,
        )
        async with asyncio.timeout(PATIENCE_SECONDS), background(ours.run(), name="consumer"):
            while not board.handled:
                await asyncio.sleep(0.05)
            assert ours._reader is not None
            await hang(ours._reader._consumer)
            await publish(broker.address)
            with pytest.raises(Stuck):
                await ours.watch()


async def test_a_watchdog_that_barks_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in a task is nobody's business in asyncio, until somebody asks."""
    signals: list[int] = []
    monkeypatch.setattr(signal, "raise_signal", signals.append)

    async def barks() -> None:
        raise Stuck(1, 15.0)

    async with background(barks(), name="watchdog") as task:
        await asyncio.wait([task])
        await asyncio.sleep(0)
    assert signals == [signal.SIGTERM]


async def alone(bootstrap: str) -> None:
    """The library: no record, no error, and still a member of its group."""
    consumer = AIOKafkaConsumer(
        TOPIC, bootstrap_servers=bootstrap, group_id="alone", auto_offset_reset="earliest"
    )
    await consumer.start()
    assert await consumer.getmany(timeout_ms=SILENCE_MS)
    await hang(consumer)
    await publish(bootstrap)
    assert not await consumer.getmany(timeout_ms=SILENCE_MS)
    assert sum((await end_offsets(bootstrap, TOPIC)).values()) == 2
    assert consumer.assignment()
    await close(consumer)


async def hang(consumer: AIOKafkaConsumer) -> None:
    """What a blocked event loop did to its fetcher until 0.11 (aiokafka 847, 983)."""
    consumer._fetcher._fetch_task.cancel()
    await asyncio.wait([consumer._fetcher._fetch_task])


async def publish(bootstrap: str) -> None:
    publisher = Publisher(bootstrap, TOPIC, client_id="test")
    await publisher.publish([Record(b"key", b"value")])
    await publisher.close()
