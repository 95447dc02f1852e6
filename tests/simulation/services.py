"""
The programs of the world: the product's parts, put together as each `main.py` does.

What is not the product's here is what `main.py` would hand a connection to.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from libs.common.batching import Lane, Lanes, Send
from libs.common.contracts.topics import LEADERBOARD_UPDATED, SCORE_UPDATES_DLQ
from libs.common.errors import Unauthenticated
from libs.common.kafka import Publisher
from libs.common.tasks import background
from libs.common.tokens import Claims
from services.notification.consumer import BoardConsumer
from services.notification.hub import Hub
from services.notification.usecases.ports import Limits, Over, Session
from services.notification.usecases.streams import Streams
from services.score.domain.bounds import Bounds
from services.score.domain.increments import Entry, Settled
from services.score.publisher import Relay, open_publisher
from services.score.store.ledger import LedgerLane
from services.score.store.limiter import RedisLimiter
from services.score.usecases.admission import Admission
from services.score.usecases.corrections import Corrections
from services.score.usecases.increments import AcceptIncrements
from services.scoreboard.consumer import Consumer
from services.scoreboard.main import UpdatesLog
from services.scoreboard.publisher import DeadLetters, SnapshotPublisher
from services.scoreboard.usecases.announce import Announcer
from services.scoreboard.usecases.apply import ApplyUpdates
from services.scoreboard.usecases.audit import Audit
from services.scoreboard.usecases.rebuild import Rebuild
from tests.notification_fakes import MemorySessions
from tests.simulation.board import BoardServer
from tests.simulation.ledger import LedgerServer
from tests.simulation.process import Process
from tests.simulation.stores import (
    UPSTREAM_SECONDS,
    SimBoard,
    SimBooks,
    SimDesk,
    SimRateRedis,
)

BROKER = "simulated"
PLACE = {"region": "local", "board": "global"}
MAX_INCREMENT = 1000
LANES = 2
MAX_BATCH = 500
MAX_WAITING = 5000
# Settings of the product, at values that make more happen in a short life.
WINDOW_SECONDS = 0.05
HEARTBEAT_SECONDS = 2.0
AUDIT_SECONDS = 5.0
STALL_SECONDS = 4.0
SESSION_TTL_SECONDS = 30.0
MANY = 10_000


class SimTokens:
    """A user context that names its user; signatures are for other tests."""

    def __init__(self, process: Process) -> None:
        self._clock = process.clock

    async def verify(self, token: str) -> Claims:
        if not token:
            raise Unauthenticated("no context")
        now = self._clock.now()
        raw = {"permissions": ["scores:write"], "roles": ["player"]}
        return Claims(token, token, now, now + timedelta(minutes=1), raw)


@dataclass(frozen=True)
class ScoreParts:
    accept: AcceptIncrements
    corrections: Corrections


@dataclass(frozen=True)
class NotificationParts:
    streams: Streams
    hub: Hub


@asynccontextmanager
async def score(process: Process) -> AsyncGenerator[ScoreParts]:
    """`services.score.main`."""
    world = process.world
    async with AsyncExitStack() as stack:
        books = SimBooks(process)
        limiter = RedisLimiter(
            SimRateRedis(process, world.rates, world.tats, world.rate),  # type: ignore[arg-type]
            world.rate,
            process.clock,
        )
        publisher = open_publisher(BROKER)
        stack.push_async_callback(publisher.close)
        relay = world.build.relay(publisher, books)
        await stack.enter_async_context(background(relay.run(), name="relay"))
        await stack.enter_async_context(background(relay.sweep(), name="sweeper"))
        commits = [LedgerLane(BROKER) for _ in range(LANES)]
        lanes = await stack.enter_async_context(
            Lanes(
                [_group_commit(lane, relay) for lane in commits],
                max_batch=MAX_BATCH,
                max_waiting=MAX_WAITING,
            )
        )
        tokens = SimTokens(process)
        admission = Admission(
            tokens, tokens, process.clock, bounds={}, default=Bounds(MAX_INCREMENT)
        )
        desk: Any = SimDesk(process)
        corrections = Corrections(desk, desk, relay.offer)
        await stack.enter_async_context(background(corrections.work(), name="reversals"))
        yield ScoreParts(
            AcceptIncrements(admission, limiter, lanes, books, process.clock), corrections
        )


@asynccontextmanager
async def scoreboard(process: Process) -> AsyncGenerator[Audit]:
    """`services.scoreboard.main`."""
    world = process.world
    async with AsyncExitStack() as stack:
        ledger = SimBooks(process, patience=UPSTREAM_SECONDS)
        board: Any = SimBoard(process)
        snapshots = Publisher(BROKER, LEADERBOARD_UPDATED.name, client_id=process.name)
        stack.push_async_callback(snapshots.close)
        letters = Publisher(BROKER, SCORE_UPDATES_DLQ.name, client_id=process.name)
        stack.push_async_callback(letters.close)
        announcer = Announcer(
            board,
            world.build.snapshots(snapshots, process.clock, **PLACE),
            window_seconds=WINDOW_SECONDS,
            heartbeat_seconds=HEARTBEAT_SECONDS,
        )
        rebuild = Rebuild(board, ledger, UpdatesLog(BROKER), process.clock)
        audit = Audit(board, ledger, rebuild, announcer, interval_seconds=AUDIT_SECONDS)
        consumer = Consumer(
            BROKER,
            group=f"scoreboard-{PLACE['region']}",
            member=process.name,
            apply=ApplyUpdates(board, announcer, DeadLetters(letters, process.clock)),
            announcer=announcer,
            audit=audit,
            rebuild=rebuild,
        )
        await stack.enter_async_context(background(announcer.run(), name="announcer"))
        await stack.enter_async_context(background(consumer.run(), name="consumer"))
        await stack.enter_async_context(background(consumer.watch(), name="watchdog"))
        await stack.enter_async_context(background(audit.run(), name="audit"))
        yield audit


@asynccontextmanager
async def notification(process: Process) -> AsyncGenerator[NotificationParts]:
    """`services.notification.main`, with public streams only."""
    nothing: Any = None
    limits = Limits(MANY, MANY)
    async with AsyncExitStack() as stack:
        clock: Any = process.clock
        sessions = MemorySessions(limits, clock, ttl_seconds=SESSION_TTL_SECONDS)
        opening: Lane[Session, Over] = Lane(sessions.open, max_batch=MANY, max_waiting=MANY)
        await stack.enter_async_context(background(opening.run(), name="opening"))
        # What frames cost is not the world's: the same seed must give the same trace.
        hub = process.world.build.hub(
            process.clock, stall_seconds=STALL_SECONDS, cpu_seconds=process.clock.monotonic
        )
        streams = Streams(
            hub,
            nothing,
            sessions,
            opening.submit,
            nothing,
            process.clock,
            limits=limits,
            node=process.name,
            ttl_seconds=SESSION_TTL_SECONDS,
        )
        consumer = process.world.build.board_consumer(
            BROKER, PLACE["region"], hub, process.clock, node=process.name
        )
        for name, work in {
            "consumer": consumer.run(),
            "heartbeats": hub.beat(),
            "streams": streams.watch(),
        }.items():
            await stack.enter_async_context(background(work, name=name))
        yield NotificationParts(streams, hub)


@dataclass(frozen=True)
class Build:
    """The parts of the product that a broken build has others for (`broken`)."""

    ledger: type[LedgerServer] = LedgerServer
    board: type[BoardServer] = BoardServer
    relay: type[Relay] = Relay
    snapshots: type[SnapshotPublisher] = SnapshotPublisher
    hub: type[Hub] = Hub
    board_consumer: type[BoardConsumer] = BoardConsumer


def _group_commit(lane: LedgerLane, relay: Relay) -> Send[Entry, Settled]:
    async def commit(entries: Sequence[Entry]) -> Sequence[Settled]:
        done = await lane.append(entries)
        relay.offer(done)
        return done.settled

    return commit
