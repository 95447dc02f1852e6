"""aiokafka's consumer: what it does when left alone, and that our readers stand it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.errors import CommitFailedError, IllegalStateError

from libs.common.contracts.topics import SCORE_UPDATES
from libs.common.kafka import GroupReader, Publisher, Record, readers
from libs.common.kafka.clients import close
from tests.kafka.topics import add_partitions
from tests.reading import values
from tests.servers import mortal_kafka

TOPIC = SCORE_UPDATES.name
PATIENCE_SECONDS = 30
RECORDS = 500
# As long as a rebalance of two members takes, ten times.
STUCK_SECONDS = 3.0


@pytest.fixture
def bootstrap() -> Iterator[str]:
    with mortal_kafka() as broker:
        yield broker.address


@asynccontextmanager
async def bare(
    bootstrap: str,
    member: str = "one",
    listener: ConsumerRebalanceListener | None = None,
    **options: object,
) -> AsyncIterator[AIOKafkaConsumer]:
    """A member of group `bare`."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id="bare",
        # noida-db never finishes a rebalance of two members without names.
        group_instance_id=member,
        **options,
    )
    await consumer.start()
    consumer.subscribe([TOPIC], listener=listener)
    try:
        yield consumer
    finally:
        await close(consumer)


@asynccontextmanager
async def ours(
    bootstrap: str, member: str = "one", trouble: Exception | None = None
) -> AsyncIterator[GroupReader]:
    """A member of group `ours`, that reads from the beginning."""

    async def positions(partitions: frozenset[int]) -> Mapping[int, int | None]:
        if trouble is not None:
            raise trouble
        return dict.fromkeys(partitions)

    reader = GroupReader(bootstrap, TOPIC, group="ours", member=member, positions=positions)
    await reader.open()
    try:
        yield reader
    finally:
        await reader.close()


class Raises(ConsumerRebalanceListener):  # type: ignore[misc]
    """Cannot find out where to read from."""

    async def on_partitions_revoked(self, _: object) -> None: ...

    async def on_partitions_assigned(self, _: object) -> None:
        raise LookupError


class Locks(ConsumerRebalanceListener):  # type: ignore[misc]
    """Takes the lock that is held while records are read and handled."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()

    async def on_partitions_revoked(self, _: object) -> None:
        async with self.lock:
            pass

    async def on_partitions_assigned(self, _: object) -> None: ...


async def test_defaults_that_lose_data_are_not_ours(bootstrap: str) -> None:
    """K1: offsets are committed by themselves, and an unknown place is the end."""
    careless = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    assert (careless._enable_auto_commit, careless._auto_offset_reset) == (True, "latest")
    async with ours(bootstrap) as reader:
        consumer = reader._consumer
        assert (consumer._enable_auto_commit, consumer._auto_offset_reset) == (False, "none")
    await careless.stop()


async def test_what_comes_to_a_new_partition_first_is_never_read(
    bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """K1: who begins at the end begins there in a new partition, too."""
    monkeypatch.setattr(readers, "METADATA_MAX_AGE_MS", 500)
    wanted = SCORE_UPDATES.partitions + 4
    async with bare(bootstrap) as careless, ours(bootstrap) as reader:
        await until(lambda: bool(careless.assignment()) and reader.settled, reader)
        await add_partitions(bootstrap, TOPIC, wanted)
        await publish(bootstrap, RECORDS)
        await careless._client.force_metadata_update()  # as it does every five minutes
        await until(lambda: len(careless.assignment()) == wanted)
        got = 0
        while polled := await careless.getmany(timeout_ms=1000):
            got += sum(map(len, polled.values()))
        assert got < RECORDS
        assert len(await values(reader, RECORDS)) == RECORDS


async def test_a_commit_after_a_rebalance_raises(bootstrap: str) -> None:
    """K2: the group changes in the background, while records are handled (aiokafka 929)."""
    async with bare(bootstrap) as one:
        await until(lambda: len(one.assignment()) == SCORE_UPDATES.partitions)
        handled = dict.fromkeys(one.assignment(), 1)
        async with bare(bootstrap, "two") as two:
            await until(lambda: bool(two.assignment()))
            with pytest.raises((CommitFailedError, IllegalStateError)):
                await one.commit(handled)
    async with ours(bootstrap) as first:
        await until(lambda: len(first.assigned) == SCORE_UPDATES.partitions, first)
        partitions = dict.fromkeys(first.assigned, 1)
        async with ours(bootstrap, "two") as second:
            await until(lambda: bool(second.assigned), first, second)
            await first.commit(partitions)


async def test_a_listener_that_waits_for_the_reader_stops_the_group(bootstrap: str) -> None:
    """K3: a rebalance waits for the listener, which waits for a record (aiokafka 335)."""
    listener = Locks()

    async def read(consumer: AIOKafkaConsumer) -> None:
        async with listener.lock:
            await consumer.getone()

    async with bare(bootstrap, listener=listener) as one:
        await until(lambda: bool(one.assignment()))
        reading = asyncio.ensure_future(read(one))
        await asyncio.sleep(0)
        async with bare(bootstrap, "two") as two:
            await asyncio.sleep(STUCK_SECONDS)
            assert not two.assignment()
            reading.cancel()
            await asyncio.wait([reading])
    async with ours(bootstrap) as first, ours(bootstrap, "two") as second:
        await until(lambda: bool(first.assigned and second.assigned), first, second)


async def test_what_a_listener_raises_is_swallowed(
    bootstrap: str, caplog: pytest.LogCaptureFixture
) -> None:
    """K4: reading goes on, from wherever the group committed."""
    caplog.set_level(logging.ERROR, "aiokafka")  # our services have no ear for it
    await publish(bootstrap, 10)
    async with bare(bootstrap, listener=Raises(), auto_offset_reset="earliest") as careless:
        await until(lambda: bool(careless.assignment()))
        assert await careless.getmany(timeout_ms=1000)
    assert "LookupError" in caplog.text
    async with ours(bootstrap, trouble=LookupError()) as reader:
        with pytest.raises(LookupError):
            await values(reader, 1)


async def publish(bootstrap: str, count: int) -> None:
    publisher = Publisher(bootstrap, TOPIC, client_id="test")
    await publisher.publish([Record(b"key-%d" % n, b"%d" % n) for n in range(count)])
    await publisher.close()


async def until(holds: Callable[[], bool], *reading: GroupReader) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():
            for reader in reading:
                await reader.read(max_records=500, timeout_ms=20)
            await asyncio.sleep(0.02)
