"""A cluster's nodes learn of a new topic one after the other; whoever is asked may not know yet."""

from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from libs.common.contracts.topics import TOPICS
from libs.common.kafka import end_offsets, ensure_topics
from tests.servers import mortal_kafka


async def test_topics_that_the_node_does_not_know_yet_are_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seen on three nodes: with no partitions known, more were wanted, and refused."""
    describe = AIOKafkaAdminClient.describe_topics
    asked: list[list[str]] = []

    async def behind(self: AIOKafkaAdminClient, topics: list[str]) -> list[dict[str, Any]]:
        asked.append(topics)
        found: list[dict[str, Any]] = await describe(self, topics)
        return [{**topic, "partitions": []} for topic in found] if len(asked) < 3 else found

    with mortal_kafka() as broker:
        monkeypatch.setattr(AIOKafkaAdminClient, "describe_topics", behind)
        await ensure_topics(broker.address, replication=1)
        assert len(asked) == 3
        for topic in TOPICS:
            assert len(await end_offsets(broker.address, topic.name)) == topic.partitions
