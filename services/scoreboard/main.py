"""Builds the scoreboard service: `uvicorn services.scoreboard.main:app`."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI

from libs.common.app import create_service
from libs.common.clock import system_clock
from libs.common.contracts.topics import LEADERBOARD_UPDATED, SCORE_UPDATES, SCORE_UPDATES_DLQ
from libs.common.contracts.values import GLOBAL_BOARD
from libs.common.errors import BrokerTrouble
from libs.common.health import Readiness
from libs.common.identity import ServiceIdentity, open_session
from libs.common.kafka import Publisher, end_offsets
from libs.common.tasks import background
from services.scoreboard.consumer import Consumer
from services.scoreboard.publisher import DeadLetters, SnapshotPublisher
from services.scoreboard.routes import Parts, router
from services.scoreboard.settings import Settings
from services.scoreboard.store.board import Keys, RedisBoard, open_redis
from services.scoreboard.store.pages import Pages
from services.scoreboard.upstream import ScoreClient
from services.scoreboard.usecases.announce import Announcer
from services.scoreboard.usecases.apply import ApplyUpdates
from services.scoreboard.usecases.audit import Audit
from services.scoreboard.usecases.rebuild import Rebuild

# 1,000 user ids of 64 characters.
MAX_BODY_BYTES = 128 * 1024


class UpdatesLog:
    """The end of `score-updates`, as far as a broker answers."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    async def ends(self) -> Mapping[int, int]:
        try:
            return await end_offsets(self._bootstrap, SCORE_UPDATES.name)
        except BrokerTrouble:
            return {}


@asynccontextmanager
async def lifespan(app: FastAPI, ready: Readiness) -> AsyncGenerator[dict[str, Any], None]:
    settings = Settings()
    bootstrap = settings.kafka_bootstrap_servers
    place = {"region": settings.region, "board": GLOBAL_BOARD}
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(open_session())
        identity = ServiceIdentity(
            session, settings.auth_url, "scoreboard", settings.service_secret
        )
        ledger = ScoreClient(session, settings.score_url, identity, **place)

        redis = open_redis(settings.redis_url.get_secret_value())
        stack.push_async_callback(redis.aclose)
        keys = Keys(**place)
        board = RedisBoard(redis, keys)
        ready.add("redis", board.check)

        snapshots = Publisher(bootstrap, LEADERBOARD_UPDATED.name, client_id="scoreboard-snapshots")
        stack.push_async_callback(snapshots.close)
        letters = Publisher(bootstrap, SCORE_UPDATES_DLQ.name, client_id="scoreboard-dlq")
        stack.push_async_callback(letters.close)

        announcer = Announcer(
            board,
            SnapshotPublisher(snapshots, system_clock, **place),
            window_seconds=settings.window_ms / 1000,
            heartbeat_seconds=settings.heartbeat_seconds,
        )
        rebuild = Rebuild(board, ledger, UpdatesLog(bootstrap), system_clock)
        audit = Audit(board, ledger, rebuild, announcer, interval_seconds=settings.audit_seconds)
        consumer = Consumer(
            bootstrap,
            group=f"scoreboard-{settings.region}",
            member=f"scoreboard-{settings.region}-{settings.replica}",
            apply=ApplyUpdates(board, announcer, DeadLetters(letters, system_clock)),
            announcer=announcer,
            audit=audit,
            rebuild=rebuild,
        )
        await stack.enter_async_context(background(announcer.run(), name="announcer"))
        await stack.enter_async_context(background(consumer.run(), name="consumer"))
        await stack.enter_async_context(background(consumer.watch(), name="watchdog"))
        await stack.enter_async_context(background(audit.run(), name="audit"))
        yield {"parts": Parts(Pages(redis, keys, GLOBAL_BOARD))}


app = create_service("scoreboard", lifespan, [router], max_body_bytes=MAX_BODY_BYTES, docs_url=None)
