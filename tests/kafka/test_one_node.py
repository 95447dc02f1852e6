"""One broker of Apache Kafka, which dies, stops, freezes and comes back with its data."""

import asyncio
from collections.abc import Callable, Mapping

import pytest

from libs.common.contracts.topics import TOPICS
from libs.common.kafka import GroupReader, Publisher, Record, end_offsets, ensure_topics, readers
from tests.kafka.cluster import Cluster
from tests.kafka.topics import add_partitions, make_topic
from tests.kafka.traffic import traffic
from tests.reading import values

PATIENCE_SECONDS = 120
FROZEN_SECONDS = 5
AWAY_SECONDS = 60


async def test_the_topics_are_as_the_table_says(one_node: Cluster) -> None:
    await ensure_topics(one_node.bootstrap, replication=1)  # again
    for topic in TOPICS:
        assert len(await end_offsets(one_node.bootstrap, topic.name)) == topic.partitions


async def test_what_is_acknowledged_is_in_the_log_once_and_in_order(one_node: Cluster) -> None:
    topic = await make_topic(one_node.bootstrap)
    publisher = Publisher(one_node.bootstrap, topic, client_id="test")
    for group in range(20):
        await publisher.publish([Record(b"same", b"%d" % (50 * group + n)) for n in range(50)])
    await publisher.close()
    assert sum((await end_offsets(one_node.bootstrap, topic)).values()) == 1000
    reader = member(one_node, topic)
    await reader.open()
    assert await values(reader, 1000) == [b"%d" % n for n in range(1000)]
    await reader.close()


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(Cluster.kill, id="killed"),
        pytest.param(Cluster.stop, id="stopped", marks=pytest.mark.long),
    ],
)
async def test_acknowledged_records_survive_the_broker(
    one_node: Cluster, end: Callable[[Cluster, int], None]
) -> None:
    topic = await make_topic(one_node.bootstrap)
    async with traffic(one_node.bootstrap, topic) as load:
        end(one_node, 1)
        one_node.launch(1)
        await one_node.ready(1)
        await load.more()
        await load.check()


@pytest.mark.long
async def test_a_broker_that_freezes_loses_nothing(one_node: Cluster) -> None:
    topic = await make_topic(one_node.bootstrap)
    async with traffic(one_node.bootstrap, topic) as load:
        one_node.freeze(1)
        await asyncio.sleep(FROZEN_SECONDS)
        one_node.thaw(1)
        await load.more()
        await load.check()


@pytest.mark.long
@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "dead"])
async def test_a_broker_may_be_away_for_a_minute(one_node: Cluster, *, frozen: bool) -> None:
    """Longer than any request, batch or session lives."""
    topic = await make_topic(one_node.bootstrap)
    async with traffic(one_node.bootstrap, topic) as load:
        (one_node.freeze if frozen else one_node.kill)(1)
        await asyncio.sleep(AWAY_SECONDS)
        if frozen:
            one_node.thaw(1)
        else:
            one_node.launch(1)
            await one_node.ready(1)
        await load.more()
        await load.check()
        assert load.refused, "a publication that takes a minute was reported as failed"


async def test_a_replica_that_restarts_under_its_name_moves_no_partition(one_node: Cluster) -> None:
    topic = await make_topic(one_node.bootstrap, partitions=4)
    one, two = member(one_node, topic, "one"), member(one_node, topic, "two")
    await one.open()
    await two.open()
    await until(lambda: len(one.assigned) == len(two.assigned) == 2, one, two)
    before = one.assigned, two.assigned
    await two.close()
    again = member(one_node, topic, "two")
    await again.open()
    await until(lambda: again.settled, one, again)
    assert (one.assigned, again.assigned) == before
    assert one.settled, "the group formed anew"
    await one.close()
    await again.close()


async def test_a_zombie_is_told_and_moves_no_offset(one_node: Cluster) -> None:
    topic = await make_topic(one_node.bootstrap, partitions=1)
    zombie = member(one_node, topic, "one")
    await zombie.open()
    await until(lambda: zombie.settled, zombie)
    successor = member(one_node, topic, "one")
    await successor.open()
    await until(lambda: successor.settled, successor)
    await successor.commit({0: 0})
    await zombie.commit({0: 7})
    (partition,) = successor._consumer.assignment()
    assert await successor._consumer.committed(partition) == 0
    await zombie.close()
    await successor.close()


async def test_partitions_that_are_added_are_read_from_their_beginning(
    one_node: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "METADATA_MAX_AGE_MS", 500)
    topic = await make_topic(one_node.bootstrap, partitions=2)
    async with traffic(one_node.bootstrap, topic) as load:
        await add_partitions(one_node.bootstrap, topic, 6)
        late = Publisher(one_node.bootstrap, topic, client_id="test")
        await late.publish([Record(b"key-%d" % n, b"0") for n in range(20)])
        await late.close()
        await load.more()
        await load.check()
        assert len(load.partitions) > 2


def member(kafka: Cluster, topic: str, name: str = "one") -> GroupReader:
    async def from_the_beginning(partitions: frozenset[int]) -> Mapping[int, int | None]:
        return dict.fromkeys(partitions)

    return GroupReader(
        kafka.bootstrap, topic, group=f"of-{topic}", member=name, positions=from_the_beginning
    )


async def until(holds: Callable[[], bool], *reading: GroupReader) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():
            for reader in reading:
                await reader.read(max_records=10, timeout_ms=50)
