"""What the servers hold: the ledger in PostgreSQL, the board in Redis and as anybody reads it."""

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import asyncpg

from libs.common.contracts.topics import SCORE_UPDATES_DLQ
from libs.common.contracts.values import GLOBAL_BOARD
from libs.common.kafka import end_offsets
from services.scoreboard.store.board import Keys, RedisBoard, open_redis

PAGE_USERS = 100
ROWS_PER_QUERY = 1000
REGION = "local"


@dataclass(frozen=True)
class Entry:
    """One line of the ledger."""

    seq: int
    key: str
    delta: int
    balance: int


@dataclass(frozen=True)
class Total:
    """A user's standing in the ledger; `held` users are not on the public board."""

    user: str
    score: int
    version: int
    held: bool


@dataclass(frozen=True)
class Totals:
    """Everybody who has an entry, in the board's order, and how much waits to be published."""

    users: list[Total]
    outbox: int

    @property
    def shown(self) -> list[tuple[str, int]]:
        """The board that everybody should see."""
        return [(total.user, total.score) for total in self.users if not total.held]


async def totals(database_url: str) -> Totals:
    """Read the standings as the ledger's administrator."""
    async with _connected(database_url) as connection, connection.transaction():
        rows = await connection.fetch(
            "SELECT user_id, score, version, held FROM score.user_score WHERE version > 0"
            ' ORDER BY score DESC, reached_at, user_id COLLATE "C"'
        )
        outbox = await connection.fetchval("SELECT count(*) FROM score.outbox")
    return Totals([Total(*row) for row in rows], outbox)


async def entries(database_url: str, users: Iterable[str]) -> dict[str, list[Entry]]:
    """The increments of these users, in the order of their seq."""
    found: dict[str, list[Entry]] = {user: [] for user in users}
    async with _connected(database_url) as connection:
        rows = await connection.fetch(
            "SELECT user_id, seq, idem_key, delta, balance_after FROM score.score_entry"
            " WHERE user_id = ANY($1::text[]) AND kind = 'increment' ORDER BY user_id, seq",
            list(found),
        )
    for user, *entry in rows:
        found[user].append(Entry(*entry))
    return found


async def balances(database_url: str, users: Iterable[str]) -> set[tuple[str, int]]:
    """Every score that these users ever had, corrections counted."""
    async with _connected(database_url) as connection:
        rows = await connection.fetch(
            "SELECT DISTINCT user_id, balance_after FROM score.score_entry"
            " WHERE user_id = ANY($1::text[])",
            list(users),
        )
    return {(row[0], row[1]) for row in rows}


async def board(gateway_url: str) -> list[tuple[str, int]]:
    """Everybody on the board as the gateway shows it; empty while it cannot be read."""
    read: list[tuple[str, int]] = []
    async with aiohttp.ClientSession() as session:
        while True:
            url = f"{gateway_url}/api/leaderboard?limit={PAGE_USERS}&offset={len(read)}"
            async with session.get(url) as answer:
                if answer.status != 200:
                    return []
                page = (await answer.json())["entries"]
            read += [(entry["user_id"], entry["score"]) for entry in page]
            if len(page) < PAGE_USERS:
                return read


async def redis_rows(
    redis_url: str, users: Iterable[str], *, region: str = REGION
) -> Mapping[str, tuple[int, int, bool]]:
    """Score, version and held of each user, as Redis has them."""
    redis = open_redis(redis_url)
    try:
        kept = RedisBoard(redis, Keys(region, GLOBAL_BOARD))
        epoch = await kept.current()
        names = list(users)
        rows = []
        for start in range(0, len(names), ROWS_PER_QUERY):
            rows += await kept.rows(epoch, names[start : start + ROWS_PER_QUERY])
    finally:
        await redis.aclose()
    return {row.user_id: (row.score, row.version, row.held) for row in rows if row is not None}


async def parked(bootstrap: str) -> int:
    """Messages that no scoreboard could read."""
    return sum((await end_offsets(bootstrap, SCORE_UPDATES_DLQ.name)).values())


async def drift(scoreboard_url: str) -> float:
    """Users that differed at the scoreboard's last audit."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{scoreboard_url}/metrics") as answer,
    ):
        found = re.search(r"^scoreboard_drift_users (\S+)", await answer.text(), re.M)
    assert found is not None
    return float(found[1])


@asynccontextmanager
async def _connected(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    try:
        yield connection
    finally:
        await connection.close()
