"""
What stands in for aiokafka: its consumer and its producer.

Only what the product calls is here, with the errors that the library raises.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaConnectionError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    OutOfOrderSequenceNumber,
    RequestTimedOutError,
)

from libs.common.kafka.clients import REQUEST_TIMEOUT_MS
from tests.simulation.kafka import BEAT_SECONDS, PARTITIONS, Stored
from tests.simulation.process import here

REQUEST_SECONDS = REQUEST_TIMEOUT_MS / 1000


class SimConsumer:
    """`AIOKafkaConsumer` as `libs.common.kafka` uses it; group membership is the broker's."""

    def __init__(
        self, *_topics: str, group_id: str | None = None, client_id: str = "", **_options: Any
    ) -> None:
        self._process = here()
        self._broker = self._process.world.broker
        self._group = group_id
        self.member = client_id
        self._topic = ""
        self._listener: Any = None
        self._open = False
        self.generation = 0
        self._positions: dict[TopicPartition, int | None] = {}
        self._fetcher = SimpleNamespace(_proc_fetch_request=None)

    @property
    def process_name(self) -> str:
        return self._process.name

    @property
    def lives(self) -> bool:
        """Whether it would send a heartbeat now."""
        return self._open and self._process.alive and not self._process.paused

    async def start(self) -> None:
        await self._ask(lambda: None)
        self._open = True

    async def stop(self) -> None:
        """A static member says nothing when it goes."""
        self._open = False
        self._positions = {}

    def subscribe(self, topics: Sequence[str], listener: Any) -> None:
        (self._topic,) = topics
        self._listener = listener
        self._process.spawn(self._join())

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        self._positions = dict.fromkeys(partitions)
        self._topic = next(iter(self._positions)).topic

    def assignment(self) -> set[TopicPartition]:
        return set(self._positions)

    def partitions_for_topic(self, topic: str) -> set[int]:
        return set(range(PARTITIONS[topic]))

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self._positions[self._mine(tp)] = offset

    async def position(self, tp: TopicPartition) -> int:
        position = self._positions[self._mine(tp)]
        return position or 0

    async def beginning_offsets(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        await self._ask(lambda: None)
        return dict.fromkeys(tps, 0)

    async def end_offsets(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        wanted = list(tps)
        logs = self._broker.logs
        found: dict[TopicPartition, int] = await self._ask(
            lambda: {tp: len(logs[tp.topic][tp.partition]) for tp in wanted}
        )
        return found

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        def keep() -> None:
            group = self._broker.groups.get(self._group or "")
            if group is None or group.members.get(self.member) is not self:
                raise CommitFailedError
            group.committed |= {tp.partition: offset for tp, offset in offsets.items()}

        await self._ask(keep)

    async def getmany(
        self, *, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[Stored]]:
        """What is new within the time; a broker that is away has nothing new."""
        world = self._process.world
        ends = world.loop.time() + timeout_ms / 1000
        while True:
            await self._process.ready()
            found = self._fetch(max_records) if self._broker.hears(self.process_name) else {}
            wait = ends - world.loop.time()
            if found or wait <= 0:
                return found
            news = self._broker.news(self._topic)
            timer = world.loop.call_later(wait, _wake, news)
            await news
            timer.cancel()
            if wait > 0:
                await asyncio.sleep(world.wires.delay())

    def take(self, generation: int, partitions: Sequence[int]) -> None:
        """The group's new assignment is on its way."""
        self._process.spawn(self._take(generation, partitions))

    async def _join(self) -> None:
        """Be a member for as long as it is open, also after the group has given it up."""
        while self._open:
            await self._process.ready()
            with suppress(KafkaConnectionError):
                if not self._broker.has_member(self._group or "", self.member):
                    await self._ask(lambda: self._broker.join(self._group or "", self, self._topic))
            await asyncio.sleep(BEAT_SECONDS)

    async def _take(self, generation: int, partitions: Sequence[int]) -> None:
        await self._process.ready()
        if generation <= self.generation:
            return
        self.generation = generation
        await self._listener.on_partitions_revoked(self.assignment())
        await asyncio.sleep(self._process.world.wires.delay())
        if generation == self.generation and self._open:
            committed = self._broker.committed(self._group or "")
            self._positions = {
                TopicPartition(self._topic, number): committed.get(number) for number in partitions
            }
            await self._listener.on_partitions_assigned(self.assignment())

    def _fetch(self, limit: int) -> dict[TopicPartition, list[Stored]]:
        found: dict[TopicPartition, list[Stored]] = {}
        for tp, position in self._positions.items():
            log = self._broker.logs[tp.topic][tp.partition]
            if position is None:
                raise NoOffsetForPartitionError(tp)
            if position > len(log):
                raise OffsetOutOfRangeError({tp: position})
            if records := log[position : position + limit]:
                found[tp] = records
                limit -= len(records)
                self._positions[tp] = position + len(records)
            if not limit:
                break
        return found

    def _mine(self, tp: TopicPartition) -> TopicPartition:
        if tp not in self._positions:
            raise IllegalStateError(f"{tp} is not assigned")
        return tp

    async def _ask(self, act: Any) -> Any:
        return await self._process.world.wires.ask(
            self._broker, act, error=KafkaConnectionError, patience=REQUEST_SECONDS
        )


class SimBatch:
    """`BatchBuilder`: takes as much as it is given."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes, bytes, Sequence[tuple[str, bytes]]]] = []

    def append(
        self, *, timestamp: None, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]
    ) -> bool:
        self.records.append((key, value, headers))
        return True


class SimProducer:
    """`AIOKafkaProducer`: what is sent in one go travels as one request."""

    def __init__(self, **_options: Any) -> None:
        self._process = here()
        self._world = self._process.world
        self._life = self._world.broker.lives
        self._batches: dict[str, list[tuple[bytes, bytes, Sequence[tuple[str, bytes]]]]] = {}
        self._acks: list[asyncio.Future[None]] = []

    async def start(self) -> None:
        await self._world.wires.ask(
            self._world.broker,
            lambda: None,
            error=KafkaConnectionError,
            patience=REQUEST_SECONDS,
        )

    async def stop(self) -> None:
        """Nothing of it is kept."""

    async def partitions_for(self, _topic: str) -> frozenset[int]:
        return frozenset({0})  # the broker itself looks at the key

    def create_batch(self) -> "SimBatch":
        return SimBatch()

    async def send_batch(
        self, batch: "SimBatch", topic: str, *, partition: int
    ) -> "asyncio.Future[None]":
        if not self._acks:
            self._process.spawn(self._flush())
        self._batches.setdefault(topic, []).extend(batch.records)
        ack = self._world.loop.create_future()
        self._acks.append(ack)
        return ack

    async def _flush(self) -> None:
        await asyncio.sleep(0)
        (batches, acks), (self._batches, self._acks) = (self._batches, self._acks), ({}, [])
        try:
            await self._world.wires.ask(
                self._world.broker,
                lambda: self._write(batches),
                error=RequestTimedOutError,
                patience=REQUEST_SECONDS,
            )
        except Exception as error:  # noqa: BLE001 - it belongs to who waits for the acks
            for ack in acks:
                if not ack.done():
                    ack.set_exception(error)
                    ack.exception()
        else:
            for ack in acks:
                if not ack.done():
                    ack.set_result(None)

    def _write(
        self, batches: Mapping[str, list[tuple[bytes, bytes, Sequence[tuple[str, bytes]]]]]
    ) -> None:
        broker, storm = self._world.broker, self._world.storm
        if self._life != broker.lives:
            # It numbers its records; a broker that forgot them refuses it for ever (aiokafka 1017).
            raise OutOfOrderSequenceNumber
        for topic, records in batches.items():
            written = storm.damage(records)
            broker.append(topic, written)
            if len(written) < len(records):
                raise RequestTimedOutError("written in part")


def _wake(news: "asyncio.Future[None]") -> None:
    if not news.done():
        news.set_result(None)
