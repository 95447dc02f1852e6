"""What every throttle promises; with nobody at Redis's address, too."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from libs.common.errors import RateLimited
from services.auth.store.throttle import RedisThrottle
from services.auth.usecases.limits import Limit, Throttle
from tests.fakes_auth import MemoryThrottle

LIMIT = Limit("test", 5, 300)
OTHER = Limit("other", 5, 300)


@pytest.fixture(params=["memory", "redis", "no redis"])
async def throttle(request: pytest.FixtureRequest) -> AsyncGenerator[Throttle]:
    if request.param == "memory":
        yield MemoryThrottle()
        return
    here = request.param == "redis"
    url = request.getfixturevalue("redis_url") if here else "redis://127.0.0.1:1/0"
    redis = RedisThrottle(url)
    yield redis
    await redis.close()


async def exhaust(throttle: Throttle) -> None:
    for _ in range(LIMIT.attempts):
        await throttle.count(LIMIT, "alice")


async def test_the_limit_is_exact(throttle: Throttle) -> None:
    await exhaust(throttle)

    with pytest.raises(RateLimited) as refused:
        await throttle.count(LIMIT, "alice")

    assert 1 <= refused.value.retry_after_seconds <= LIMIT.seconds


async def test_attempts_at_once_are_counted_one_by_one(throttle: Throttle) -> None:
    results = await asyncio.gather(
        *(throttle.count(LIMIT, "alice") for _ in range(20)), return_exceptions=True
    )

    assert sum(isinstance(result, RateLimited) for result in results) == 15


async def test_keys_and_limits_are_apart(throttle: Throttle) -> None:
    await exhaust(throttle)

    await throttle.count(LIMIT, "bob")
    await throttle.count(OTHER, "alice")


async def test_what_is_forgiven_is_forgotten(throttle: Throttle) -> None:
    await exhaust(throttle)

    await throttle.forgive(LIMIT, "alice")
    await throttle.forgive(LIMIT, "nobody")

    await throttle.count(LIMIT, "alice")
