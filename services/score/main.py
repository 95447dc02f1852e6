"""Builds the score service: `uvicorn services.score.main:app`."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI

from libs.common.app import create_service
from libs.common.batching import Lanes, Send
from libs.common.clock import system_clock
from libs.common.health import Readiness
from libs.common.identity import (
    ServiceDoor,
    auth_keys,
    context_verifier,
    grant_verifier,
    open_session,
)
from libs.common.tasks import background
from libs.common.tokens import Audience
from services.score.domain.bots import rules_with
from services.score.domain.bounds import Bounds
from services.score.domain.corrections import ApprovalLimits
from services.score.domain.increments import Entry, Settled
from services.score.domain.rates import Rate
from services.score.publisher import Relay, open_publisher
from services.score.routes import admin, reviews
from services.score.routes.express import Express
from services.score.routes.internal import gateway, scoreboard
from services.score.routes.parts import Parts
from services.score.settings import Settings
from services.score.store.books import Books
from services.score.store.cases import Cases
from services.score.store.database import open_engine
from services.score.store.ledger import LedgerLane
from services.score.store.limiter import RedisLimiter, open_redis
from services.score.store.reviews import ReviewQueue
from services.score.store.signals import RedisSignals
from services.score.store.users import Users
from services.score.usecases.admission import Admission
from services.score.usecases.corrections import Corrections
from services.score.usecases.increments import AcceptIncrements
from services.score.usecases.reviews import Reviews
from services.score.usecases.suspicion import WatchIncrements

# 500 increments, each with a signed context.
MAX_BODY_BYTES = 2 * 1024 * 1024
BOOKS_CONNECTIONS = 4
# The relay waits no longer for a connection that died without a word, and the board with it.
BOOKS_STATEMENT_SECONDS = 3.0
DESK_CONNECTIONS = 5


@asynccontextmanager
async def lifespan(app: FastAPI, ready: Readiness) -> AsyncGenerator[dict[str, Any], None]:
    settings = Settings()
    url = settings.database_url.get_secret_value()
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(open_session())
        keys = auth_keys(session, settings.auth_url)
        contexts = context_verifier(keys, Audience.SCORE)
        ready.add("auth", keys.check)

        engine = open_engine(
            url,
            name="score-books",
            connections=BOOKS_CONNECTIONS,
            statement_seconds=BOOKS_STATEMENT_SECONDS,
        )
        stack.push_async_callback(engine.dispose)
        # Its own pool: a long look at the ledger must not keep the outbox waiting.
        desk = open_engine(url, name="score-desk", connections=DESK_CONNECTIONS)
        stack.push_async_callback(desk.dispose)
        books = Books(engine)
        ready.add("postgresql", books.check)

        redis = open_redis(settings.redis_url.get_secret_value())
        stack.push_async_callback(redis.aclose)
        limiter = RedisLimiter(
            redis, Rate(settings.rate_limit_per_second, settings.rate_limit_burst)
        )

        publisher = open_publisher(settings.kafka_bootstrap_servers)
        stack.push_async_callback(publisher.close)
        relay = Relay(publisher, books)
        await stack.enter_async_context(background(relay.run(), name="relay"))
        await stack.enter_async_context(background(relay.sweep(), name="sweeper"))

        rules = rules_with(settings.bot_rules)
        signals = RedisSignals(redis, rules, rate_per_second=settings.rate_limit_per_second)
        queue = ReviewQueue(desk, relay.offer)
        watch = WatchIncrements(signals, queue)
        await stack.enter_async_context(background(watch.run(), name="bots"))

        commits = [LedgerLane(url) for _ in range(settings.lanes)]
        for lane in commits:
            stack.push_async_callback(lane.close)
        lanes = await stack.enter_async_context(
            Lanes(
                [_group_commit(lane, relay, watch) for lane in commits],
                max_batch=settings.max_batch,
                max_waiting=settings.max_waiting,
            )
        )
        admission = Admission(
            contexts,
            grant_verifier(keys),
            system_clock,
            bounds=_bounds(settings),
            default=Bounds(settings.max_increment),
        )
        users = Users(desk)
        limits = ApprovalLimits(settings.approval_entries, settings.approval_points)
        corrections = Corrections(Cases(desk, limits), users, relay.offer)
        await stack.enter_async_context(background(corrections.work(), name="reversals"))
        judge = Reviews(queue, corrections, signals, rules)
        await stack.enter_async_context(background(judge.count(), name="reviews"))
        yield {
            "parts": Parts(
                accept=AcceptIncrements(admission, limiter, lanes, books, system_clock),
                books=books,
                corrections=corrections,
                users=users,
                reviews=judge,
                contexts=contexts,
                gateway_door=ServiceDoor(keys, callers=frozenset({"gateway"})),
                scoreboard_door=ServiceDoor(keys, callers=frozenset({"scoreboard"})),
            )
        }


def _bounds(settings: Settings) -> dict[str, Bounds]:
    return {
        role: Bounds(own.per_request or settings.max_increment, own.per_day, own.grant_required)
        for role, own in settings.role_bounds.items()
    }


def _group_commit(lane: LedgerLane, relay: Relay, watch: WatchIncrements) -> Send[Entry, Settled]:
    async def commit(entries: Sequence[Entry]) -> Sequence[Settled]:
        done = await lane.append(entries)
        relay.offer(done)
        watch.offer(entries, done)
        return done.settled

    return commit


app = create_service(
    "score",
    lifespan,
    [gateway, scoreboard, admin.router, reviews.router],
    max_body_bytes=MAX_BODY_BYTES,
    edge=Express,
    docs_url=None,
)
