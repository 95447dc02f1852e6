"""redis-py: what it does when left alone, and that our stores stand it."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis
from redis.exceptions import MaxConnectionsError, NoScriptError, RedisError

from libs.common.contracts.values import GLOBAL_BOARD, MAX_TOTAL
from services.score.domain.rates import Rate
from services.score.store import limiter as limiter_module
from services.score.store.limiter import RedisLimiter
from services.scoreboard.domain import Row
from services.scoreboard.store import board as board_module
from services.scoreboard.store.board import Keys, RedisBoard
from services.scoreboard.store.pages import Pages
from services.scoreboard.usecases.ports import BoardUnavailable
from tests.proxy import FROZEN, HARMLESS, LOST, Proxy, Toxic, proxy_to

PATIENCE_SECONDS = 30
# Many times what one answer takes here; a library that still waits then retries in silence.
SILENCE_SECONDS = 1.0
CANCELS = 100
AT_ONCE = 300
RATE = Rate(per_second=5, burst=5)
KEYS = Keys("trap", GLOBAL_BOARD)


@pytest.fixture
async def proxy(redis_url: str) -> AsyncIterator[Proxy]:
    at = urlsplit(redis_url)
    async with proxy_to(str(at.hostname), int(at.port or 0)) as proxy:
        yield proxy


@pytest.fixture
def proxied(redis_url: str, proxy: Proxy) -> str:
    """Redis behind the proxy."""
    at = urlsplit(redis_url)
    return redis_url.replace(f":{at.port}", f":{proxy.port}")


def alone(url: str, **options: Any) -> Redis:
    """As the constructor makes it. `from_url` never repeats a command, unlike everything else."""
    at = urlsplit(url)
    return Redis(host=str(at.hostname), port=int(at.port or 0), password=at.password, **options)


@pytest.fixture
async def direct(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, decode_responses=True) as redis:
        yield redis


async def test_a_command_whose_answer_is_lost_runs_twice(
    proxied: str, proxy: Proxy, direct: Redis
) -> None:
    """R2: counting by INCR counts double; the client repeats it by itself."""
    async with alone(proxied) as redis:
        await redis.set("count", 0)
        await lose_one_answer(proxy, redis.incr("count"))
    assert await direct.get("count") == "2"

    redis = limiter_module.open_redis(proxied)
    limiter = RedisLimiter(redis, RATE)
    await limiter.take(["bob"])  # now the server knows the script
    await lose_one_answer(proxy, limiter.take(["alice"]))
    (decision,) = await RedisLimiter(direct, RATE).take(["alice"])
    assert decision.remaining == 3, "one was taken, and this one; not two, and this one"
    await redis.aclose()


async def test_a_board_is_written_again_by_its_caller_only_and_stays_the_same(
    proxied: str, proxy: Proxy, direct: Redis
) -> None:
    """R2: what may have run already is the caller's to know; applying twice changes nothing."""
    redis = board_module.open_redis(proxied)
    board = RedisBoard(redis, KEYS)
    await board.lock("builder", seconds=60)
    await board.begin(1, 1, {})
    assert await board.finish(1, "builder")
    row = Row("alice", 10, 1, 1, 1, held=False)
    await board.apply(1, [], {})  # now the server knows the script
    with pytest.raises(BoardUnavailable):
        await lose_one_answer(proxy, board.apply(1, [row], {0: (0, 5)}))
    assert await RedisBoard(direct, KEYS).leaders(1, 9) == [("alice", 10)], "it was written"
    assert (await board.apply(1, [row], {0: (0, 5)})).count == 0
    assert (await board.digest(1)).points == 10
    await redis.aclose()


async def test_a_server_that_does_not_answer_is_waited_for_many_times_over(
    proxied: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R3: 5 s for an answer, and ten more attempts: a minute."""
    monkeypatch.setattr(board_module, "ANSWER_SECONDS", 0.2)
    async with alone(proxied, socket_timeout=0.1) as theirs:
        await theirs.ping()
        redis = limiter_module.open_redis(proxied)
        ours = board_module.open_redis(proxied)
        await asyncio.gather(redis.ping(), ours.ping())
        proxy.answers = FROZEN
        assert not await ends(theirs.ping())
        assert await ends(RedisLimiter(redis, RATE).take(["alice"]))
        with pytest.raises(BoardUnavailable):
            await RedisBoard(ours, KEYS).check()
        proxy.answers = HARMLESS
        await asyncio.gather(redis.aclose(), ours.aclose())


async def test_a_cancelled_command_poisons_no_connection(proxied: str, proxy: Proxy) -> None:
    """R1: once its answer was left for the next command to read (redis-py 2624, 2665)."""
    proxy.answers = Toxic(delay_seconds=0.001, jitter_seconds=0.004)
    redis = board_module.open_redis(proxied)

    async def ask(name: str) -> None:
        await redis.set(name, name)
        assert await redis.get(name) == name

    for number in range(CANCELS):
        cancelled = asyncio.ensure_future(ask(f"cancelled-{number}"))
        await asyncio.sleep(random.uniform(0, 0.01))
        cancelled.cancel()
        with suppress(asyncio.CancelledError):
            await cancelled
        await ask(f"asked-{number}")
    await redis.aclose()


async def test_more_commands_at_once_than_the_pool_has_connections(redis_url: str) -> None:
    """R5: the hundred-and-first is refused on the spot, not kept waiting."""
    async with alone(redis_url) as theirs:
        answers = await asyncio.gather(
            *(theirs.ping() for _ in range(AT_ONCE)), return_exceptions=True
        )
        assert any(isinstance(answer, MaxConnectionsError) for answer in answers)

    redis = board_module.open_redis(redis_url)
    board = RedisBoard(redis, KEYS)
    await board.lock("builder", seconds=60)
    await board.begin(1, 1, {})
    assert await board.finish(1, "builder")
    pages = Pages(redis, KEYS, GLOBAL_BOARD)
    await asyncio.gather(*(pages.page(offset=0, limit=10) for _ in range(AT_ONCE)))
    await redis.aclose()


async def test_a_script_that_the_server_forgot_is_sent_again(redis_url: str, direct: Redis) -> None:
    """R6: a restarted server knows no script."""
    redis = limiter_module.open_redis(redis_url)
    limiter = RedisLimiter(redis, RATE)
    await limiter.take(["alice"])
    await direct.script_flush()
    with pytest.raises(NoScriptError):
        await direct.evalsha(limiter._script.sha, 1, "key", 1, 1)
    await limiter.take(["alice"])
    (decision,) = await RedisLimiter(direct, RATE).take(["alice"])
    assert decision.remaining == 2, "all three were counted in Redis"
    await redis.aclose()


async def test_a_score_beyond_what_a_double_holds_is_rounded(redis_url: str, direct: Redis) -> None:
    """R7: 2^53+1 becomes 2^53 without a word; the largest total that we allow does not."""
    await direct.zadd("z", {"a": MAX_TOTAL + 2})
    assert await direct.zscore("z", "a") != MAX_TOTAL + 2
    redis = board_module.open_redis(redis_url)
    board = RedisBoard(redis, KEYS)
    await board.lock("builder", seconds=60)
    await board.begin(1, 1, {})
    assert await board.finish(1, "builder")
    rows = [Row(f"u{n}", MAX_TOTAL - n, 1, 1, 1, held=False) for n in range(2)]
    await board.apply(1, rows, {})
    assert await board.leaders(1, 2) == [("u0", MAX_TOTAL), ("u1", MAX_TOTAL - 1)]
    assert (await board.digest(1)).points == 2 * MAX_TOTAL - 1
    await redis.aclose()


async def lose_one_answer(proxy: Proxy, work: object) -> None:
    """The command reaches the server; the connection breaks before the answer comes."""
    proxy.hits = 0
    proxy.answers = LOST
    task = asyncio.ensure_future(work)  # type: ignore[call-overload]
    async with asyncio.timeout(PATIENCE_SECONDS):
        await proxy.hit()
        proxy.answers = HARMLESS
        await task


async def ends(work: object) -> bool:
    """Whether it ends soon."""
    task = asyncio.ensure_future(work)  # type: ignore[call-overload]
    done, _ = await asyncio.wait([task], timeout=SILENCE_SECONDS)
    task.cancel()
    with suppress(asyncio.CancelledError, RedisError):
        await task
    return bool(done)
