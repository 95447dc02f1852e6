"""aiokafka's producer: what it does when left alone, and that `Publisher` stands it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import OutOfOrderSequenceNumber

from libs.common.contracts.topics import SCORE_UPDATES
from libs.common.errors import PublishFailed
from libs.common.kafka import Publisher, Record, clients, end_offsets, publisher
from libs.common.tasks import background
from services.score.publisher import Relay
from tests.embedded import Broker, mortal_kafka
from tests.traps.outbox import MemoryOutbox, a_commit

TOPIC = SCORE_UPDATES.name
PATIENCE_SECONDS = 30
# Shorter than in the product, where the library would give up on nothing either.
REQUEST_TIMEOUT_MS = 500
DEADLINE_SECONDS = 2.0
POLL_SECONDS = 0.02
RECORD = Record(b"key", b"value")


@pytest.fixture
def broker() -> Iterator[Broker]:
    with mortal_kafka() as broker:
        yield broker


@pytest.fixture
async def ours(broker: Broker) -> AsyncIterator[Publisher]:
    ours = Publisher(broker.address, TOPIC, client_id="test")
    await ours.publish([RECORD])
    yield ours
    await ours.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The product's deadlines, scaled to a test's time."""
    monkeypatch.setattr(publisher, "ACK_DEADLINE_SECONDS", DEADLINE_SECONDS)
    monkeypatch.setattr(clients, "CLOSE_DEADLINE_SECONDS", DEADLINE_SECONDS)


@asynccontextmanager
async def bare(broker: Broker) -> AsyncIterator[AIOKafkaProducer]:
    """A producer as careful as its settings can make it, that has written already."""
    producer = AIOKafkaProducer(
        bootstrap_servers=broker.address,
        acks="all",
        enable_idempotence=True,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )
    await producer.start()
    try:
        await producer.send_and_wait(TOPIC, b"value", key=b"key")
        yield producer
    finally:
        await clients.close(producer)


async def test_defaults_that_lose_data_are_not_ours(broker: Broker, ours: Publisher) -> None:
    """K1: `acks=1`, without idempotence."""
    careless = AIOKafkaProducer(bootstrap_servers=broker.address)
    assert (careless._sender._acks, careless._txn_manager) == (1, None)
    producer = ours._producer
    assert producer is not None
    assert producer._sender._acks == -1
    assert producer._txn_manager is not None
    await careless.stop()


async def test_a_producer_whose_broker_forgot_it_is_wedged(
    broker: Broker, ours: Publisher, impatient: None
) -> None:
    """K7: it asks for a new identity never, and is refused for ever (aiokafka 1017)."""
    async with bare(broker) as producer:
        broker.kill()
        broker.start()
        for _ in range(3):
            with pytest.raises(OutOfOrderSequenceNumber):
                await producer.send_and_wait(TOPIC, b"value", key=b"key")
    await until_published(ours)


async def test_a_record_without_a_broker_is_waited_for_without_end(
    broker: Broker, ours: Publisher, impatient: None
) -> None:
    """K8: neither `send_and_wait` nor `stop` ever ends; the request timeout bounds neither."""
    async with bare(broker) as producer:
        broker.kill()
        assert not await ends(producer.send_and_wait(TOPIC, b"value", key=b"key"))
        assert not await ends(producer.stop())
    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(PublishFailed):
            await ours.publish([RECORD])
        await ours.close()
    broker.start()


async def test_a_producer_that_was_given_up_asks_for_its_broker_no_more(
    broker: Broker, ours: Publisher, impatient: None
) -> None:
    """K8: an interrupted `stop` leaves a task that connects for ever, one for each attempt."""
    given_up = ours._producer
    assert given_up is not None
    broker.kill()
    with pytest.raises(PublishFailed):
        await ours.publish([RECORD])
    assert given_up._sender.sender_task.done()
    assert not any(connection.connected() for connection in given_up.client._conns.values())
    broker.start()


async def test_a_producer_whose_sender_was_cancelled_hangs(
    ours: Publisher, broker: Broker, impatient: None
) -> None:
    """K10: no error, no end (aiokafka 1039)."""
    async with bare(broker) as producer:
        producer._sender.sender_task.cancel()
        assert not await ends(producer.send_and_wait(TOPIC, b"value", key=b"key"))
    assert ours._producer is not None
    ours._producer._sender.sender_task.cancel()
    with pytest.raises(PublishFailed):
        await ours.publish([RECORD])
    await ours.publish([RECORD])


async def test_an_error_that_nobody_waits_for_is_lost(
    broker: Broker, ours: Publisher, impatient: None
) -> None:
    """K11: `await send()` only queues the record; what became of it is in a future."""
    outbox = MemoryOutbox([a_commit("key")])
    relay = Relay(ours, outbox)
    async with bare(broker) as producer:
        broker.kill()
        broker.start()
        unread = await producer.send(TOPIC, b"value", key=b"key")  # no error
        await asyncio.wait([unread], timeout=PATIENCE_SECONDS)
        assert isinstance(unread.exception(), OutOfOrderSequenceNumber)
        assert sum((await end_offsets(broker.address, TOPIC)).values()) == 0
    with pytest.raises(PublishFailed):
        await relay._publish(await outbox.claim(limit=1))
    assert await outbox.backlog() == (1, 0)
    async with asyncio.timeout(PATIENCE_SECONDS), background(relay.sweep(), name="sweeper"):
        while await outbox.backlog() != (0, 0):
            await asyncio.sleep(POLL_SECONDS)


async def ends(work: object) -> bool:
    """Whether it ends in several times the request timeout."""
    task = asyncio.ensure_future(work)  # type: ignore[call-overload]
    done, _ = await asyncio.wait([task], timeout=DEADLINE_SECONDS)
    task.cancel()
    await asyncio.wait([task])
    return bool(done)


async def until_published(ours: Publisher) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                return await ours.publish([RECORD])
            except PublishFailed:
                await asyncio.sleep(0.1)
