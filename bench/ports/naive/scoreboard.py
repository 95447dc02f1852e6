"""
Scoreboard: keeps the board in Redis, and tells `leaderboard_updated` when the best ten change.

Debounced: what changes within 50 ms is told once, at their end.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from fastapi import FastAPI, Request
from pydantic import BaseModel
from pydantic_settings import BaseSettings
from redis.asyncio import Redis

SCORE_UPDATES = "score-updates"
LEADERBOARD_UPDATED = "leaderboard_updated"
LEADERBOARD = "leaderboard"
DEBOUNCE_SECONDS = 0.05

Rows = list[tuple[str, float]]


class Settings(BaseSettings):
    """From the environment."""

    redis_url: str
    kafka_bootstrap_servers: str


class Entry(BaseModel):
    """A place on the board."""

    user_id: str
    score: int


class Leaderboard(BaseModel):
    """The best ten, best first."""

    top_10: list[Entry]


class Announcer:
    """Tells of new boards, of several within the debounce only the newest."""

    def __init__(self, producer: AIOKafkaProducer, tasks: asyncio.TaskGroup) -> None:
        self._producer = producer
        self._tasks = tasks
        self._waiting: Leaderboard | None = None

    def announce(self, board: Leaderboard) -> None:
        if self._waiting is None:
            self._tasks.create_task(self._send())
        self._waiting = board

    async def _send(self) -> None:
        await asyncio.sleep(DEBOUNCE_SECONDS)
        board, self._waiting = self._waiting, None
        assert board is not None
        message = {**board.model_dump(), "timestamp": time.time()}
        await self._producer.send_and_wait(LEADERBOARD_UPDATED, message, key="global")


async def read_board(redis: Redis) -> Leaderboard:
    rows = cast("Rows", await redis.zrevrange(LEADERBOARD, 0, 9, withscores=True))
    return Leaderboard(top_10=[Entry(user_id=user, score=int(score)) for user, score in rows])


async def follow(consumer: AIOKafkaConsumer, redis: Redis, announcer: Announcer) -> None:
    """Bring the board up to date, message by message."""
    announced = await read_board(redis)
    async for message in consumer:
        update = message.value
        # Messages about one user may overtake each other; totals only ever grow.
        await redis.zadd(LEADERBOARD, {update["user_id"]: update["score"]}, gt=True)
        board = await read_board(redis)
        if board != announced:
            announcer.announce(board)
            announced = board


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any], None]:
    settings = Settings()
    async with (
        Redis.from_url(settings.redis_url, decode_responses=True) as redis,
        AIOKafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap_servers,
            key_serializer=str.encode,
            value_serializer=lambda value: json.dumps(value).encode(),
        ) as producer,
        AIOKafkaConsumer(
            SCORE_UPDATES,
            bootstrap_servers=settings.kafka_bootstrap_servers,
            group_id="scoreboard",
            auto_offset_reset="earliest",
            value_deserializer=json.loads,
        ) as consumer,
        asyncio.TaskGroup() as tasks,
    ):
        following = tasks.create_task(follow(consumer, redis, Announcer(producer, tasks)))
        yield {"redis": redis}
        following.cancel()


app = FastAPI(title="scoreboard", lifespan=lifespan)


@app.get("/leaderboard")
async def leaderboard(request: Request) -> Leaderboard:
    """The board as Redis has it."""
    return await read_board(request.state.redis)
