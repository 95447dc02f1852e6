"""
Shared fixtures: real servers for the session, a clean database and Redis for each test.

A server is found by `TEST_DATABASE_URL`, `TEST_REDIS_URL` or `TEST_KAFKA_BOOTSTRAP_SERVERS`; or it
is a container if a Docker engine answers; or embedded, which needs nothing.
"""

from collections.abc import Iterator
from itertools import count

import asyncpg
import pytest
import redis

from libs.common.kafka import ensure_topics
from libs.devstack import provision
from tests import servers
from tests.stack import UNLIMITED, RunningStack, running_stack

_TEMPLATE = "live_scoreboard_template"
_numbers = count(1)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The administrator's URL of the session's PostgreSQL."""
    with servers.find("TEST_DATABASE_URL", "postgres") as url:
        yield url


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """The session's Valkey or Redis, in whatever state other tests left it."""
    with servers.find("TEST_REDIS_URL", "valkey") as url:
        yield url


@pytest.fixture
def redis_url(valkey_url: str) -> str:
    """The session's Valkey, emptied for this test."""
    with redis.Redis.from_url(valkey_url) as client:
        client.flushdb()
    return valkey_url


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Iterator[str]:
    """The session's broker with all topics; tests keep apart by keys and groups of their own."""
    with servers.find("TEST_KAFKA_BOOTSTRAP_SERVERS", "kafka") as bootstrap:
        servers.run(ensure_topics(bootstrap, replication=1))
        yield bootstrap


@pytest.fixture(scope="session")
def template_database(postgres_url: str) -> Iterator[str]:
    """Name of a database with both services' migrations; roles log in with `servers.PASSWORD`."""
    servers.run(_execute(postgres_url, f"DROP DATABASE IF EXISTS {_TEMPLATE} WITH (FORCE)"))
    url = servers.run(provision.create_database(postgres_url, _TEMPLATE))
    tenants = (provision.AUTH, provision.SCORE)
    servers.run(provision.migrate(url, dict.fromkeys(tenants, servers.PASSWORD)))
    yield _TEMPLATE
    servers.run(_execute(postgres_url, f"DROP DATABASE {_TEMPLATE} WITH (FORCE)"))


@pytest.fixture
def database_url(postgres_url: str, template_database: str) -> Iterator[str]:
    """
    A fresh migrated database, as its administrator.

    As a service: `provision.with_login(database_url, provision.SCORE.role, servers.PASSWORD)`.
    """
    name = f"live_scoreboard_test_{next(_numbers)}"
    servers.run(_execute(postgres_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
    servers.run(_execute(postgres_url, f"CREATE DATABASE {name} TEMPLATE {template_database}"))
    yield provision.with_database(postgres_url, name)
    servers.run(_execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """All servers and services, without demo players and with a rate limit out of the way."""
    with running_stack(UNLIMITED) as stack:
        yield stack


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
