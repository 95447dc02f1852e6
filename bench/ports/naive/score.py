"""
Score: keeps every increment and every total, and tells `score-updates`.

An increment whose message is lost, because Kafka or this process fails after the commit, comes to
the board with the user's next one.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any

from aiokafka import AIOKafkaProducer
from fastapi import Depends, FastAPI, Request
from pydantic import BaseModel
from pydantic_settings import BaseSettings
from sqlalchemy import BigInteger, DateTime, func, make_url
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

TOPIC = "score-updates"
# By default there are 5, and under load a new connection for nearly every request beyond.
POOL_CONNECTIONS = 16


class Settings(BaseSettings):
    """From the environment."""

    database_url: str
    kafka_bootstrap_servers: str


class Base(DeclarativeBase):
    """The tables of this service."""


class UserScore(Base):
    """What a user has."""

    __tablename__ = "user_scores"

    user_id: Mapped[str] = mapped_column(primary_key=True)
    total: Mapped[int] = mapped_column(BigInteger)


class ScoreEntry(Base):
    """An increment that was accepted."""

    __tablename__ = "score_entries"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user_id: Mapped[str] = mapped_column(index=True)
    score_increment: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


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
    url = make_url(settings.database_url).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url, pool_size=POOL_CONNECTIONS, max_overflow=0)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        key_serializer=str.encode,
        value_serializer=lambda value: json.dumps(value).encode(),
    ) as producer:
        yield {
            "sessions": async_sessionmaker(engine, expire_on_commit=False),
            "producer": producer,
        }
    await engine.dispose()


app = FastAPI(title="score", lifespan=lifespan)


async def get_session(request: Request) -> AsyncGenerator[AsyncSession, None]:
    async with request.state.sessions() as session:
        yield session


@app.post("/scores")
async def add_score(
    body: ScoreIncrement,
    request: Request,
    session: Annotated[AsyncSession, Depends(get_session)],
) -> NewScore:
    """Add to a user's score, commit, and tell the scoreboard."""
    user = await session.get(UserScore, body.user_id, with_for_update=True)
    if user is None:
        # Somebody else may be first with this user, too.
        new = insert(UserScore).values(user_id=body.user_id, total=0)
        await session.execute(new.on_conflict_do_nothing())
        user = await session.get_one(UserScore, body.user_id, with_for_update=True)
    user.total += body.score_increment
    session.add(ScoreEntry(user_id=body.user_id, score_increment=body.score_increment))
    await session.commit()
    await request.state.producer.send_and_wait(
        TOPIC, {"user_id": user.user_id, "score": user.total}, key=user.user_id
    )
    return NewScore(user_id=user.user_id, new_score=user.total)
