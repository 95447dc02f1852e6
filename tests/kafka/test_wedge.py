"""
An idempotent producer of aiokafka that wedges itself, on brokers that lose nothing (K7).

While a partition has no leader, a record waits no longer than the request timeout, and takes its
sequence number with it. The broker misses that number, and refuses all that follow, for ever.
"""

import asyncio
from contextlib import AsyncExitStack

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, OutOfOrderSequenceNumber

from libs.common.errors import PublishFailed
from libs.common.kafka import Publisher, Record, end_offsets, publisher
from libs.common.kafka.clients import close
from tests.kafka.cluster import Cluster
from tests.kafka.topics import leaders, make_topic

REQUEST_TIMEOUT_MS = 2_000
PATIENCE_SECONDS = 120
ATTEMPTS = 5
RECORD = Record(b"key", b"value")


@pytest.mark.long
async def test_a_partition_without_a_leader_wedges_a_producer(
    three_nodes: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "REQUEST_TIMEOUT_MS", REQUEST_TIMEOUT_MS)
    topic = await make_topic(three_nodes.bootstrap, partitions=1)
    leader = (await leaders(three_nodes.bootstrap, topic))[0]
    alone = AIOKafkaProducer(
        bootstrap_servers=three_nodes.bootstrap,
        acks="all",
        enable_idempotence=True,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )
    ours = Publisher(three_nodes.bootstrap, topic, client_id="test")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(close, alone)
        stack.push_async_callback(ours.close)
        await alone.start()
        await alone.send_and_wait(topic, b"value")
        await ours.publish([RECORD])

        three_nodes.kill(leader)
        async with asyncio.timeout(PATIENCE_SECONDS):
            with pytest.raises(KafkaError):
                await alone.send_and_wait(topic, b"lost")
            with pytest.raises(PublishFailed):
                await ours.publish([RECORD])
        three_nodes.launch(leader)
        await three_nodes.ready(leader)

        for _ in range(ATTEMPTS):
            with pytest.raises(OutOfOrderSequenceNumber):
                await alone.send_and_wait(topic, b"refused")
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await published(ours):
                await asyncio.sleep(0.2)
    assert await end_offsets(three_nodes.bootstrap, topic) == {0: 3}


async def published(ours: Publisher) -> bool:
    try:
        await ours.publish([RECORD])
    except PublishFailed:
        return False
    return True
