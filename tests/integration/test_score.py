"""The ledger on real PostgreSQL, and its way to a real broker."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from libs.common.contracts.scores import ScoreUpdated
from libs.common.contracts.topics import SCORE_UPDATES
from libs.common.kafka import BroadcastReader
from libs.common.tasks import background
from libs.devstack import provision
from services.score.domain.changes import Commit
from services.score.domain.increments import Entry, Outcome
from services.score.publisher import Relay, open_publisher
from services.score.store.books import Books
from services.score.store.database import open_engine
from services.score.store.ledger import LedgerLane
from tests import servers
from tests.proxy import LOST, proxy_to


@pytest.fixture
def score_url(database_url: str) -> str:
    return provision.with_login(database_url, provision.SCORE.role, servers.PASSWORD)


@pytest.fixture
async def books(score_url: str) -> AsyncIterator[Books]:
    engine = open_engine(score_url, name="test", connections=4)
    yield Books(engine)
    await engine.dispose()


@pytest.fixture
async def lane(score_url: str) -> AsyncIterator[LedgerLane]:
    lane = LedgerLane(score_url)
    yield lane
    await lane.close()


@asynccontextmanager
async def relaying(bootstrap: str, books: Books) -> AsyncIterator[Relay]:
    publisher = open_publisher(bootstrap)
    relay = Relay(publisher, books)
    async with background(relay.run(), name="relay"), background(relay.sweep(), name="sweeper"):
        yield relay
    await publisher.close()


@dataclass
class Listener:
    """Everything that was published about one user."""

    reader: BroadcastReader
    user_id: str

    async def hear(self, count: int) -> list[ScoreUpdated]:
        heard: list[ScoreUpdated] = []
        async with asyncio.timeout(20):
            while len(heard) < count:
                messages = await self.reader.read(max_records=500, timeout_ms=100)
                # Other tests write to the same topic, and not only events.
                heard += [
                    ScoreUpdated.model_validate_json(message.value or b"")
                    for message in messages
                    if message.key == self.user_id.encode()
                ]
        return heard


@pytest.fixture
async def listener(kafka_bootstrap: str) -> AsyncIterator[Listener]:
    reader = BroadcastReader(kafka_bootstrap, SCORE_UPDATES.name, client_id="test")
    await reader.open(partitions=SCORE_UPDATES.partitions)
    yield Listener(reader, f"user-{uuid4().hex[:8]}")
    await reader.close()


def published(commit: Commit) -> list[ScoreUpdated]:
    """What is to be heard of a commit."""
    epoch = commit.ledger_epoch
    return [ScoreUpdated.model_validate_json(change.event(epoch)) for change in commit.changes]


async def until_empty(books: Books) -> None:
    async with asyncio.timeout(20):
        while (await books.backlog())[0]:
            await asyncio.sleep(0.05)


async def test_a_commit_reaches_kafka_and_leaves_the_outbox(
    books: Books, lane: LedgerLane, kafka_bootstrap: str, listener: Listener
) -> None:
    async with relaying(kafka_bootstrap, books) as relay:
        commit = await lane.append(
            [Entry(listener.user_id, "1", 10), Entry(listener.user_id, "2", 5)]
        )
        relay.offer(commit)
        events = await listener.hear(2)
        await until_empty(books)
    assert [(e.new_score, e.version, e.kind) for e in events] == [
        (10, 1, "increment"),
        (15, 2, "increment"),
    ]
    assert events == [
        ScoreUpdated.model_validate_json(change.event(commit.ledger_epoch))
        for change in commit.changes
    ]


async def test_what_a_dead_process_left_is_published_by_another(
    books: Books, lane: LedgerLane, kafka_bootstrap: str, listener: Listener
) -> None:
    commit = await lane.append([Entry(listener.user_id, "1", 10, request_id="req-1")])
    # ... and the process dies before the relay hears of it.
    async with relaying(kafka_bootstrap, books):
        events = await listener.hear(1)
        await until_empty(books)
    assert events == [
        ScoreUpdated.model_validate_json(change.event(commit.ledger_epoch))
        for change in commit.changes
    ]


async def test_without_a_broker_commits_go_on_and_wait_in_the_outbox(
    books: Books, lane: LedgerLane
) -> None:
    async with relaying("127.0.0.1:1", books) as relay:
        for number in range(3):
            commit = await lane.append([Entry("alice", str(number), 1)])
            relay.offer(commit)
        await asyncio.sleep(0.5)
        assert (await books.backlog())[0] == 3


async def test_two_sweepers_never_claim_the_same_batch(
    books: Books, lane: LedgerLane, database_url: str
) -> None:
    for number in range(20):
        await lane.append([Entry("alice", str(number), 1)])
    await execute(database_url, "UPDATE score.outbox SET leased_until = now()")
    claims = await asyncio.gather(*(books.claim(limit=7) for _ in range(4)))
    ids = [commit.batch_id for claim in claims for commit in claim]
    assert len(ids) == len(set(ids)) == 20


async def test_a_clock_that_went_back_keeps_no_batch_waiting(
    books: Books, lane: LedgerLane, database_url: str
) -> None:
    commit = await lane.append([Entry("alice", "1", 1)])
    await execute(
        database_url, "UPDATE score.outbox SET leased_until = clock_timestamp() + interval '1 hour'"
    )
    assert [claimed.batch_id for claimed in await books.claim(limit=1)] == [commit.batch_id]
    assert await books.claim(limit=1) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE score.score_entry SET delta = 1000000",
        "DELETE FROM score.score_entry",
        "TRUNCATE score.score_entry",
    ],
)
async def test_the_ledger_takes_no_change_neither_by_right_nor_by_trigger(
    lane: LedgerLane, score_url: str, database_url: str, statement: str
) -> None:
    await lane.append([Entry("alice", "1", 10)])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await execute(score_url, statement)
    with pytest.raises(asyncpg.RestrictViolationError):
        await execute(database_url, statement)


async def test_a_lost_answer_is_settled_by_asking_again(score_url: str, books: Books) -> None:
    parts = urlsplit(score_url)
    assert parts.hostname
    assert parts.port
    async with proxy_to(parts.hostname, parts.port) as proxy:
        lane = LedgerLane(score_url.replace(f":{parts.port}/", f":{proxy.port}/"))
        await lane.append([Entry("alice", "1", 10)])
        proxy.answers = LOST
        appending = asyncio.ensure_future(lane.append([Entry("alice", "2", 5)]))
        await proxy.hit()
        await proxy.heal()
        commit = await appending
        await lane.close()
    assert [(s.outcome, s.balance) for s in commit.settled] == [(Outcome.REPLAYED, 15)]
    assert (await books.digest()).points == 15
    assert (await books.backlog())[0] == 2


async def test_many_lanes_on_the_same_users_neither_lose_nor_deadlock(
    score_url: str, books: Books
) -> None:
    lanes = [LedgerLane(score_url) for _ in range(4)]
    users = [f"u{n}" for n in range(20)]

    async def load(lane: LedgerLane, name: str) -> None:
        for batch in range(10):
            await lane.append([Entry(user, f"{name}-{batch}", 1) for user in users])

    await asyncio.gather(*(load(lane, str(n)) for n, lane in enumerate(lanes)))
    for lane in lanes:
        await lane.close()
    digest = await books.digest()
    assert (digest.users, digest.points, digest.versions) == (20, 800, 800)


async def test_an_epoch_is_larger_than_any_that_anybody_remembers(books: Books) -> None:
    first = await books.next_epoch(board="b", region="r", reason="test", after=0)
    beyond = first + 10_000
    epochs = await asyncio.gather(
        *(books.next_epoch(board="b", region="r", reason="test", after=beyond) for _ in range(5))
    )
    assert sorted(epochs)[0] == beyond + 1
    assert len(set(epochs)) == 5


async def execute(url: str, *statements: str) -> Sequence[str]:
    connection = await asyncpg.connect(url)
    try:
        return [await connection.execute(statement) for statement in statements]
    finally:
        await connection.close()
