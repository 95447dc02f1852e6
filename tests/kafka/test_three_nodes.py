"""Three nodes of Apache Kafka, of which some die or freeze; two copies make an acknowledgement."""

import asyncio

import pytest

from libs.common.contracts.topics import TOPICS
from libs.common.errors import PublishFailed
from libs.common.kafka import Publisher, Record, end_offsets, publisher
from tests.kafka.cluster import Cluster
from tests.kafka.topics import in_sync, leaders, make_topic
from tests.kafka.traffic import traffic

PATIENCE_SECONDS = 120
FROZEN_SECONDS = 20
SHORT_DEADLINE_SECONDS = 5.0
NODES = (1, 2, 3)


async def test_every_topic_is_kept_three_times(three_nodes: Cluster) -> None:
    for topic in TOPICS:
        assert set(await in_sync(three_nodes.bootstrap, topic.name)) == set(range(topic.partitions))
        await until_in_sync(three_nodes, topic.name, 3)


async def test_the_death_of_a_leader_loses_nothing(three_nodes: Cluster) -> None:
    topic = await make_topic(three_nodes.bootstrap, replication=3)
    async with traffic(three_nodes.bootstrap, topic) as load:
        dead = await leader(three_nodes, topic)
        three_nodes.kill(dead)
        await load.more()
        assert dead not in (await leaders(three_nodes.bootstrap, topic)).values()
        await load.check()
    await bring_back(three_nodes, dead, topic)


@pytest.mark.long
async def test_a_leader_that_freezes_and_thaws_loses_nothing(three_nodes: Cluster) -> None:
    """It takes itself for the leader still, when it wakes."""
    topic = await make_topic(three_nodes.bootstrap, replication=3)
    async with traffic(three_nodes.bootstrap, topic) as load:
        frozen = await leader(three_nodes, topic)
        three_nodes.freeze(frozen)
        await asyncio.sleep(FROZEN_SECONDS)
        three_nodes.thaw(frozen)
        await load.more()
        await load.check()
    await until_in_sync(three_nodes, topic, 3)


@pytest.mark.long
async def test_nodes_that_restart_one_after_the_other_lose_nothing(three_nodes: Cluster) -> None:
    topic = await make_topic(three_nodes.bootstrap, replication=3)
    async with traffic(three_nodes.bootstrap, topic) as load:
        for number in NODES:
            await asyncio.to_thread(three_nodes.stop, number)
            await bring_back(three_nodes, number, topic)
            await load.more()
        await load.check()


@pytest.mark.long
async def test_without_a_majority_nothing_is_promised_and_nothing_is_lost(
    three_nodes: Cluster,
) -> None:
    topic = await make_topic(three_nodes.bootstrap, replication=3)
    async with traffic(three_nodes.bootstrap, topic) as load:
        three_nodes.kill(1)
        three_nodes.kill(2)
        await asyncio.sleep(FROZEN_SECONDS)
        three_nodes.launch(1)
        three_nodes.launch(2)
        await three_nodes.ready(1)
        await three_nodes.ready(2)
        await load.more()
        await load.check()
    await until_in_sync(three_nodes, topic, 3)


@pytest.mark.long
async def test_with_too_few_copies_nothing_is_acknowledged(
    three_nodes: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiokafka repeats a refusal for want of copies in silence, and for ever (K9)."""
    topic = await make_topic(three_nodes.bootstrap, partitions=1, replication=2)
    (copies,) = (await in_sync(three_nodes.bootstrap, topic)).values()
    lost = next(iter(copies - {await leader(three_nodes, topic)}))
    writer = Publisher(three_nodes.bootstrap, topic, client_id="test")
    await writer.publish([Record(b"k", b"before")])
    three_nodes.kill(lost)
    monkeypatch.setattr(publisher, "ACK_DEADLINE_SECONDS", SHORT_DEADLINE_SECONDS)
    await until_in_sync(three_nodes, topic, 1)
    with pytest.raises(PublishFailed):
        await writer.publish([Record(b"k", b"refused")])
    assert await end_offsets(three_nodes.bootstrap, topic) == {0: 1}
    await bring_back(three_nodes, lost, topic, copies=2)
    await writer.publish([Record(b"k", b"after")])
    await writer.close()


async def leader(kafka: Cluster, topic: str) -> int:
    """The node that leads the first partition."""
    return (await leaders(kafka.bootstrap, topic))[0]


async def bring_back(kafka: Cluster, number: int, topic: str, *, copies: int = 3) -> None:
    kafka.launch(number)
    await kafka.ready(number)
    await until_in_sync(kafka, topic, copies)


async def until_in_sync(kafka: Cluster, topic: str, copies: int) -> None:
    """Wait until so many nodes hold all of every partition."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while {len(nodes) for nodes in (await in_sync(kafka.bootstrap, topic)).values()} != {
            copies
        }:
            await asyncio.sleep(0.2)
