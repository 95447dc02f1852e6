"""Fixtures of notification; for a test module by `pytest_plugins`."""

import json
from collections.abc import AsyncGenerator

import pytest

from libs.common.contracts.topics import LEADERBOARD_UPDATED
from libs.common.kafka import Publisher
from tests.fake_auth import SECRET, FakeAuth
from tests.notification_server import ORIGIN, Board, FakeScoreboard, Start, starter


@pytest.fixture
async def fake_auth() -> AsyncGenerator[FakeAuth, None]:
    async with FakeAuth().listening() as auth:
        yield auth


@pytest.fixture
async def fake_scoreboard() -> AsyncGenerator[FakeScoreboard, None]:
    async with FakeScoreboard().listening() as scoreboard:
        yield scoreboard


@pytest.fixture
async def board(kafka_bootstrap: str) -> AsyncGenerator[Board, None]:
    publisher = Publisher(kafka_bootstrap, LEADERBOARD_UPDATED.name, client_id="tests")
    yield Board(publisher)
    await publisher.close()


@pytest.fixture
async def start(
    redis_url: str,
    kafka_bootstrap: str,
    fake_auth: FakeAuth,
    fake_scoreboard: FakeScoreboard,
    board: Board,
) -> AsyncGenerator[Start, None]:
    """Starts notification: `await start(REGION="…")`; arguments go to uvicorn."""
    environment = {
        "REDIS_URL": redis_url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "AUTH_URL": fake_auth.url,
        "SCOREBOARD_URL": fake_scoreboard.url,
        "SERVICE_SECRET": SECRET,
        "REGION": board.region,
        "ALLOWED_ORIGINS": json.dumps([ORIGIN]),
    }
    async with starter(environment) as start:
        yield start
