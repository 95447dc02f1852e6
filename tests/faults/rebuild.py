"""
A large board built anew: after Redis lost everything, and behind one that is still shown.

The ledger is filled by SQL, one entry a user, with the hash chain that the product would write.
Players post and screens watch from then on, and at the end the oracle compares every user.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import aiohttp
import asyncpg
from redis.asyncio import Redis
from rich.console import Console

from bench import cpu
from libs.common.contracts.values import GLOBAL_BOARD
from services.scoreboard.store.board import Keys, RedisBoard
from tests.faults import vitals
from tests.faults.report import Row
from tests.oracle.trial import Places, Trial, trial
from tests.oracle.truth import REGION
from tests.stack import UNLIMITED, RunningStack, running_stack

ABOUT = "a board of many users built anew, with and without an old one to show meanwhile"
COUNT = 1_000_000

TARGET_SECONDS_PER_MILLION = 30
KEYS = Keys(REGION, GLOBAL_BOARD)
LIMITS = UNLIMITED | {"AUDIT_SECONDS": "5"}
FILL_USERS = 100_000
SAMPLE_SECONDS = 0.05
VITALS_SECONDS = 0.5
READ_SECONDS = 2.0
BUILD_PATIENCE_SECONDS = 600
VERDICT_PATIENCE_SECONDS = 600
PLAYERS, SCREENS, POSTS_PER_SECOND = 50, 3, 50
WATCHED = ("score", "scoreboard", "valkey", "postgres")

# Ids as auth makes them. Who came first has most points, so a new board's top comes scattered.
FILL = """
    WITH crowd AS (
        SELECT 'u_' || md5(n::text) AS user_id, $3 - n + 1 AS points,
               clock_timestamp() AS at
        FROM generate_series($1::bigint, $2::bigint) AS n
    ), appended AS (
        INSERT INTO score.score_entry (user_id, seq, version, delta, balance_after, kind, idem_key,
                                       request_hash, actor, created_at, hash)
        SELECT user_id, 1, 1, points, points, 'increment', 'filled', ''::bytea, user_id, at,
               score.link('', '', score.entry_text(user_id, 1, 1, points, points, 'increment',
                                                   'filled', ''::bytea, NULL, NULL, user_id, at,
                                                   NULL))
        FROM crowd RETURNING user_id, delta, created_at, hash
    )
    INSERT INTO score.user_score (user_id, score, version, entries, reached_at, head)
    SELECT user_id, delta, 1, 1, created_at, hash FROM appended
"""


@dataclass
class Build:
    """One rebuild as it was seen from outside."""

    users: int
    seconds: float = 0.0
    reads: Counter[str] = field(default_factory=Counter)
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    megabytes: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        spent = ", ".join(f"{name} {seconds:.1f}" for name, seconds in self.cpu_seconds.items())
        most = ", ".join(f"{name} {size:.0f}" for name, size in self.megabytes.items())
        return (
            f"{self.seconds:.1f} s, {self.users / self.seconds:,.0f} users/s; "
            f"CPU-seconds: {spent}; at most MB: {most}"
        )


async def run(count: int, console: Console) -> list[Row]:
    with running_stack(LIMITS) as stack:
        places = Places.of(stack)
        await fill(places.postgres, count, console)
        async with (
            trial(places, users=PLAYERS, screens=SCREENS, rate=POSTS_PER_SECOND) as work,
            Redis.from_url(places.valkey, decode_responses=True) as redis,
        ):
            await redis.flushall()
            empty = await _used_bytes(redis)
            lost = await _built(stack, work, Build(count), after_epoch=0)
            console.print(f"after FLUSHALL: {lost}")
            per_user = (await _used_bytes(redis) - empty) / count

            old = await RedisBoard(redis, KEYS).current()
            await _restart_seen_by_audit(redis, old)
            behind = await _built(stack, work, Build(count), after_epoch=old)
            console.print(f"behind the old board: {behind}, reads {dict(behind.reads)}")
            console.print("the oracle looks at every user …")
            verdict = await work.verdict(patience_seconds=VERDICT_PATIENCE_SECONDS)
            console.print(str(verdict), *verdict.violations[:5])
    goal = f"target {TARGET_SECONDS_PER_MILLION} s a million; {per_user:.0f} B a user in Valkey"
    refused = behind.reads.total() - behind.reads["200"]
    return [
        Row(f"board of {count:,} lost, and built", 1, 0, f"{lost}; {goal}"),
        Row(f"board of {count:,} built behind the old one", 1, 0, str(behind)),
        Row("reads of the old board meanwhile", behind.reads.total(), refused),
        Row("users compared after both", count, len(verdict.violations), str(verdict)),
    ]


async def fill(database_url: str, count: int, console: Console) -> None:
    """Give the ledger so many users with an entry each, as the product would have written them."""
    started = time.perf_counter()
    connection = await asyncpg.connect(database_url)
    try:
        for first in range(1, count + 1, FILL_USERS):
            last = min(first + FILL_USERS - 1, count)
            await connection.execute(FILL, first, last, count)
            console.print(f"{last:,} users in the ledger, {time.perf_counter() - started:.0f} s")
        await connection.execute("VACUUM ANALYZE score.user_score")
    finally:
        await connection.close()


async def _built(stack: RunningStack, work: Trial, build: Build, *, after_epoch: int) -> Build:
    """Watch until a newer board with all users is shown, and note what it took."""
    pids = {name: pid for name, pid in vitals.pids(stack).items() if name in WATCHED}
    before = cpu.by_name(pids)
    started = time.perf_counter()
    async with (
        asyncio.timeout(BUILD_PATIENCE_SECONDS),
        _weighing(build, pids),
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=READ_SECONDS)) as session,
    ):
        while not await _shown(session, work.places.gateway, build, after_epoch):
            await asyncio.sleep(SAMPLE_SECONDS)
    if after_epoch:  # an audit had to notice first
        name = "scoreboard_rebuild_duration_seconds"
        build.seconds = (await vitals.metrics(work.places.scoreboard, [name]))[name]
    else:
        build.seconds = time.perf_counter() - started
    build.cpu_seconds = {name: cpu.seconds(pid) - before[name] for name, pid in pids.items()}
    return build


async def _shown(
    session: aiohttp.ClientSession, gateway_url: str, build: Build, after_epoch: int
) -> bool:
    """Whether a newer board with all its users is shown; the read is counted by its answer."""
    try:
        async with session.get(f"{gateway_url}/api/leaderboard") as answer:
            build.reads[str(answer.status)] += 1
            page = await answer.json()
    except (aiohttp.ClientError, TimeoutError) as error:
        build.reads[type(error).__name__] += 1
        return False
    return bool(
        answer.status == 200 and page["epoch"] > after_epoch and page["total"] >= build.users
    )


@asynccontextmanager
async def _weighing(build: Build, pids: dict[str, int]) -> AsyncIterator[None]:
    async def weigh() -> None:
        while True:
            for name, pid in pids.items():
                size = vitals.read(pid).megabytes
                build.megabytes[name] = max(size, build.megabytes.get(name, 0.0))
            await asyncio.sleep(VITALS_SECONDS)

    task = asyncio.ensure_future(weigh())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _restart_seen_by_audit(redis: Redis, epoch: int) -> None:
    """Have the board bear the mark of another run of Redis: the next audit builds it anew."""
    _, _, meta = KEYS.of(epoch)
    await redis.hset(meta, "run_id", "another")


async def _used_bytes(redis: Redis) -> int:
    return int((await redis.info("memory"))["used_memory"])
