"""The rate limit in Redis, one call per batch; in this process alone while Redis is away."""

from collections.abc import Sequence
from pathlib import Path

from cachetools import TTLCache
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from libs.common import metrics
from libs.common.clock import Clock, system_clock
from libs.common.logs import Trouble
from services.score.domain.rates import Decision, Rate, admit

TIMEOUT_SECONDS = 0.1
COOL_DOWN_SECONDS = 1.0
LOCAL_USERS = 100_000

_SCRIPT = Path(__file__).with_name("rate_limit.lua").read_text("utf-8")


class LocalLimiter:
    """Counts in this process only: with N replicas a user gets N times the rate."""

    def __init__(self, rate: Rate, clock: Clock = system_clock) -> None:
        self._rate = rate
        self._clock = clock
        self._tats: TTLCache[str, int] = TTLCache(
            LOCAL_USERS, ttl=rate.burst / rate.per_second + 1, timer=clock.monotonic
        )

    async def take(self, users: Sequence[str]) -> list[Decision]:
        now_us = int(self._clock.monotonic() * 1_000_000)
        decisions = []
        for user in users:
            self._tats[user], decision = admit(self._tats.get(user, 0), now_us, self._rate)
            decisions.append(decision)
        return decisions


class RedisLimiter:
    """Counts for all replicas; counts locally while Redis fails, and tries again after 1 s."""

    def __init__(self, redis: Redis, rate: Rate, clock: Clock = system_clock) -> None:
        self._script = redis.register_script(_SCRIPT)
        self._rate = rate
        self._clock = clock
        self._local = LocalLimiter(rate, clock)
        self._retry_at = float("-inf")
        self._trouble = Trouble("rate_limit_is_local")

    async def take(self, users: Sequence[str]) -> list[Decision]:
        if self._clock.monotonic() >= self._retry_at:
            try:
                decisions = await self._ask(users)
            except (RedisError, OSError, TimeoutError) as error:
                self._retry_at = self._clock.monotonic() + COOL_DOWN_SECONDS
                self._trouble.met(error)
            else:
                self._trouble.over()
                return decisions
        metrics.LOCAL_LIMITER.inc(len(users))
        return await self._local.take(users)

    async def _ask(self, users: Sequence[str]) -> list[Decision]:
        # One hash tag: all keys of one call must live in one slot of a cluster.
        keys = [f"{{rate}}:{user}" for user in users]
        text = await self._script(keys, [self._rate.interval_us, self._rate.burst])
        flat = [int(number) for number in text.split()]
        return [
            Decision(bool(allowed), remaining, wait_us / 1_000_000)
            for allowed, remaining, wait_us in zip(flat[::3], flat[1::3], flat[2::3], strict=True)
        ]


def open_redis(url: str) -> Redis:
    """A client that gives up fast: the limiter has another way to answer."""
    return Redis.from_url(
        url,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
