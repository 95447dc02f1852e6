"""Builds the score service: `uvicorn services.score.main:app`."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI

from libs.common.app import create_service
from libs.common.batching import Lanes, Send
from libs.common.health import Readiness
from libs.common.identity import ServiceDoor, auth_keys, context_verifier, open_session
from libs.common.tasks import background
from libs.common.tokens import Audience
from services.score.domain.increments import Entry, Settled
from services.score.domain.rates import Rate
from services.score.publisher import Relay, open_publisher
from services.score.routes.internal import gateway, scoreboard
from services.score.routes.parts import Parts
from services.score.settings import Settings
from services.score.store.books import Books, open_engine
from services.score.store.ledger import LedgerLane
from services.score.store.limiter import RedisLimiter, open_redis
from services.score.usecases.increments import AcceptIncrements

# 500 increments, each with a signed context.
MAX_BODY_BYTES = 2 * 1024 * 1024


@asynccontextmanager
async def lifespan(app: FastAPI, ready: Readiness) -> AsyncGenerator[dict[str, Any], None]:
    settings = Settings()
    url = settings.database_url.get_secret_value()
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(open_session())
        keys = auth_keys(session, settings.auth_url)
        contexts = context_verifier(keys, Audience.SCORE)
        ready.add("auth", keys.check)

        engine = open_engine(url)
        stack.push_async_callback(engine.dispose)
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

        commits = [LedgerLane(url) for _ in range(settings.lanes)]
        for lane in commits:
            stack.push_async_callback(lane.close)
        lanes = await stack.enter_async_context(
            Lanes(
                [_group_commit(lane, relay) for lane in commits],
                max_batch=settings.max_batch,
                max_waiting=settings.max_waiting,
            )
        )
        accept = AcceptIncrements(
            contexts, limiter, lanes, books, max_increment=settings.max_increment
        )
        yield {
            "parts": Parts(
                accept=accept,
                books=books,
                contexts=contexts,
                gateway_door=ServiceDoor(keys, callers=frozenset({"gateway"})),
                scoreboard_door=ServiceDoor(keys, callers=frozenset({"scoreboard"})),
            )
        }


def _group_commit(lane: LedgerLane, relay: Relay) -> Send[Entry, Settled]:
    async def commit(entries: Sequence[Entry]) -> Sequence[Settled]:
        done = await lane.append(entries)
        relay.offer(done)
        return done.settled

    return commit


app = create_service(
    "score", lifespan, [gateway, scoreboard], max_body_bytes=MAX_BODY_BYTES, docs_url=None
)
