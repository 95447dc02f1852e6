"""
Counts of attempts, in Redis for all replicas together.

While Redis does not answer, each process counts for itself: looser by the number of replicas, never
unlimited, and never an outage.
"""

import structlog
from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import RateLimiter, SlidingWindowCounterRateLimiter
from limits.errors import StorageError
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from libs.common.clock import system_clock
from libs.common.errors import RateLimited
from services.auth.usecases.limits import Limit

REDIS_SECONDS = 0.5
MAX_CONNECTIONS = 20

_log = structlog.get_logger()


class RedisThrottle:
    """Sliding windows by the `limits` library; keys start with `auth:limit`."""

    def __init__(self, url: str) -> None:
        self._pool = ConnectionPool.from_url(
            url,
            max_connections=MAX_CONNECTIONS,
            socket_timeout=REDIS_SECONDS,
            socket_connect_timeout=REDIS_SECONDS,
            # Again would be twice: a second attempt at counting might count double.
            retry=Retry(NoBackoff(), 0),
        )
        shared = RedisStorage(
            url,
            wrap_exceptions=True,
            implementation="redispy",
            key_prefix="auth:limit",
            connection_pool=self._pool,
        )
        self._shared = SlidingWindowCounterRateLimiter(shared)
        self._local = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def count(self, limit: Limit, key: str) -> None:
        """Count one attempt. Raises `RateLimited`, which says when to try again."""
        try:
            await _count(self._shared, limit, key)
        except StorageError as error:
            _log.warning("attempts_counted_locally", error=type(error.storage_error).__name__)
            await _count(self._local, limit, key)

    async def forgive(self, limit: Limit, key: str) -> None:
        """Forget the attempts."""
        try:
            await self._shared.clear(_item(limit), limit.name, key)
        except StorageError:
            await self._local.clear(_item(limit), limit.name, key)

    async def close(self) -> None:
        await self._pool.aclose()


async def _count(limiter: RateLimiter, limit: Limit, key: str) -> None:
    item = _item(limit)
    if await limiter.hit(item, limit.name, key):
        return
    window = await limiter.get_window_stats(item, limit.name, key)
    raise RateLimited(
        "too many attempts; wait before the next one",
        retry_after_seconds=min(
            max(1.0, window.reset_time - system_clock.now().timestamp()), limit.seconds
        ),
    )


def _item(limit: Limit) -> RateLimitItemPerSecond:
    return RateLimitItemPerSecond(limit.attempts, limit.seconds, namespace="tries")
