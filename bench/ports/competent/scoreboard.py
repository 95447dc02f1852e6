"""
Scoreboard: keeps the board in Redis, and tells `leaderboard_updated` when the best ten change.

Throttled: a change is told at once, the next ones together after 50 ms.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from fastapi import FastAPI, Request, Response
from pydantic_settings import BaseSettings
from redis.asyncio import Redis

SCORE_UPDATES = "score-updates"
LEADERBOARD_UPDATED = "leaderboard_updated"
LEADERBOARD = "leaderboard"
THROTTLE_SECONDS = 0.05
FETCH_MS = 1000
MAX_RECORDS = 500

Rows = list[tuple[str, float]]


class Settings(BaseSettings):
    """From the environment."""

    redis_url: str
    kafka_bootstrap_servers: str


class Board:
    """The best ten, as Redis last had them."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._rows: Rows = []
        self.changed = asyncio.Event()

    async def follow(self, consumer: AIOKafkaConsumer) -> None:
        """Bring the board up to date, one round trip for each message."""
        while True:
            fetched = await consumer.getmany(timeout_ms=FETCH_MS, max_records=MAX_RECORDS)
            for records in fetched.values():
                for record in records:
                    await self._apply(json.loads(record.value))

    async def _apply(self, update: dict[str, Any]) -> None:
        async with self._redis.pipeline(transaction=False) as pipe:
            # Messages about one user may overtake each other; totals only ever grow.
            pipe.zadd(LEADERBOARD, {update["user_id"]: update["score"]}, gt=True)
            pipe.zrevrange(LEADERBOARD, 0, 9, withscores=True)
            _, rows = await pipe.execute()
        if rows != self._rows:
            self._rows = rows
            self.changed.set()

    async def announce(self, producer: AIOKafkaProducer) -> None:
        """Tell of changes as they come, at most one in 50 ms."""
        while True:
            await self.changed.wait()
            self.changed.clear()
            await producer.send_and_wait(LEADERBOARD_UPDATED, encoded(self._rows), key=b"global")
            await asyncio.sleep(THROTTLE_SECONDS)


def encoded(rows: Rows) -> bytes:
    """A board as it goes to the watchers."""
    top_10 = [{"user_id": user_id, "score": int(score)} for user_id, score in rows]
    board = {"type": "snapshot", "top_10": top_10, "timestamp": time.time()}
    return json.dumps(board, separators=(",", ":")).encode()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any], None]:
    settings = Settings()
    async with (
        Redis.from_url(settings.redis_url, decode_responses=True) as redis,
        AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers) as producer,
        AIOKafkaConsumer(
            SCORE_UPDATES,
            bootstrap_servers=settings.kafka_bootstrap_servers,
            group_id="scoreboard",
            auto_offset_reset="earliest",
        ) as consumer,
        asyncio.TaskGroup() as tasks,
    ):
        board = Board(redis)
        work = [
            tasks.create_task(each) for each in (board.follow(consumer), board.announce(producer))
        ]
        yield {"redis": redis}
        for task in work:
            task.cancel()


app = FastAPI(title="scoreboard", lifespan=lifespan)


@app.get("/leaderboard")
async def leaderboard(request: Request) -> Response:
    """The board as Redis has it."""
    rows = await request.state.redis.zrevrange(LEADERBOARD, 0, 9, withscores=True)
    return Response(encoded(rows), media_type="application/json")
