"""
Score: keeps every increment and every total, and tells `score-updates`.

The answer waits for the commit, not for Kafka. A message that Kafka never takes, or that is still
in the producer when this process is killed, is lost: the board lacks the increment until the
user's next one, and nothing notices.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel
from pydantic_settings import BaseSettings

TOPIC = "score-updates"
POOL_CONNECTIONS = 16
LINGER_MS = 5

TABLES = """
    CREATE TABLE IF NOT EXISTS user_scores (
        user_id text PRIMARY KEY,
        total bigint NOT NULL
    );
    CREATE TABLE IF NOT EXISTS score_entries (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        user_id text NOT NULL,
        score_increment integer NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX IF NOT EXISTS score_entries_by_user ON score_entries (user_id);
"""

# One statement is one transaction, and one way to the server and back.
ADD_SCORE = """
    WITH entry AS (
        INSERT INTO score_entries (user_id, score_increment) VALUES ($1, $2)
    )
    INSERT INTO user_scores AS known (user_id, total) VALUES ($1, $2)
    ON CONFLICT (user_id) DO UPDATE SET total = known.total + excluded.total
    RETURNING total
"""


class Settings(BaseSettings):
    """From the environment."""

    database_url: str
    kafka_bootstrap_servers: str


class ScoreIncrement(BaseModel):
    """What the gateway asks for."""

    user_id: str
    score_increment: int


class NewScore(BaseModel):
    """What the user has now."""

    user_id: str
    new_score: int


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any], None]:
    settings = Settings()
    async with (
        asyncpg.create_pool(
            settings.database_url, min_size=POOL_CONNECTIONS, max_size=POOL_CONNECTIONS
        ) as pool,
        AIOKafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap_servers, linger_ms=LINGER_MS
        ) as producer,
    ):
        await pool.execute(TABLES)
        yield {"pool": pool, "producer": producer}


app = FastAPI(title="score", lifespan=lifespan)


@app.post("/scores", response_model=NewScore)
async def add_score(body: ScoreIncrement, request: Request) -> Response:
    """Add to a user's score, commit, and leave it to the producer to tell the scoreboard."""
    total = await request.state.pool.fetchval(ADD_SCORE, body.user_id, body.score_increment)
    message = json.dumps({"user_id": body.user_id, "score": total}).encode()
    await request.state.producer.send(TOPIC, message, key=body.user_id.encode())
    answer = NewScore(user_id=body.user_id, new_score=total)
    return Response(answer.model_dump_json(), media_type="application/json")
