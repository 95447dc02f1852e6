"""The connections to Redis, and how its failures are told."""

from collections.abc import Awaitable
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from libs.common.errors import Unavailable

MAX_CONNECTIONS = 20
SOCKET_TIMEOUT_SECONDS = 1.0
POOL_WAIT_SECONDS = 1.0

PREFIX = "{streams}"


def open_redis(url: str) -> Redis:
    """A pool that waits for nothing longer than a second, and tries a broken connection again."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=POOL_WAIT_SECONDS,
        socket_timeout=SOCKET_TIMEOUT_SECONDS,
        socket_connect_timeout=SOCKET_TIMEOUT_SECONDS,
        # Every command here may run twice; a ticket redeemed twice is refused, not shared.
        retry=Retry(NoBackoff(), 1),
        decode_responses=True,
    )
    return Redis.from_pool(pool)


async def asked(answer: Any) -> Any:
    """What Redis answers. Raises `Unavailable`."""
    try:
        return await cast("Awaitable[Any]", answer)
    except (RedisError, OSError) as error:
        raise Unavailable("the sessions' store does not answer") from error
