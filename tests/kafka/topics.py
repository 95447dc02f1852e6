"""Topics of a test's own, and who leads them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.errors import KafkaError

KNOWN_SECONDS = 30
POLL_SECONDS = 0.1


async def make_topic(
    bootstrap: str, *, partitions: int = 3, replication: int = 1, **config: str
) -> str:
    """The name of a new topic that has leaders; in `config` underscores stand for dots."""
    name = f"t-{uuid4().hex[:8]}"
    settings = {key.replace("_", "."): value for key, value in config.items()}
    async with _admin(bootstrap) as admin:
        await admin.create_topics([NewTopic(name, partitions, replication, topic_configs=settings)])
    async with asyncio.timeout(KNOWN_SECONDS):
        while -1 in (await leaders(bootstrap, name)).values():
            await asyncio.sleep(POLL_SECONDS)
    return name


async def add_partitions(bootstrap: str, topic: str, total: int) -> None:
    async with _admin(bootstrap) as admin:
        await admin.create_partitions({topic: NewPartitions(total)})


async def leaders(bootstrap: str, topic: str) -> dict[int, int]:
    """The leading node of each partition; -1 where there is none."""
    return {number: found["leader"] for number, found in (await _of(bootstrap, topic)).items()}


async def in_sync(bootstrap: str, topic: str) -> dict[int, set[int]]:
    """The nodes that hold all of a partition, by partition."""
    return {number: set(found["isr"]) for number, found in (await _of(bootstrap, topic)).items()}


async def _of(bootstrap: str, topic: str) -> dict[int, dict[str, Any]]:
    """A topic's partitions, as a node says that is up, and has heard of the topic."""
    async with asyncio.timeout(KNOWN_SECONDS):
        while True:
            try:
                async with _admin(bootstrap) as admin:
                    (described,) = await admin.describe_topics([topic])
            except KafkaError:
                described = {"partitions": []}
            if described["partitions"]:
                return {partition["partition"]: partition for partition in described["partitions"]}
            await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def _admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()
