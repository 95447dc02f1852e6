"""
The write side: apply batches, build boards, say where to read from.

All keys share a hash tag, so that a script finds them in one slot of a cluster:
`{region:board}:<epoch>:z | :v | :meta`; `{region:board}:epoch` points to the current one.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from services.scoreboard.domain import Row, Top, chunks, user_of
from services.scoreboard.usecases.ports import (
    Applied,
    BoardDigest,
    BoardGone,
    BoardUnavailable,
    Due,
    Gap,
    Later,
    Offsets,
)

ANSWER_SECONDS = 5.0
CONNECT_SECONDS = 5.0
# Whoever comes when all are in use waits; a plain pool would refuse the reader, and the writer.
MAX_CONNECTIONS = 50
MAX_ROWS_PER_CALL = 500
UNFINISHED_TTL_SECONDS = 3600
POINTS_BASE = 2**26

_HERE = Path(__file__).parent


class Keys:
    """The names of one board's keys."""

    def __init__(self, region: str, board: str) -> None:
        self.prefix = f"{{{region}:{board}}}:"
        self.pointer = f"{self.prefix}epoch"
        self.lock = f"{self.prefix}rebuild"

    def of(self, epoch: int) -> tuple[str, str, str]:
        """Sorted set, versions and meta of one epoch."""
        of = f"{self.prefix}{epoch}"
        return f"{of}:z", f"{of}:v", f"{of}:meta"


class RedisBoard:
    """A board of one region; every method raises `BoardUnavailable` when Redis does not answer."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._apply, self._flip, self._due, self._said = (
            redis.register_script((_HERE / f"{name}.lua").read_text("utf-8"))
            for name in ("apply", "flip", "due", "said")
        )

    async def current(self) -> int:
        """The epoch of the current board; 0 if there is none."""
        return int(await _asked(self._redis.get(self._keys.pointer)) or 0)

    async def apply(self, epoch: int, rows: Sequence[Row], offsets: Offsets) -> Applied:
        """Keep the newest states, and the offsets with them. Raises `BoardGone` or `Gap`."""
        slices = list(chunks(rows, MAX_ROWS_PER_CALL)) or [rows]
        applied = 0
        top: Top | None = None
        for number, part in enumerate(slices):
            last = number == len(slices) - 1
            done = await self._apply_slice(epoch, part, offsets if last else {})
            applied += done.count
            top = done.top or top
        return Applied(applied, top)

    async def offsets(self, epoch: int) -> Mapping[int, int]:
        """The next offset to read, by partition, as kept beside the state."""
        meta = await self._meta(epoch)
        return {int(f[4:]): int(value) for f, value in meta.items() if f.startswith("off:")}

    async def due(
        self, epoch: int, *, window_seconds: float, heartbeat_seconds: float
    ) -> Due | Later:
        """What is to be announced; one replica per window is told. Raises `BoardGone`."""
        pauses = [round(window_seconds * 1e6), round(heartbeat_seconds * 1e6)]
        match await _asked(self._due([self._keys.of(epoch)[2]], pauses)):
            case ["QUIET" | "WAIT" as kind, pause]:
                return Later(pause / 1e6, quiet=kind == "QUIET")
            case ["SAY", reason, rev, accepted, top, said_rev, said_top]:
                before = Top(epoch, int(said_rev), _entries(said_top.split()))
                now = Top(epoch, int(rev), _entries(top.split()), int(accepted), reason)
                return Due(now, None if reason == "rebuild" else before, mark=top)
            case _:
                raise BoardGone(epoch)

    async def announced(self, due: Due) -> None:
        """It was: what comes next is compared with it."""
        meta = self._keys.of(due.top.epoch)[2]
        await _asked(self._said([meta], [due.top.rev, due.mark]))

    async def digest(self, epoch: int) -> BoardDigest:
        """Sums over all users, kept with every change. Raises `BoardGone`."""
        meta = await self._meta(epoch)
        points = int(meta["points_hi"]) * POINTS_BASE + int(meta["points_lo"])
        return BoardDigest(
            int(meta["ledger_epoch"]), int(meta["users"]), points, int(meta["versions"])
        )

    async def rows(self, epoch: int, users: Sequence[str]) -> list[Row | None]:
        """What the board holds of these users."""
        _, versions, _ = self._keys.of(epoch)
        stored = await _asked(self._redis.hmget(versions, list(users))) if users else []
        return [_row(user, text) for user, text in zip(users, stored, strict=True)]

    async def leaders(self, epoch: int, count: int) -> list[tuple[str, int]]:
        """The first `count` users with their scores, in order."""
        z, _, _ = self._keys.of(epoch)
        found = await _asked(self._redis.zrange(z, 0, count - 1, withscores=True))
        return [(user_of(member), -int(points)) for member, points in found]

    async def server_changed(self, epoch: int) -> bool:
        """Whether the board was built on another run of Redis, which may have kept less."""
        meta = await self._meta(epoch)
        return meta["run_id"] != await self._run_id()

    # --- building a new one

    async def lock(self, token: str, *, seconds: int) -> bool:
        """Only one builder at a time."""
        return bool(await _asked(self._redis.set(self._keys.lock, token, nx=True, ex=seconds)))

    async def keep_lock(self, token: str, *, seconds: int) -> None:
        """If it is still ours."""
        if await _asked(self._redis.get(self._keys.lock)) == token:
            await _asked(self._redis.expire(self._keys.lock, seconds))

    async def unlock(self, token: str) -> None:
        if await _asked(self._redis.get(self._keys.lock)) == token:
            await _asked(self._redis.delete(self._keys.lock))

    async def begin(self, epoch: int, ledger_epoch: int, offsets: Mapping[int, int]) -> None:
        """An empty board that nobody sees yet; it vanishes in an hour unless finished."""
        meta: dict[Any, Any] = {
            "epoch": epoch,
            "ledger_epoch": ledger_epoch,
            "run_id": await self._run_id(),
            "rev": 0,
            "top": "",
            **dict.fromkeys(("users", "versions", "points_hi", "points_lo"), 0),
            **{f"off:{partition}": offset for partition, offset in offsets.items()},
        }
        await _asked(self._redis.hset(self._keys.of(epoch)[2], mapping=meta))
        await self.keep_unfinished(epoch)

    async def fill(self, epoch: int, rows: Sequence[Row]) -> None:
        """
        Put users into a board that nobody sees yet: the same as `apply`, at a third of its cost.

        Half of it may be done when it fails; such a board is never finished.
        """
        z, versions, meta = self._keys.of(epoch)
        pipe = self._redis.pipeline(transaction=False)
        for part in chunks(rows, MAX_ROWS_PER_CALL):
            if shown := {row.member: -row.score for row in part if not row.held}:
                pipe.zadd(z, cast(dict[Any, float], shown))
            pipe.hset(versions, mapping={row.user_id: _text(row) for row in part})
        high, low = divmod(sum(row.score for row in rows), POINTS_BASE)
        pipe.hincrby(meta, "users", len(rows))
        pipe.hincrby(meta, "versions", sum(row.version for row in rows))
        pipe.hincrby(meta, "points_hi", high)
        pipe.hincrby(meta, "points_lo", low)
        await _asked(pipe.execute())

    async def keep_unfinished(self, epoch: int) -> None:
        """Give a board under construction another hour."""
        for key in self._keys.of(epoch):
            await _asked(self._redis.expire(key, UNFINISHED_TTL_SECONDS))

    async def finish(self, epoch: int, token: str) -> bool:
        """
        Show the new board and drop the old one; False if a newer one is shown, or the lock was
        lost. Raises `BoardGone` if Redis was restarted or emptied since it was begun.
        """
        keys = [self._keys.pointer, self._keys.lock, *self._keys.of(epoch)]
        answer = await _asked(self._flip(keys, [epoch, self._keys.prefix, token]))
        if answer == "LOST":
            raise BoardGone(epoch)
        return bool(answer == "SHOWN")

    async def check(self) -> None:
        """Raise unless Redis answers."""
        await _asked(self._redis.ping())

    async def _apply_slice(self, epoch: int, rows: Sequence[Row], offsets: Offsets) -> Applied:
        reached = [(partition, *pair) for partition, pair in offsets.items()]
        states = [
            (r.user_id, r.score, r.ledger_epoch, r.version, r.member, int(r.held)) for r in rows
        ]
        arguments: list[Any] = [
            epoch,
            json.dumps(reached),
            json.dumps(states),
            max((row.reached_us for row in rows), default=0),
            int(any(row.correction for row in rows)),
        ]
        answer = await _asked(self._apply(list(self._keys.of(epoch)), arguments))
        match answer:
            case ["EPOCH"]:
                raise BoardGone(epoch)
            case ["GAP", partition, offset]:
                raise Gap(int(partition), int(offset))
            case ["OK", applied, _]:
                return Applied(int(applied), None)
            case ["OK", applied, rev, top]:
                return Applied(int(applied), Top(epoch, int(rev), _entries(top.split())))
            case _:
                raise AssertionError(answer)

    async def _meta(self, epoch: int) -> dict[str, str]:
        meta = await _asked(self._redis.hgetall(self._keys.of(epoch)[2]))
        if "epoch" not in meta:
            raise BoardGone(epoch)
        return cast(dict[str, str], meta)

    async def _run_id(self) -> str:
        info = await _asked(self._redis.info("server"))
        return str(info["run_id"])


def open_redis(url: str) -> Redis:
    """
    A client that never repeats a command by itself; every caller here may.

    Callers set the deadline, too: redis-py's own is `wait_for`, which before Python 3.12 forgets a
    cancellation that comes together with what it waits for, so that the task goes on for ever.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=ANSWER_SECONDS,
        decode_responses=True,
        socket_timeout=None,
        socket_connect_timeout=CONNECT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    return Redis.from_pool(pool)


async def _asked(answer: Any) -> Any:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await answer
    except (RedisError, OSError, TimeoutError) as error:
        raise BoardUnavailable(type(error).__name__) from error


def _entries(flat: Sequence[str]) -> tuple[tuple[str, int], ...]:
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return tuple((user_of(member), -int(points)) for member, points in pairs)


def _text(row: Row) -> str:
    return f"{row.ledger_epoch} {row.version} {row.score} {int(row.held)} {row.member}"


def _row(user: str, text: str | None) -> Row | None:
    if text is None:
        return None
    ledger_epoch, version, score, held, member = text.split(" ", 4)
    reached_us = int(member[: len(member) - len(user)], 16)
    return Row(user, int(score), int(ledger_epoch), int(version), reached_us, held == "1")
