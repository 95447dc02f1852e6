"""What every client of aiokafka's needs: errors in our words, and an end within a deadline."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from libs.common.errors import BrokerUnavailable, LogGone

REQUEST_TIMEOUT_MS = 10_000
CLOSE_DEADLINE_SECONDS = 5.0
END_DEADLINE_SECONDS = 1.0

_log = structlog.get_logger()


@contextmanager
def broker_errors() -> Iterator[None]:
    """aiokafka's errors in our words."""
    try:
        yield
    except OffsetOutOfRangeError as error:
        raise LogGone(str(error)) from error
    except (KafkaError, OSError, TimeoutError) as error:
        raise BrokerUnavailable(type(error).__name__) from error


async def close(client: AIOKafkaProducer | AIOKafkaConsumer) -> None:
    """
    Flush or leave the group within a deadline, then end, whatever the broker does.

    aiokafka's own stop() waits for a dead broker for ever; interrupted, it leaves tasks behind that
    go on asking for it.
    """
    produces = isinstance(client, AIOKafkaProducer)
    try:
        async with asyncio.timeout(CLOSE_DEADLINE_SECONDS):
            await (client.flush() if produces else client.stop())
    except Exception as error:  # noqa: BLE001 - it is being thrown away
        _log.info("kafka_client_dropped", error=type(error).__name__)
    with suppress(Exception):
        async with asyncio.timeout(END_DEADLINE_SECONDS):
            await (_end_producer(client) if produces else _end_consumer(client))


async def _end_producer(producer: AIOKafkaProducer) -> None:
    producer._closed = True
    await producer._sender.close()
    await producer.client.close()


async def _end_consumer(consumer: AIOKafkaConsumer) -> None:
    if isinstance(consumer._coordinator, GroupCoordinator):
        await consumer._coordinator._stop_heartbeat_task()
    if consumer._fetcher is not None:
        await consumer._fetcher.close()
    await consumer._client.close()
