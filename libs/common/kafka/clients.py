"""What every client of aiokafka's needs: errors in our words, and an end within a deadline."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaConnectionError, KafkaError, OffsetOutOfRangeError

from libs.common.errors import BrokerUnavailable, LogGone

REQUEST_TIMEOUT_MS = 10_000
CLOSE_DEADLINE_SECONDS = 5.0
ABANDON_DEADLINE_SECONDS = 1.0

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
    """Stop within a deadline: stop() flushes, and would wait for a dead broker for ever."""
    try:
        async with asyncio.timeout(CLOSE_DEADLINE_SECONDS):
            await client.stop()
    except Exception as error:  # noqa: BLE001 - it is being thrown away
        _log.info("kafka_client_dropped", error=type(error).__name__)
        with suppress(Exception):
            async with asyncio.timeout(ABANDON_DEADLINE_SECONDS):
                await _abandon(client)


async def _abandon(client: AIOKafkaProducer | AIOKafkaConsumer) -> None:
    """End what an interrupted stop() leaves running: it would ask for the dead broker for ever."""
    if isinstance(client, AIOKafkaProducer):
        client._message_accumulator.fail_all(KafkaConnectionError("abandoned"))
        await client._sender.close()
        await client.client.close()
        return
    if isinstance(client._coordinator, GroupCoordinator):
        await client._coordinator._stop_heartbeat_task()
    await client._fetcher.close()
    await client._client.close()
