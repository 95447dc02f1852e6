"""Replicas of one region share partitions and a board: real Valkey, a broker of one's own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from redis.asyncio import Redis

from libs.common.clock import system_clock
from libs.common.contracts.scores import LedgerPage
from libs.common.contracts.topics import LEADERBOARD_UPDATED, SCORE_UPDATES, SCORE_UPDATES_DLQ
from libs.common.errors import Unavailable
from libs.common.kafka import Publisher, Record, end_offsets, readers
from libs.common.tasks import background
from services.score.domain.increments import Entry
from services.scoreboard.consumer import Consumer
from services.scoreboard.main import UpdatesLog
from services.scoreboard.publisher import DeadLetters, SnapshotPublisher
from services.scoreboard.store.board import Keys, RedisBoard, open_redis
from services.scoreboard.usecases.announce import Announcer
from services.scoreboard.usecases.apply import ApplyUpdates
from services.scoreboard.usecases.audit import Audit
from services.scoreboard.usecases.rebuild import Rebuild
from tests.fakes import MemoryLedger
from tests.servers import mortal_kafka

PATIENCE_SECONDS = 15
# Nothing here may wait for the audit: it would hide what the replicas lose among themselves.
AUDIT_SECONDS = 3600


class Region:
    """Replicas as main.py builds them, on one board, and a ledger whose relay is the test."""

    def __init__(self, redis_url: str, bootstrap: str) -> None:
        self.name = f"r-{uuid4().hex[:8]}"
        self.bootstrap = bootstrap
        self.ledger = MemoryLedger()
        self.keys = Keys(self.name, "global")
        self.redis: Redis = open_redis(redis_url)
        self.board = RedisBoard(self.redis, self.keys)
        self.rebuild = Rebuild(self.board, self.ledger, UpdatesLog(bootstrap), system_clock)
        self.consumers: list[Consumer] = []
        self._stack = AsyncExitStack()

    async def join(self, member: str) -> None:
        snapshots = Publisher(self.bootstrap, LEADERBOARD_UPDATED.name, client_id="test")
        letters = Publisher(self.bootstrap, SCORE_UPDATES_DLQ.name, client_id="test")
        announcer = Announcer(
            self.board,
            SnapshotPublisher(snapshots, system_clock, region=self.name, board="global"),
            window_seconds=0.02,
            heartbeat_seconds=1,
        )
        audit = Audit(
            self.board, self.ledger, self.rebuild, announcer, interval_seconds=AUDIT_SECONDS
        )
        consumer = Consumer(
            self.bootstrap,
            group=f"scoreboard-{self.name}",
            member=member,
            apply=ApplyUpdates(self.board, announcer, DeadLetters(letters, system_clock)),
            announcer=announcer,
            audit=audit,
            rebuild=self.rebuild,
        )
        self.consumers.append(consumer)
        self._stack.push_async_callback(snapshots.close)
        self._stack.push_async_callback(letters.close)
        for task in (announcer.run(), consumer.run(), consumer.watch()):
            await self._stack.enter_async_context(background(task, name="test"))

    async def earn(self, *entries: Entry) -> list[Record]:
        """Write to the ledger; what its relay is to publish."""
        commit = await self.ledger.append(entries)
        return [Record(c.user_id.encode(), c.event(1)) for c in commit.changes]

    async def publish(self, records: list[Record]) -> None:
        """As a relay that has just started: it knows all partitions there are."""
        publisher = Publisher(self.bootstrap, SCORE_UPDATES.name, client_id="test")
        try:
            await publisher.publish(records)
        finally:
            await publisher.close()

    async def converged(self) -> bool:
        epoch = await self.board.current()
        expected = [(r.user_id, r.score) for r in (await self.ledger.top(limit=1000)).rows]
        return bool(epoch) and await self.board.leaders(epoch, 1000) == expected

    async def until_converged(self) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await self.converged():
                await asyncio.sleep(0.02)

    async def until_shared(self, partitions: int) -> None:
        """Wait until the replicas have so many partitions, each one of them."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                members = [consumer._reader for consumer in self.consumers]
                shares = [member.assigned if member else frozenset() for member in members]
                shared = frozenset().union(*shares)
                if all(shares) and sum(map(len, shares)) == len(shared) == partitions:
                    return
                await asyncio.sleep(0.02)

    async def close(self) -> None:
        await self._stack.aclose()
        await self.redis.aclose()


@pytest.fixture
def broker() -> Iterator[str]:
    with mortal_kafka() as broker:
        yield broker.address


@pytest.fixture
async def region(redis_url: str, broker: str) -> AsyncIterator[Region]:
    region = Region(redis_url, broker)
    yield region
    await region.close()


def entries(count: int, tag: str) -> list[Entry]:
    return [Entry(f"user-{n % 40:02}", f"{tag}-{n}", n % 5 + 1) for n in range(count)]


async def test_replicas_that_start_at_once_build_one_board(region: Region) -> None:
    await region.earn(*entries(100, "before"))
    await asyncio.gather(*(region.join(name) for name in ("one", "two", "three")))
    await region.until_converged()
    await region.until_shared(SCORE_UPDATES.partitions)
    await region.publish(await region.earn(*entries(300, "after")))
    await region.until_converged()
    assert await region.board.current() == 1


async def test_partitions_are_raised_while_running_and_nothing_is_lost(
    region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "METADATA_MAX_AGE_MS", 500)
    await region.join("one")
    await region.join("two")
    await region.until_shared(SCORE_UPDATES.partitions)
    await region.publish(await region.earn(*entries(200, "before")))
    await region.until_converged()
    late = await region.earn(*entries(40, "late"))

    wanted = SCORE_UPDATES.partitions + 4
    in_use = await partitions_in_use(region)
    await add_partitions(region.bootstrap, wanted)
    await region.publish(await region.earn(*entries(200, "after")))
    await region.until_converged()
    await region.until_shared(wanted)
    assert await partitions_in_use(region) > in_use

    # What comes last is older: a user's updates have come from two partitions.
    await region.publish(late)
    await region.publish(await region.earn(Entry("the-end", "k", 1)))
    await region.until_converged()
    offsets = await region.board.offsets(await region.board.current())
    assert offsets == {
        partition: end
        for partition, end in (await end_offsets(region.bootstrap, SCORE_UPDATES.name)).items()
        if end
    }
    assert await region.board.current() == 1


async def partitions_in_use(region: Region) -> int:
    ends = await end_offsets(region.bootstrap, SCORE_UPDATES.name)
    return sum(end > 0 for end in ends.values())


async def add_partitions(bootstrap: str, total: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_partitions({SCORE_UPDATES.name: NewPartitions(total)})
    await admin.close()


async def test_what_was_written_to_the_old_board_last_is_on_the_new_one(region: Region) -> None:
    await region.join("one")
    await region.until_converged()
    before = await region.board.current()
    read = region.ledger.totals

    async def late(*, after: str, limit: int) -> LedgerPage:
        """One increment is accepted, and on the old board, when the page was read already."""
        page = await read(after=after, limit=limit)
        await region.publish(await region.earn(Entry("last", "k", 7)))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await region.board.leaders(before, 1) != [("last", 7)]:
                await asyncio.sleep(0.01)
        return page

    region.ledger.totals = late  # type: ignore[method-assign]
    assert await region.rebuild.run("drill", before)  # as another replica would
    await region.until_converged()


async def test_a_builder_that_dies_leaves_nothing_for_ever(region: Region) -> None:
    await region.earn(*entries(40, "a"))
    assert await region.rebuild.run("missing", 0)
    read = region.ledger.totals

    async def dies(*, after: str, limit: int) -> LedgerPage:
        if after:
            raise Unavailable("the builder was killed here")
        return await read(after=after, limit=20)

    region.ledger.totals = dies  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await region.rebuild.run("drill", 1)
    unfinished = await region.redis.keys(f"{region.keys.prefix}2:*")
    assert len(unfinished) == 3
    assert [await region.redis.ttl(key) > 0 for key in unfinished] == [True] * 3
    region.ledger.totals = read  # type: ignore[method-assign]
    assert await region.rebuild.run("drill", 1)
    shown = [f"{region.keys.prefix}{key}" for key in ("3:z", "3:v", "3:meta", "epoch")]
    kept = [k for k in await region.redis.keys(f"{region.keys.prefix}*") if k not in unfinished]
    assert sorted(kept) == sorted(shown)
    assert {await region.redis.ttl(key) for key in kept} == {-1}


async def test_an_update_from_before_the_ledger_was_restored_stays_away(region: Region) -> None:
    """As a mirrored topic brings it when the ledger has failed over already."""
    lost = await region.earn(Entry("lost-with-the-old-primary", "k", 9))
    region.ledger.rows.clear()
    region.ledger.ledger_epoch = 2
    await region.join("one")
    await region.until_converged()
    await region.publish(lost)
    ends = await end_offsets(region.bootstrap, SCORE_UPDATES.name)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await region.board.offsets(1) != ends:
            await asyncio.sleep(0.02)
    assert await region.board.leaders(1, 9) == []


async def test_a_cancelled_call_of_the_board_never_goes_on(region: Region) -> None:
    """On Python 3.11 `wait_for` would forget one cancellation in twenty here."""
    assert await region.rebuild.run("missing", 0)

    async def ask_for_ever() -> None:
        while True:
            await region.board.due(1, window_seconds=0, heartbeat_seconds=0)

    for number in range(150):
        task = asyncio.ensure_future(ask_for_ever())
        await asyncio.sleep(number % 10 / 2000)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=1)
        if not done:
            task.cancel()
        assert done, number
