"""A member of a group while the group changes around it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from uuid import uuid4

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError

from libs.common.contracts.topics import SCORE_UPDATES
from libs.common.errors import BrokerUnavailable
from libs.common.kafka import GroupReader, Publisher, Record, end_offsets, readers
from tests.reading import values
from tests.servers import mortal_kafka

PATIENCE_SECONDS = 15
TOPIC = SCORE_UPDATES.name


class State:
    """Where to read from, as a board would keep it; may be slow to say so."""

    def __init__(self, ends: Mapping[int, int]) -> None:
        self.at: dict[int, int] = dict(ends)
        self.seconds = 0.0

    async def positions(self, partitions: frozenset[int]) -> Mapping[int, int | None]:
        known = {partition: self.at.get(partition) for partition in partitions}
        await asyncio.sleep(self.seconds)
        return known


@pytest.fixture
async def publisher(kafka_bootstrap: str) -> AsyncIterator[Publisher]:
    publisher = Publisher(kafka_bootstrap, TOPIC, client_id="test")
    yield publisher
    await publisher.close()


def member(bootstrap: str, group: str, state: State, name: str = "one") -> GroupReader:
    return GroupReader(bootstrap, TOPIC, group=group, member=name, positions=state.positions)


def records(count: int, tag: str = "r") -> list[Record]:
    return [Record(b"key-%d" % n, f"{tag}-{n}".encode()) for n in range(count)]


async def until_assigned(reader: GroupReader) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not reader.assigned:
            assert await reader.read(max_records=10, timeout_ms=50) == []


async def test_the_ends_name_every_partition(kafka_bootstrap: str) -> None:
    ends = await end_offsets(kafka_bootstrap, TOPIC)
    assert set(range(SCORE_UPDATES.partitions)) <= set(ends)


async def test_nothing_is_read_from_where_the_group_committed(
    kafka_bootstrap: str, publisher: Publisher
) -> None:
    group = uuid4().hex
    state = State(await end_offsets(kafka_bootstrap, TOPIC))
    reader = member(kafka_bootstrap, group, state)
    await reader.open()
    await until_assigned(reader)
    await reader.commit(state.at)
    await reader.close()
    await publisher.publish(records(60))
    state.at = dict(await end_offsets(kafka_bootstrap, TOPIC))
    state.seconds = 0.5  # the group's coordinator is faster than the state
    reader = member(kafka_bootstrap, group, state)
    await reader.open()
    await until_assigned(reader)
    for _ in range(10):
        assert await reader.read(max_records=500, timeout_ms=100) == []
    await publisher.publish(records(1, "new"))
    assert await values(reader, 1) == [b"new-0"]
    await reader.close()


async def test_a_state_that_knows_no_offset_yet_is_no_trouble(
    kafka_bootstrap: str, publisher: Publisher
) -> None:
    await publisher.publish(records(60))
    everything = sum((await end_offsets(kafka_bootstrap, TOPIC)).values())
    state = State({})
    state.seconds = 0.5
    reader = member(kafka_bootstrap, uuid4().hex, state)
    await reader.open()
    assert len(await values(reader, everything)) == everything
    await reader.close()


async def test_only_what_is_assigned_is_committed(
    kafka_bootstrap: str, publisher: Publisher
) -> None:
    group = uuid4().hex
    state = State(await end_offsets(kafka_bootstrap, TOPIC))
    one = member(kafka_bootstrap, group, state)
    await one.open()
    await until_assigned(one)
    before = one.assigned
    await one.commit(state.at)
    two = member(kafka_bootstrap, group, state, "two")
    await two.open()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (two.assigned and one.assigned and one.assigned < before):
            await asyncio.gather(*(r.read(max_records=10, timeout_ms=20) for r in (one, two)))
    old = state.at
    await one.commit({partition: offset + 1 for partition, offset in old.items()})
    for reader, behind in ((one, 1), (two, 0)):
        for partition in reader.assigned:
            known = await reader._consumer.committed(TopicPartition(TOPIC, partition))
            assert known == old[partition] + behind
    await one.close()
    await two.close()


async def test_a_commit_of_one_who_is_no_member_any_more_is_no_error(kafka_bootstrap: str) -> None:
    group = uuid4().hex
    state = State(await end_offsets(kafka_bootstrap, TOPIC))
    one = member(kafka_bootstrap, group, state)
    await one.open()
    await until_assigned(one)
    successor = member(kafka_bootstrap, group, state)  # of the same name, as after a restart
    await successor.open()
    await until_assigned(successor)
    await one.commit(state.at)
    await one.close()
    await successor.close()


async def test_a_member_that_cannot_fetch_closes_in_peace(kafka_bootstrap: str) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise KafkaConnectionError

    reader = member(kafka_bootstrap, uuid4().hex, State(await end_offsets(kafka_bootstrap, TOPIC)))
    await reader.open()
    await until_assigned(reader)
    reader._consumer._client.send = broken
    await asyncio.sleep(0.3)  # its fetcher fails and waits, again and again
    await reader.close()
    assert not any(c.connected() for c in reader._consumer._client._conns.values())


async def test_a_commit_ends_when_the_broker_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "COMMIT_DEADLINE_SECONDS", 0.5)
    with mortal_kafka() as broker:
        state = State(await end_offsets(broker.address, TOPIC))
        reader = member(broker.address, "g", state)
        await reader.open()
        await until_assigned(reader)
        broker.kill()
        async with asyncio.timeout(PATIENCE_SECONDS):
            closing = asyncio.gather(reader.commit(state.at), reader.close())
            await reader.commit(state.at)
            await closing
        broker.start()


@pytest.mark.parametrize("watched", [True, False], ids=["by-the-leader", "by-nobody"])
async def test_partitions_that_are_added_are_read_from_their_beginning(
    monkeypatch: pytest.MonkeyPatch, *, watched: bool
) -> None:
    """
    In Kafka nobody watches the topic once a static leader was restarted: it takes itself for a
    follower (KIP-814), and only leaders of aiokafka's watch.
    """
    monkeypatch.setattr(readers, "METADATA_MAX_AGE_MS", 500)
    with mortal_kafka() as broker:
        state = State(await end_offsets(broker.address, TOPIC))
        reader = member(broker.address, "g", state)
        await reader.open()
        await until_assigned(reader)
        if not watched:
            reader._consumer._coordinator._group_subscription = None
        wanted = SCORE_UPDATES.partitions + 4
        await add_partitions(broker.address, wanted)
        publisher = Publisher(broker.address, TOPIC, client_id="test")
        await publisher.publish(records(500))
        got: list[int] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(got) < 500:
                messages = await reader.read(max_records=500, timeout_ms=100)
                got += [m.partition for m in messages]
                state.at.update({m.partition: m.offset + 1 for m in messages})
        assert set(got) == reader.assigned == set(range(wanted))
        await publisher.close()
        await reader.close()


async def add_partitions(bootstrap: str, total: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_partitions({TOPIC: NewPartitions(total)})
    await admin.close()


async def test_a_broker_that_fails_while_the_group_forms_is_told_in_our_words(
    kafka_bootstrap: str,
) -> None:
    async def fails(_: object) -> None:
        raise KafkaTimeoutError

    reader = member(kafka_bootstrap, uuid4().hex, State({}))
    reader._consumer.beginning_offsets = fails
    await reader.open()
    with pytest.raises(BrokerUnavailable):
        await values(reader, 1)
    await reader.close()
