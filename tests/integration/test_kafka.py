"""The door to Kafka while its broker dies and comes back knowing nothing."""

import asyncio
from collections.abc import Iterator, Mapping

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from libs.common.contracts.topics import LEADERBOARD_UPDATED, SCORE_UPDATES
from libs.common.errors import BrokerTrouble, LogGone, PublishFailed
from libs.common.kafka import BroadcastReader, GroupReader, Publisher, Record, end_offsets
from libs.common.kafka.publisher import partition_of
from tests.reading import values
from tests.servers import Broker, mortal_kafka

PATIENCE_SECONDS = 20


@pytest.fixture
def broker() -> Iterator[Broker]:
    with mortal_kafka() as broker:
        yield broker


def records(count: int) -> list[Record]:
    return [Record(b"key-%d" % n, b"value-%d" % n) for n in range(count)]


async def test_a_publisher_recovers_from_a_broker_that_forgot_it(broker: Broker) -> None:
    publisher = Publisher(broker.address, SCORE_UPDATES.name, client_id="test")
    await publisher.publish(records(50))
    broker.kill()
    broker.start()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                await publisher.publish(records(50))
                break
            except PublishFailed:
                await asyncio.sleep(0.1)
    assert sum((await end_offsets(broker.address, SCORE_UPDATES.name)).values()) >= 50
    await publisher.close()


async def test_a_group_larger_than_a_batch_arrives_whole_and_in_order(broker: Broker) -> None:
    publisher = Publisher(broker.address, SCORE_UPDATES.name, client_id="test")
    sent = [b"%06d" % n + bytes(500) for n in range(200)]  # some 100 kB, for batches of 16

    async def positions(partitions: frozenset[int]) -> Mapping[int, int | None]:
        return dict.fromkeys(partitions)

    reader = GroupReader(
        broker.address, SCORE_UPDATES.name, group="g", member="m", positions=positions
    )
    await publisher.publish([Record(b"key", value) for value in sent])
    await reader.open()
    assert await values(reader, len(sent)) == sent
    await reader.close()
    await publisher.close()


@given(st.binary(max_size=40), st.integers(1, 50))
def test_a_key_goes_where_kafkas_own_clients_put_it(key: bytes, count: int) -> None:
    partitions = list(range(count))
    assert partition_of(key, count) == DefaultPartitioner()(key, partitions, partitions)


async def test_a_group_member_notices_that_the_log_is_gone(broker: Broker) -> None:
    publisher = Publisher(broker.address, SCORE_UPDATES.name, client_id="test")
    await publisher.publish(records(50))
    ends = await end_offsets(broker.address, SCORE_UPDATES.name)

    async def positions(partitions: frozenset[int]) -> Mapping[int, int | None]:
        return {partition: ends[partition] for partition in partitions}

    reader = GroupReader(
        broker.address, SCORE_UPDATES.name, group="g", member="m", positions=positions
    )
    await reader.open()
    while not reader.assigned:
        await reader.read(max_records=10, timeout_ms=50)
    assert await reader.lag() == 0
    broker.kill()
    broker.start()
    with pytest.raises(LogGone):
        await read_until_it_fails(reader)
    await reader.close()
    await publisher.close()


async def test_the_lag_notices_it_too_without_a_fetch(broker: Broker) -> None:
    publisher = Publisher(broker.address, SCORE_UPDATES.name, client_id="test")
    await publisher.publish(records(50))
    ends = await end_offsets(broker.address, SCORE_UPDATES.name)

    async def positions(partitions: frozenset[int]) -> Mapping[int, int | None]:
        return {partition: ends[partition] + 5 for partition in partitions}

    reader = GroupReader(
        broker.address, SCORE_UPDATES.name, group="g", member="m", positions=positions
    )
    await reader.open()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not reader.assigned:
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.1)  # the positions are sought right after the assignment
    with pytest.raises(LogGone):
        await reader.lag()
    await reader.close()
    await publisher.close()


async def test_a_group_member_reads_from_where_the_state_says(broker: Broker) -> None:
    publisher = Publisher(broker.address, SCORE_UPDATES.name, client_id="test")
    await publisher.publish([Record(b"same key", b"%d" % n) for n in range(10)])
    ends = await end_offsets(broker.address, SCORE_UPDATES.name)
    (partition,) = [number for number, end in ends.items() if end]
    wanted: dict[int, int | None] = {partition: 7}

    async def positions(partitions: frozenset[int]) -> Mapping[int, int | None]:
        return {number: wanted.get(number) for number in partitions}

    reader = GroupReader(
        broker.address, SCORE_UPDATES.name, group="g", member="m", positions=positions
    )
    await reader.open()
    assert await values(reader, 3) == [b"7", b"8", b"9"]
    wanted[partition] = 9
    await reader.locate()
    assert await values(reader, 1) == [b"9"]
    wanted[partition] = None
    await reader.locate()
    assert (await values(reader, 10))[0] == b"0"
    await reader.close()
    await publisher.close()


async def read_until_it_fails(reader: GroupReader) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            await reader.read(max_records=10, timeout_ms=50)


async def test_what_positions_raises_reaches_the_reader(broker: Broker) -> None:
    class NoBoard(Exception):
        pass

    async def positions(partitions: frozenset[int]) -> Mapping[int, int | None]:
        raise NoBoard

    reader = GroupReader(
        broker.address, SCORE_UPDATES.name, group="g", member="m", positions=positions
    )
    await reader.open()
    with pytest.raises(NoBoard):
        await read_until_it_fails(reader)
    await reader.close()


async def test_a_broadcast_begins_with_the_newest_record(broker: Broker) -> None:
    publisher = Publisher(broker.address, LEADERBOARD_UPDATED.name, client_id="test")
    await publisher.publish(records(3))
    reader = BroadcastReader(broker.address, LEADERBOARD_UPDATED.name, client_id="test")
    await reader.open(partitions=1)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (heard := await reader.read(max_records=10, timeout_ms=100)):
            pass
    assert [message.value for message in heard] == [b"value-2"]
    await reader.close()
    await publisher.close()


async def test_without_a_broker_every_call_says_so() -> None:
    publisher = Publisher("127.0.0.1:1", SCORE_UPDATES.name, client_id="test")
    with pytest.raises(PublishFailed):
        await publisher.publish(records(1))
    with pytest.raises(BrokerTrouble):
        await end_offsets("127.0.0.1:1", SCORE_UPDATES.name)
    await publisher.close()
