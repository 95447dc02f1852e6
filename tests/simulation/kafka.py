"""
Kafka of the world: the broker, with its logs and consumer groups.

It may be down, lose everything, lose the newest records of a partition, or forget what groups
committed. `clients` holds what stands in for aiokafka.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from libs.common.contracts.topics import LEADERBOARD_UPDATED, SCORE_UPDATES, SCORE_UPDATES_DLQ
from libs.common.kafka.readers import SESSION_TIMEOUT_MS
from tests.simulation.loop import VirtualLoop
from tests.simulation.watch import Watch
from tests.simulation.wires import Server

if TYPE_CHECKING:
    from asyncio import Future

    from tests.simulation.clients import SimConsumer

# Fewer than in the product: three are enough for two members to disagree.
PARTITIONS = {SCORE_UPDATES.name: 3, LEADERBOARD_UPDATED.name: 1, SCORE_UPDATES_DLQ.name: 1}
BEAT_SECONDS = 1.0
SESSION_SECONDS = SESSION_TIMEOUT_MS / 1000

_EVENT_ID = re.compile(rb'"event_id":"([^"]+)"')


class Stored(NamedTuple):
    """A record as the log keeps it, with the attributes that aiokafka gives it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@dataclass
class Group:
    """A consumer group: its members by their static names, and what each reads."""

    topic: str
    members: "dict[str, SimConsumer]" = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)
    assignment: dict[str, tuple[int, ...]] = field(default_factory=dict)
    committed: dict[int, int] = field(default_factory=dict)

    def owner(self, partition: int) -> str:
        """Who reads a partition, as the group sees it; empty if nobody does."""
        owners = (name for name, owned in self.assignment.items() if partition in owned)
        return next(owners, "")


class Broker(Server):
    """One broker, for all topics."""

    def __init__(self, loop: VirtualLoop, dice: Random, watch: Watch) -> None:
        super().__init__("kafka")
        self._loop = loop
        self._dice = dice
        self._watch = watch
        self._evicted: set[str] = set()
        self.logs: dict[str, list[list[Stored]]] = {
            topic: [[] for _ in range(count)] for topic, count in PARTITIONS.items()
        }
        self.groups: dict[str, Group] = {}
        self._generations = count(1)
        self.lives = 0
        self.published: set[str] = set()
        self._waiting: dict[str, list[Future[None]]] = {topic: [] for topic in PARTITIONS}

    # --- the log

    def append(
        self, topic: str, records: Iterable[tuple[bytes, bytes, Sequence[tuple[str, bytes]]]]
    ) -> None:
        """Write records, each to the partition of its key."""
        logs = self.logs[topic]
        for key, value, headers in records:
            number = crc32(key) % len(logs)
            logs[number].append(Stored(number, len(logs[number]), key, value, tuple(headers)))
            if topic == SCORE_UPDATES.name and (found := _EVENT_ID.search(value)):
                self.published.add(found[1].decode())
        waiting, self._waiting[topic] = self._waiting[topic], []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def news(self, topic: str) -> "Future[None]":
        """Done when something is written."""
        future = self._loop.create_future()
        self._waiting[topic].append(future)
        return future

    # --- what it may lose

    def wipe(self) -> None:
        """Lose all: records, groups, and what it knew of producers."""
        self.lives += 1
        for logs in self.logs.values():
            for log in logs:
                log.clear()
        self.groups.clear()

    def lose_tail(self, topic: str) -> None:
        """Lose the newest records of one partition; their offsets are given again."""
        log = self._dice.choice(self.logs[topic])
        if log:
            del log[-self._dice.randint(1, min(5, len(log))) :]

    def lose_offsets(self) -> None:
        for group in self.groups.values():
            group.committed.clear()

    # --- groups

    def has_member(self, name: str, member: str) -> bool:
        group = self.groups.get(name)
        return group is not None and member in group.members

    def committed(self, name: str) -> dict[int, int]:
        group = self.groups.get(name)
        return {} if group is None else group.committed

    def join(self, name: str, consumer: "SimConsumer", topic: str) -> None:
        """Become a member; a member of the same static name is replaced, and keeps its share."""
        group = self.groups.setdefault(name, Group(topic))
        member = consumer.member
        group.seen[member] = self._loop.time()
        known = group.members.get(member)
        group.members[member] = consumer
        if member in self._evicted and consumer.generation:
            self._watch.sometimes("a group gave a member up, and it came back")
        if known is None:
            self._rebalance(group)
        else:
            consumer.take(next(self._generations), group.assignment.get(member, ()))

    def beat(self) -> None:
        """Heartbeats of all who can reach us; who could not for too long is out of its group."""
        now = self._loop.time()
        for group in self.groups.values() if self.up else ():
            for member, consumer in list(group.members.items()):
                if consumer.lives and self.hears(consumer.process_name):
                    group.seen[member] = now
                elif now - group.seen[member] > SESSION_SECONDS:
                    del group.members[member]
                    self._evicted.add(member)
                    self._rebalance(group)

    def _rebalance(self, group: Group) -> None:
        generation = next(self._generations)
        names = sorted(group.members)
        numbers = range(PARTITIONS[group.topic])
        group.assignment = {
            name: tuple(n for n in numbers if n % len(names) == place)
            for place, name in enumerate(names)
        }
        for name, consumer in list(group.members.items()):
            consumer.take(generation, group.assignment[name])
