"""What a contender's stores hold, read past its services."""

from typing import Any, cast

import asyncpg
from redis.asyncio import Redis

QUERY_SECONDS = 60
MEMBERS_PER_PAGE = 10_000

Page = list[tuple[bytes, float]]


async def one_row(database_url: str, query: str) -> tuple[Any, ...]:
    """The one row that a query gives."""
    connection = await asyncpg.connect(database_url)
    try:
        return tuple(await connection.fetchrow(query, timeout=QUERY_SECONDS))
    finally:
        await connection.close()


async def sum_of_scores(redis_url: str, key: str) -> int:
    """Over all members of a sorted set; exact while nobody writes to it."""
    total = start = 0
    async with Redis.from_url(redis_url) as redis:
        while True:
            end = start + MEMBERS_PER_PAGE - 1
            page = cast("Page", await redis.zrange(key, start, end, withscores=True))
            total += sum(int(score) for _, score in page)
            start += MEMBERS_PER_PAGE
            if len(page) < MEMBERS_PER_PAGE:
                return total
