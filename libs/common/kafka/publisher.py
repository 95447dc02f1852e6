"""Writing to a topic."""

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import NamedTuple

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from libs.common import metrics
from libs.common.errors import PublishFailed
from libs.common.kafka.clients import REQUEST_TIMEOUT_MS, close

ACK_DEADLINE_SECONDS = 30.0
# Callers bring whole groups; a wait for more would only delay the first.
LINGER_MS = 0

_log = structlog.get_logger()


class Record(NamedTuple):
    """What is written."""

    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


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
                acks = [
                    await producer.send(
                        self._topic, record.value, key=record.key, headers=list(record.headers)
                    )
                    for record in records
                ]
                await asyncio.gather(*acks)
        except (KafkaError, TimeoutError, OSError) as error:
            await self._replace(producer)
            raise PublishFailed(f"{self._topic}: {type(error).__name__}") from error
        metrics.PRODUCE_SECONDS.labels(self._topic).observe(perf_counter() - started)

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await close(producer)

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
