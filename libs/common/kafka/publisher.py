"""Writing to a topic."""

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from time import perf_counter
from typing import NamedTuple

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder

from libs.common import metrics
from libs.common.errors import PublishFailed
from libs.common.kafka.clients import REQUEST_TIMEOUT_MS, close

ACK_DEADLINE_SECONDS = 30.0
# Callers bring whole groups; a wait for more would only delay the first.
LINGER_MS = 0
CACHED_KEYS = 100_000

_log = structlog.get_logger()


class Record(NamedTuple):
    """What is written."""

    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


@lru_cache(CACHED_KEYS)
def _hash(key: bytes) -> int:
    return int(murmur2(key)) & 0x7FFFFFFF


def partition_of(key: bytes, partitions: int) -> int:
    """
    Where Kafka's own clients put a key, too; its hash is remembered, being slow Python in aiokafka.
    """
    return _hash(key) % partitions


class Publisher:
    """
    Writes to one topic with `acks=all`.

    A producer that fails is thrown away, not trusted again: after a broker lost its memory an
    idempotent producer answers `OutOfOrderSequenceNumber` for ever (aiokafka 1017).
    """

    def __init__(self, bootstrap: str, topic: str, *, client_id: str) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._client_id = client_id
        self._producer: AIOKafkaProducer | None = None
        self._opening = asyncio.Lock()

    async def publish(self, records: Sequence[Record]) -> None:
        """Return when every record is acknowledged. Raises `PublishFailed`."""
        started = perf_counter()
        producer: AIOKafkaProducer | None = None
        try:
            async with asyncio.timeout(ACK_DEADLINE_SECONDS):
                producer = await self._open()
                await asyncio.gather(*await self._send(producer, records))
        except (KafkaError, TimeoutError, OSError) as error:
            await self._replace(producer)
            raise PublishFailed(f"{self._topic}: {type(error).__name__}") from error
        metrics.PRODUCE_SECONDS.labels(self._topic).observe(perf_counter() - started)

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await close(producer)

    async def _send(
        self, producer: AIOKafkaProducer, records: Sequence[Record]
    ) -> list[asyncio.Future[object]]:
        """By the batch of a partition: a future per record costs more than the record."""
        partitions = len(await producer.partitions_for(self._topic))
        batches: dict[int, BatchBuilder] = {}
        acks = []
        for key, value, headers in records:
            number = partition_of(key, partitions)
            record = {"timestamp": None, "key": key, "value": value, "headers": list(headers)}
            batch = batches.get(number)
            if batch is not None and batch.append(**record) is not None:
                continue
            if batch is not None:  # it is full
                acks.append(await producer.send_batch(batch, self._topic, partition=number))
            batches[number] = producer.create_batch()
            batches[number].append(**record)
        for number, batch in batches.items():
            acks.append(await producer.send_batch(batch, self._topic, partition=number))
        return acks

    async def _open(self) -> AIOKafkaProducer:
        async with self._opening:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap,
                    client_id=self._client_id,
                    acks="all",
                    enable_idempotence=True,
                    linger_ms=LINGER_MS,
                    request_timeout_ms=REQUEST_TIMEOUT_MS,
                )
                try:
                    await producer.start()
                except BaseException:
                    await close(producer)
                    raise
                self._producer = producer
            return self._producer

    async def _replace(self, producer: AIOKafkaProducer | None) -> None:
        if producer is None or self._producer is not producer:
            return  # another failure has replaced it already
        self._producer = None
        metrics.PRODUCERS_REPLACED.labels(self._topic).inc()
        _log.warning("producer_replaced", topic=self._topic)
        await close(producer)
