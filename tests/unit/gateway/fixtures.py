"""Fixtures of the gateway; for a test module by `pytest_plugins`."""

import json
from collections.abc import AsyncGenerator

import aiohttp
import pytest

from tests.unit.gateway.fakes import ADMIN, FakeServices
from tests.unit.gateway.server import MAX_INCREMENT, ORIGIN, STREAMS, running


@pytest.fixture
async def services() -> AsyncGenerator[FakeServices, None]:
    async with FakeServices().serve() as fakes:
        yield fakes


@pytest.fixture
async def client(
    services: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[aiohttp.ClientSession, None]:
    """Talks to a gateway in front of the fakes."""
    for name in ("AUTH_URL", "SCORE_URL", "SCOREBOARD_URL", "NOTIFICATION_URL"):
        monkeypatch.setenv(name, services.url)
    monkeypatch.setenv("SERVICE_SECRET", "only-for-tests")
    monkeypatch.setenv("FINGERPRINT_SECRET", "only-for-tests, which is long enough")
    monkeypatch.setenv("ALLOWED_ORIGINS", json.dumps([ORIGIN]))
    monkeypatch.setenv("STREAM_URL", STREAMS)
    monkeypatch.setenv("MAX_INCREMENT", str(MAX_INCREMENT))
    async with running() as url, aiohttp.ClientSession(url) as session:
        yield session


@pytest.fixture
def admin(services: FakeServices) -> dict[str, str]:
    """The header of somebody who may everything."""
    return services.sign_in("root", roles=["admin"], permissions=ADMIN)
