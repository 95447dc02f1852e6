"""The topics themselves: that they exist, and where they end."""

import asyncio
from collections.abc import Mapping
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from libs.common.contracts.topics import TOPICS
from libs.common.kafka.clients import REQUEST_TIMEOUT_MS, broker_errors, close

ENDS_DEADLINE_SECONDS = 5.0
# A cluster's nodes learn of a new topic one after the other.
KNOWN_DEADLINE_SECONDS = 10.0
KNOWN_RETRY_SECONDS = 0.1

# noida-db sums a whole segment at each append, and writes all that it holds to a file each second.
# Who reads so late that something is gone has the board rebuilt.
EMBEDDED_CONFIG = {"segment.bytes": str(64 * 1024), "retention.bytes": str(512 * 1024)}


async def end_offsets(bootstrap: str, topic: str) -> dict[int, int]:
    """Where each partition of a topic ends now. Raises `BrokerUnavailable`."""
    # Named here, the topic is in the client's metadata: Kafka tells of no others, noida-db of all.
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, client_id=f"ends-{uuid4().hex[:8]}"
    )
    try:
        with broker_errors():
            async with asyncio.timeout(ENDS_DEADLINE_SECONDS):
                await consumer.start()
                partitions = consumer.partitions_for_topic(topic) or ()
                ends = await consumer.end_offsets([TopicPartition(topic, p) for p in partitions])
        return {tp.partition: offset for tp, offset in ends.items()}
    finally:
        await close(consumer)


async def ensure_topics(
    bootstrap: str, *, replication: int, extra: Mapping[str, str] | None = None
) -> None:
    """
    Create the topics that are missing and add partitions that are missing; safe to repeat.

    Raises aiokafka's errors, or `TimeoutError` if the cluster does not come to know its topics.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=REQUEST_TIMEOUT_MS)
    try:
        await admin.start()
        await admin.create_topics(
            [
                NewTopic(
                    t.name, t.partitions, replication, topic_configs={**t.config, **(extra or {})}
                )
                for t in TOPICS
            ]
        )
        have = await _partitions(admin)
        lacking = {
            t.name: NewPartitions(t.partitions) for t in TOPICS if have[t.name] < t.partitions
        }
        if lacking:
            await admin.create_partitions(lacking)
        if extra:  # a client may have been first, and got the topic with the broker's defaults
            await admin.alter_configs(
                [
                    ConfigResource(ConfigResourceType.TOPIC, t.name, {**t.config, **extra})
                    for t in TOPICS
                ]
            )
    finally:
        await admin.close()


async def _partitions(admin: AIOKafkaAdminClient) -> dict[str, int]:
    """How many each of our topics has, once the node that is asked knows all of them."""
    async with asyncio.timeout(KNOWN_DEADLINE_SECONDS):
        while True:
            described = await admin.describe_topics([t.name for t in TOPICS])
            have = {d["topic"]: len(d["partitions"]) for d in described}
            if all(have.values()):
                return have
            await asyncio.sleep(KNOWN_RETRY_SECONDS)
