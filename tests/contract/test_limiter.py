"""One suite for the limiter in this process and the limiter in Redis."""

from collections.abc import AsyncIterator
from typing import Protocol

import pytest
from redis.asyncio import Redis

from services.score.domain.rates import Decision, Rate
from services.score.store.limiter import LocalLimiter, RedisLimiter, open_redis

FIVE = Rate(per_second=5, burst=5)


class Limiter(Protocol):
    async def take(self, users: list[str]) -> list[Decision]: ...


@pytest.fixture(params=["local", "redis"])
async def limiter(request: pytest.FixtureRequest) -> AsyncIterator[Limiter]:
    if request.param == "local":
        yield LocalLimiter(FIVE)
        return
    redis = open_redis(request.getfixturevalue("redis_url"))
    yield RedisLimiter(redis, FIVE)
    await redis.aclose()


async def test_a_burst_passes_and_the_next_waits(limiter: Limiter) -> None:
    decisions = await limiter.take(["alice"] * 6)
    assert [d.allowed for d in decisions] == [True] * 5 + [False]
    assert [d.remaining for d in decisions] == [4, 3, 2, 1, 0, 0]
    assert 0 < decisions[5].retry_after_seconds <= 0.2


async def test_users_do_not_slow_each_other(limiter: Limiter) -> None:
    await limiter.take(["alice"] * 6)
    (decision,) = await limiter.take(["bob"])
    assert decision.allowed


async def test_the_limit_holds_over_several_calls(limiter: Limiter) -> None:
    decisions = [(await limiter.take(["alice"]))[0] for _ in range(6)]
    assert sum(d.allowed for d in decisions) == 5


async def test_a_time_far_ahead_is_cut(redis_url: str) -> None:
    redis = open_redis(redis_url)
    await redis.set("{rate}:alice", "9999999999999999")
    (decision,) = await RedisLimiter(redis, FIVE).take(["alice"])
    await redis.aclose()
    assert decision.retry_after_seconds <= 1


async def test_without_redis_users_are_limited_here() -> None:
    limiter = RedisLimiter(Redis(host="127.0.0.1", port=1), FIVE)
    decisions = await limiter.take(["alice"] * 6)
    assert [d.allowed for d in decisions] == [True] * 5 + [False]
