"""Reading a topic: as one of a group, or all of it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError, NoOffsetForPartitionError

from libs.common import metrics
from libs.common.errors import BrokerUnavailable, LogGone
from libs.common.kafka.clients import REQUEST_TIMEOUT_MS, broker_errors, close

FETCH_MAX_WAIT_MS = 50
SESSION_TIMEOUT_MS = 15_000
HEARTBEAT_MS = 3_000
METADATA_MAX_AGE_MS = 30_000
# aiokafka repeats a commit for as long as there is no coordinator, be it for ever.
COMMIT_DEADLINE_SECONDS = 5.0
# A fetch costs as much as some hundred records: while they come, they are fetched by the group.
GATHER_SECONDS = 0.015
# Snapshots of a board come 50 ms apart at least.
BROADCAST_GATHER_SECONDS = 0.04
EMPTY_FETCH_SECONDS = 0.005
IDLE_FETCH_SECONDS = 0.025
IDLE_AFTER_SECONDS = 1.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Message:
    """What is read; `value` is None for a tombstone."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = field(default=())


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
        self._located = False
        self._partitions = 0
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
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
        )

    async def open(self) -> None:
        """Join the group. Raises `BrokerUnavailable`."""
        with broker_errors():
            await self._consumer.start()
        _pace(self._consumer, GATHER_SECONDS)
        self._join()

    async def close(self) -> None:
        await close(self._consumer)

    @property
    def assigned(self) -> frozenset[int]:
        return frozenset(tp.partition for tp in self._consumer.assignment())

    @property
    def settled(self) -> bool:
        """Whether the group has formed, and the state has said where to read from."""
        return self._located

    async def read(self, *, max_records: int, timeout_ms: int) -> list[Message]:
        """
        What has come, in order within a partition. Raises `LogGone`, `BrokerUnavailable`, or what
        `positions` raised when partitions were assigned.
        """
        self._follow_growth()
        polled: Mapping[TopicPartition, Sequence[object]] = {}
        try:
            with broker_errors(), suppress(NoOffsetForPartitionError):
                polled = await self._consumer.getmany(
                    timeout_ms=timeout_ms, max_records=max_records
                )
        except BrokerUnavailable:
            if self._failure is None:
                raise
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        if not self._located:
            return []  # aiokafka began where the group committed; the state has not spoken yet
        return [_message(record) for records in polled.values() for record in records]

    async def locate(self) -> None:
        """Go to where the state says, on every assigned partition. Raises what `positions` does."""
        with broker_errors():
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
                async with asyncio.timeout(COMMIT_DEADLINE_SECONDS):
                    await self._consumer.commit(known)
        except (KafkaError, TimeoutError) as error:
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
        with broker_errors():
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
        self._partitions = self._count()
        self._located = True

    def _join(self) -> None:
        self._consumer.subscribe([self._topic], listener=_Assigned(self))

    def _follow_growth(self) -> None:
        """
        Join anew when the topic got partitions.

        The group's leader alone would watch for them, and a leader that was restarted under its
        static name does not know that it is one (KIP-814; aiokafka's requests are older).
        """
        if self._located and self._count() > self._partitions:
            _log.info("partitions_added", topic=self._topic, partitions=self._count())
            self._located = False
            self._join()

    def _count(self) -> int:
        return len(self._consumer.partitions_for_topic(self._topic) or ())


class _Assigned(ConsumerRebalanceListener):  # type: ignore[misc]
    """aiokafka swallows what a listener raises; the next read raises it instead."""

    def __init__(self, reader: GroupReader) -> None:
        self._reader = reader

    async def on_partitions_revoked(self, _: set[TopicPartition]) -> None:
        """Nothing to hand over: offsets are kept with the state."""
        self._reader._located = False

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        try:
            with broker_errors():
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
        with broker_errors():
            await self._consumer.start()
            _pace(self._consumer, BROADCAST_GATHER_SECONDS)
            self._consumer.assign(tps)
            starts = await self._consumer.beginning_offsets(tps)
            ends = await self._consumer.end_offsets(tps)
        for tp in tps:
            self._consumer.seek(tp, max(starts[tp], ends[tp] - 1))

    async def read(self, *, max_records: int, timeout_ms: int) -> list[Message]:
        """What has come. Raises `LogGone` or `BrokerUnavailable`."""
        with broker_errors():
            polled = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=max_records)
        return [_message(record) for records in polled.values() for record in records]

    async def close(self) -> None:
        await close(self._consumer)


def _pace(consumer: AIOKafkaConsumer, gather_seconds: float) -> None:
    """
    Let so much time pass between a fetch that brings something and the next.

    One that brings nothing takes 5 ms at least, and 25 ms when nothing came for a second: a broker
    holds it for `fetch_max_wait_ms`, but noida-db answers at once, and would be asked thousands of
    times a second. aiokafka has no setting for either.
    """
    fetcher = consumer._fetcher
    fetch = fetcher._proc_fetch_request
    last_found = 0.0

    async def paced(*request: object) -> bool:
        nonlocal last_found
        clock = asyncio.get_running_loop().time
        found = False
        # The fetcher cancels its requests when it closes, and awaits them: they must not raise, or
        # the consumer stays half open and its owner takes itself for cancelled.
        with suppress(asyncio.CancelledError):
            if (early := last_found + gather_seconds - clock()) > 0:
                await asyncio.sleep(early)
            started = clock()
            found = await fetch(*request)
            if found:
                last_found = clock()
            else:
                idle = started - last_found > IDLE_AFTER_SECONDS
                earliest = started + (IDLE_FETCH_SECONDS if idle else EMPTY_FETCH_SECONDS)
                if (early := earliest - clock()) > 0:
                    await asyncio.sleep(early)
        return found

    fetcher._proc_fetch_request = paced


def _message(record: object) -> Message:
    return Message(
        partition=record.partition,  # type: ignore[attr-defined]
        offset=record.offset,  # type: ignore[attr-defined]
        key=record.key,  # type: ignore[attr-defined]
        value=record.value,  # type: ignore[attr-defined]
        headers=tuple(record.headers),  # type: ignore[attr-defined]
    )
