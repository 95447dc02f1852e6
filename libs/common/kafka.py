"""
The one door to Kafka.

Delivery is at least once, in both directions: what is written may be written again, what is read
may be read again. That is enough, because events carry states with versions (`contracts`).

aiokafka's defaults lose data (`acks=1`, auto-commit, reset to latest): every one is set here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import NamedTuple
from uuid import uuid4

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    OffsetOutOfRangeError,
)

from libs.common import metrics
from libs.common.contracts.topics import TOPICS
from libs.common.errors import BrokerUnavailable, LogGone, PublishFailed

ACK_DEADLINE_SECONDS = 30.0
CLOSE_DEADLINE_SECONDS = 5.0
REQUEST_TIMEOUT_MS = 10_000
LINGER_MS = 2
FETCH_MAX_WAIT_MS = 50
SESSION_TIMEOUT_MS = 15_000
HEARTBEAT_MS = 3_000

# noida-db sums a whole segment at each append; small segments keep that cheap.
EMBEDDED_SEGMENT_BYTES = 1024 * 1024

_log = structlog.get_logger()


class Record(NamedTuple):
    """What is written."""

    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """What is read; `value` is None for a tombstone."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = field(default=())


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

    async def check(self) -> None:
        """Raise unless the brokers answer."""
        async with self._opening:
            producer = self._producer
        if producer is None:
            producer = await self._open()
        await producer.client.fetch_all_metadata()

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await _close(producer)

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
                    await _close(producer)
                    raise
                self._producer = producer
            return self._producer

    async def _replace(self, producer: AIOKafkaProducer | None) -> None:
        if producer is None or self._producer is not producer:
            return  # another failure has replaced it already
        self._producer = None
        metrics.PRODUCERS_REPLACED.labels(self._topic).inc()
        _log.warning("producer_replaced", topic=self._topic)
        await _close(producer)


@contextmanager
def _broker_errors() -> Iterator[None]:
    """aiokafka's errors in our words."""
    try:
        yield
    except OffsetOutOfRangeError as error:
        raise LogGone(str(error)) from error
    except (KafkaError, OSError, TimeoutError) as error:
        raise BrokerUnavailable(type(error).__name__) from error


Positions = Callable[[frozenset[int]], Awaitable[Mapping[int, int | None]]]
"""Where to read each partition from: an offset, or None for the beginning."""


class GroupReader:
    """
    One member of a consumer group on one topic.

    Reads from where the state says (`positions`), not from where the group committed: an offset
    kept beside the state it led to cannot disagree with it. Commits only show the lag.
    """

    def __init__(
        self, bootstrap: str, topic: str, *, group: str, member: str, positions: Positions
    ) -> None:
        self._topic = topic
        self._positions = positions
        self._failure: Exception | None = None
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            client_id=member,
            group_id=group,
            group_instance_id=member,
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=FETCH_MAX_WAIT_MS,
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            metadata_max_age_ms=30_000,
        )

    async def open(self) -> None:
        """Join the group. Raises `BrokerUnavailable`."""
        with _broker_errors():
            await self._consumer.start()
        self._consumer.subscribe([self._topic], listener=_Assigned(self))

    async def close(self) -> None:
        await _close(self._consumer)

    @property
    def assigned(self) -> frozenset[int]:
        return frozenset(tp.partition for tp in self._consumer.assignment())

    async def read(self, *, max_records: int, timeout_ms: int) -> list[Message]:
        """
        What has come, in order within a partition. Raises `LogGone`, `BrokerUnavailable`, or what
        `positions` raised when partitions were assigned.
        """
        polled: Mapping[TopicPartition, Sequence[object]] = {}
        try:
            with _broker_errors():
                polled = await self._consumer.getmany(
                    timeout_ms=timeout_ms, max_records=max_records
                )
        except BrokerUnavailable:
            if self._failure is None:
                raise
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        return [_message(record) for records in polled.values() for record in records]

    async def locate(self) -> None:
        """Go to where the state says, on every assigned partition. Raises what `positions` does."""
        with _broker_errors():
            await self._locate(self._consumer.assignment())

    async def commit(self, offsets: Mapping[int, int]) -> None:
        """Tell the group how far we are; a rebalance in between is no error."""
        mine = self.assigned
        known = {
            TopicPartition(self._topic, partition): offset
            for partition, offset in offsets.items()
            if partition in mine
        }
        try:
            if known:
                await self._consumer.commit(known)
        except (CommitFailedError, IllegalStateError, KafkaError) as error:
            _log.info("commit_skipped", topic=self._topic, error=type(error).__name__)

    async def lag(self) -> int:
        """
        Records in the log that were not read yet; asks the broker, not our own fetcher, which may
        hang in silence (aiokafka 1037). Raises `LogGone` or `BrokerUnavailable`.
        """
        assigned = self._consumer.assignment()
        if not assigned:
            return 0
        behind = 0
        with _broker_errors():
            ends = await self._consumer.end_offsets(assigned)
            for tp, end in ends.items():
                position = await self._consumer.position(tp)
                if end < position:
                    raise LogGone(f"{tp.topic}-{tp.partition} ends at {end}, before {position}")
                behind += end - position
        metrics.CONSUMER_LAG.labels(self._topic).set(behind)
        return behind

    async def _locate(self, assigned: set[TopicPartition]) -> None:
        wanted = await self._positions(frozenset(tp.partition for tp in assigned))
        unknown = [tp for tp in assigned if wanted.get(tp.partition) is None]
        for tp in assigned:
            offset = wanted.get(tp.partition)
            if offset is not None:
                self._consumer.seek(tp, offset)
        if unknown:
            starts = await self._consumer.beginning_offsets(unknown)
            for tp, start in starts.items():
                self._consumer.seek(tp, start)


class _Assigned(ConsumerRebalanceListener):  # type: ignore[misc]
    """aiokafka swallows what a listener raises; the next read raises it instead."""

    def __init__(self, reader: GroupReader) -> None:
        self._reader = reader

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Nothing to hand over: offsets are kept with the state."""

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        try:
            await self._reader._locate(assigned)
        except Exception as error:  # noqa: BLE001 - raised by read()
            self._reader._failure = error


class BroadcastReader:
    """Reads every record of a topic, from its newest on; belongs to no group."""

    def __init__(self, bootstrap: str, topic: str, *, client_id: str) -> None:
        self._topic = topic
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            client_id=client_id,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=FETCH_MAX_WAIT_MS,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )

    async def open(self, *, partitions: int) -> None:
        """Begin at the newest record of each partition. Raises `BrokerUnavailable`."""
        tps = [TopicPartition(self._topic, number) for number in range(partitions)]
        with _broker_errors():
            await self._consumer.start()
            self._consumer.assign(tps)
            starts = await self._consumer.beginning_offsets(tps)
            ends = await self._consumer.end_offsets(tps)
        for tp in tps:
            self._consumer.seek(tp, max(starts[tp], ends[tp] - 1))

    async def read(self, *, max_records: int, timeout_ms: int) -> list[Message]:
        """What has come. Raises `LogGone` or `BrokerUnavailable`."""
        with _broker_errors():
            polled = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=max_records)
        return [_message(record) for records in polled.values() for record in records]

    async def close(self) -> None:
        await _close(self._consumer)


async def end_offsets(bootstrap: str, topic: str) -> dict[int, int]:
    """Where each partition of a topic ends now. Raises `BrokerUnavailable`."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, client_id=f"ends-{uuid4().hex[:8]}")
    try:
        with _broker_errors():
            await consumer.start()
            partitions = await _partitions(consumer, topic)
            ends = await consumer.end_offsets([TopicPartition(topic, p) for p in partitions])
            return {tp.partition: offset for tp, offset in ends.items()}
    finally:
        await _close(consumer)


async def ensure_topics(
    bootstrap: str, *, replication: int, extra: Mapping[str, str] | None = None
) -> None:
    """Create the topics that are missing and add partitions that are missing; safe to repeat."""
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
        described = await admin.describe_topics([t.name for t in TOPICS])
        have = {d["topic"]: len(d["partitions"]) for d in described}
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


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    await consumer.topics()  # fetches the metadata that partitions_for_topic reads
    return set(consumer.partitions_for_topic(topic) or ())


async def _close(client: AIOKafkaProducer | AIOKafkaConsumer) -> None:
    """Stop within a deadline: stop() flushes, and would wait for a dead broker for ever."""
    try:
        async with asyncio.timeout(CLOSE_DEADLINE_SECONDS):
            await client.stop()
    except Exception as error:  # noqa: BLE001 - it is being thrown away
        _log.info("kafka_client_dropped", error=type(error).__name__)


def _message(record: object) -> Message:
    return Message(
        partition=record.partition,  # type: ignore[attr-defined]
        offset=record.offset,  # type: ignore[attr-defined]
        key=record.key,  # type: ignore[attr-defined]
        value=record.value,  # type: ignore[attr-defined]
        headers=tuple(record.headers),  # type: ignore[attr-defined]
    )
