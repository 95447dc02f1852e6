"""A crowd in the product's ledger and on its board, as if each had scored once."""

import asyncio
from collections.abc import Mapping
from hashlib import md5

import aiohttp
import asyncpg
from redis.asyncio import Redis
from rich.console import Console

from tests.faults.rebuild import fill

BUILD_SECONDS = 300
POLL_SECONDS = 0.2
# What filling left to be done later would be done while we measure.
TIDY = ("VACUUM ANALYZE score.score_entry", "VACUUM ANALYZE score.user_score", "CHECKPOINT")


async def gather(urls: Mapping[str, str], users: int) -> None:
    """Fill the ledger by SQL, and have the board built from it. Raises `TimeoutError`."""
    await fill(urls["postgres"], users, Console(quiet=True))
    connection = await asyncpg.connect(urls["postgres"])
    try:
        for statement in TIDY:
            await connection.execute(statement)
    finally:
        await connection.close()
    async with Redis.from_url(urls["valkey"]) as redis:
        await redis.flushall()
    async with asyncio.timeout(BUILD_SECONDS), aiohttp.ClientSession(urls["gateway"]) as session:
        while not await _shown(session, users):
            await asyncio.sleep(POLL_SECONDS)
    async with asyncio.timeout(BUILD_SECONDS), Redis.from_url(urls["valkey"]) as redis:
        await _rewrite(redis)


def members(users: int, count: int) -> list[str]:
    """So many of them, from the first place of the board to the last."""
    numbers = (1 + place * users // count for place in range(count))
    return ["u_" + md5(b"%d" % number, usedforsecurity=False).hexdigest() for number in numbers]


async def _rewrite(redis: Redis) -> None:
    """Have the log of what filled the board made short, which it would be in the midst of a run."""
    while await _rewriting(redis):  # it has begun by itself
        await asyncio.sleep(POLL_SECONDS)
    await redis.bgrewriteaof()
    while await _rewriting(redis):
        await asyncio.sleep(POLL_SECONDS)


async def _rewriting(redis: Redis) -> bool:
    state = await redis.info("persistence")
    return bool(state["aof_rewrite_in_progress"] or state["aof_rewrite_scheduled"])


async def _shown(session: aiohttp.ClientSession, users: int) -> bool:
    async with session.get("/api/leaderboard") as answer:
        return answer.status == 200 and int((await answer.json())["total"]) >= users
