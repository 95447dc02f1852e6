"""The board on real Valkey and a real broker, against a ledger in memory or in PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from libs.common.clock import system_clock
from libs.common.contracts.boards import LeaderboardUpdated
from libs.common.contracts.topics import LEADERBOARD_UPDATED, SCORE_UPDATES, SCORE_UPDATES_DLQ
from libs.common.kafka import BroadcastReader, Publisher, Record
from libs.common.tasks import background
from libs.devstack import provision
from services.score.domain.increments import Entry
from services.score.store.books import Books
from services.score.store.database import open_engine
from services.score.store.ledger import LedgerLane
from services.scoreboard.consumer import Consumer
from services.scoreboard.domain import Row, in_order
from services.scoreboard.main import UpdatesLog
from services.scoreboard.publisher import DeadLetters, SnapshotPublisher
from services.scoreboard.store.board import Keys, RedisBoard, open_redis
from services.scoreboard.usecases.announce import Announcer
from services.scoreboard.usecases.apply import ApplyUpdates
from services.scoreboard.usecases.audit import Audit
from services.scoreboard.usecases.rebuild import Rebuild
from tests import servers
from tests.fakes import MemoryLedger

PATIENCE_SECONDS = 20


class Region:
    """A running board of one region, as main.py builds it."""

    def __init__(self, redis_url: str, bootstrap: str, ledger: MemoryLedger, name: str) -> None:
        self.name = name
        self.ledger = ledger
        self.bootstrap = bootstrap
        self.redis: Redis = open_redis(redis_url)
        self.board = RedisBoard(self.redis, Keys(name, "global"))
        self.updates = Publisher(bootstrap, SCORE_UPDATES.name, client_id="test")
        self._stack = AsyncExitStack()

    async def join(self, member: str) -> None:
        """Start a group member."""
        snapshots = Publisher(self.bootstrap, LEADERBOARD_UPDATED.name, client_id="test")
        letters = Publisher(self.bootstrap, SCORE_UPDATES_DLQ.name, client_id="test")
        announcer = Announcer(
            self.board,
            SnapshotPublisher(snapshots, system_clock, region=self.name, board="global"),
            window_seconds=0.02,
            heartbeat_seconds=1,
        )
        rebuild = Rebuild(self.board, self.ledger, UpdatesLog(self.bootstrap), system_clock)
        audit = Audit(self.board, self.ledger, rebuild, announcer, interval_seconds=30)
        consumer = Consumer(
            self.bootstrap,
            group=f"scoreboard-{self.name}",
            member=member,
            apply=ApplyUpdates(self.board, announcer, DeadLetters(letters, system_clock)),
            announcer=announcer,
            audit=audit,
            rebuild=rebuild,
        )
        self._stack.push_async_callback(snapshots.close)
        self._stack.push_async_callback(letters.close)
        for task in (announcer.run(), consumer.run(), consumer.watch(), audit.run()):
            await self._stack.enter_async_context(background(task, name="test"))

    async def earn(self, *entries: Entry, publish: bool = True) -> None:
        commit = await self.ledger.append(entries)
        if publish:
            await self.updates.publish(
                [Record(c.user_id.encode(), c.event(1)) for c in commit.changes]
            )

    async def until_converged(self) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await self._converged():
                await asyncio.sleep(0.05)

    async def _converged(self) -> bool:
        epoch = await self.board.current()
        expected = [(r.user_id, r.score) for r in (await self.ledger.top(limit=1000)).rows]
        return bool(epoch) and await self.board.leaders(epoch, 1000) == expected

    async def close(self) -> None:
        await self._stack.aclose()
        await self.updates.close()
        await self.redis.aclose()


@pytest.fixture
async def region(redis_url: str, kafka_bootstrap: str) -> AsyncIterator[Region]:
    region = Region(redis_url, kafka_bootstrap, MemoryLedger(), f"r-{uuid4().hex[:8]}")
    yield region
    await region.close()


def entries(count: int, tag: str) -> list[Entry]:
    return [Entry(f"user-{n % 17:02}", f"{tag}-{n}", n % 5 + 1) for n in range(count)]


async def test_a_board_starts_from_the_ledger_and_follows_the_log(region: Region) -> None:
    await region.earn(*entries(100, "before"), publish=False)
    await region.join("one")
    await region.until_converged()
    await region.earn(*entries(200, "after"))
    await region.until_converged()


async def test_snapshots_rise_and_end_with_the_board(region: Region) -> None:
    reader = BroadcastReader(region.bootstrap, LEADERBOARD_UPDATED.name, client_id="test")
    await reader.open(partitions=1)
    await region.join("one")
    for number in range(10):
        await region.earn(*entries(20, str(number)))
    await region.until_converged()
    top = await region.board.leaders(await region.board.current(), 10)
    heard: list[LeaderboardUpdated] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not heard or [(e.user_id, e.score) for e in heard[-1].top_10] != top:
            for message in await reader.read(max_records=100, timeout_ms=100):
                snapshot = LeaderboardUpdated.model_validate_json(message.value or b"")
                if snapshot.region == region.name:
                    heard.append(snapshot)
    await reader.close()
    positions = [s.position for s in heard if s.reason != "heartbeat"]
    assert positions == sorted(set(positions))


async def test_a_flushed_redis_is_built_anew(region: Region) -> None:
    await region.join("one")
    await region.earn(*entries(50, "a"))
    await region.until_converged()
    before = await region.board.current()
    await region.redis.flushall()
    await region.earn(*entries(50, "b"))
    await region.until_converged()
    assert await region.board.current() > before


async def test_updates_that_never_came_are_found_by_the_audit(region: Region) -> None:
    await region.join("one")
    await region.until_converged()
    await region.earn(*entries(30, "lost"), publish=False)
    await region.earn(*entries(30, "seen"))
    ledger = await region.ledger.digest()
    audit = Audit(
        region.board,
        region.ledger,
        Rebuild(region.board, region.ledger, UpdatesLog(region.bootstrap), system_clock),
        Announcer(
            region.board,
            SnapshotPublisher(region.updates, system_clock, region=region.name, board="global"),
            window_seconds=1,
            heartbeat_seconds=60,
        ),
        interval_seconds=30,
    )
    await audit.once()
    await region.until_converged()
    assert (await region.board.digest(await region.board.current())).points == ledger.points


async def test_members_that_come_and_go_leave_no_drift(region: Region) -> None:
    await region.join("one")
    await region.earn(*entries(100, "a"))
    await region.join("two")
    for number in range(5):
        await region.earn(*entries(100, f"b{number}"))
        await asyncio.sleep(0.2)
    await region.until_converged()


async def test_two_regions_on_one_ledger_end_with_the_same_board(
    redis_url: str, kafka_bootstrap: str
) -> None:
    ledger = MemoryLedger()
    names = [f"r-{uuid4().hex[:8]}" for _ in range(2)]
    regions = [Region(redis_url, kafka_bootstrap, ledger, name) for name in names]
    for region in regions:
        await region.join("one")
        await region.until_converged()
    await regions[0].earn(*entries(300, "x"))
    for region in regions:
        await region.until_converged()
    for region in regions:
        await region.close()


async def test_sql_and_the_board_agree_on_every_tie(database_url: str) -> None:
    url = provision.with_login(database_url, provision.SCORE.role, servers.PASSWORD)
    engine = open_engine(url, name="test", connections=2)
    books, lane = Books(engine), LedgerLane(url)
    for batch in range(6):
        await lane.append(
            [Entry(user, str(batch), 1 + batch % 2) for user in ("b", "a", "C", "~", "_", "aa")]
        )
    await lane.close()
    top = await books.top(limit=100)
    page = await books.totals(after="", limit=100)
    await engine.dispose()
    ranked = in_order(Row.of_ledger(row, page.ledger_epoch) for row in page.rows)
    assert [row.user_id for row in ranked] == [row.user_id for row in top.rows]
