"""
Tickets and sessions in Redis.

Sessions expire unless they are renewed, so a killed node leaves none behind. All their keys share
one hash tag: a script counts and records them in one step, in one slot of a cluster.
"""

import json
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, TypeVar, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from libs.common.errors import Unavailable
from services.notification.domain import Viewer
from services.notification.usecases.ports import Limits, Over, Session

TICKET_BYTES = 16
TICKET_SECONDS = 30
MAX_CONNECTIONS = 20
SOCKET_TIMEOUT_SECONDS = 1.0
POOL_WAIT_SECONDS = 1.0

_PREFIX = "{streams}"
_UNLIMITED = Limits(per_user=0, per_address=0)
_OPEN_SESSIONS = Path(__file__).with_name("open_sessions.lua").read_text("utf-8")

T = TypeVar("T")


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


class RedisTickets:
    """Tickets by their hash: who reads Redis cannot use them."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def issue(self, viewer: Viewer) -> tuple[str, int]:
        ticket = token_urlsafe(TICKET_BYTES)
        await _asked(self._redis.set(_ticket_key(ticket), _packed(viewer), ex=TICKET_SECONDS))
        return ticket, TICKET_SECONDS

    async def redeem(self, ticket: str) -> Viewer | None:
        packed = await _asked(self._redis.getdel(_ticket_key(ticket)))
        return None if packed is None else _unpacked(packed)


class RedisSessions:
    """The sessions of all nodes."""

    def __init__(self, redis: Redis, limits: Limits, *, ttl_seconds: float) -> None:
        self._redis = redis
        self._limits = limits
        self._ttl_ms = int(ttl_seconds * 1000)
        self._open = redis.register_script(_OPEN_SESSIONS)

    async def open(self, sessions: Sequence[Session]) -> list[Over]:
        return await self._record(sessions, self._limits)

    async def keep(self, sessions: Sequence[Session]) -> None:
        await self._record(sessions, _UNLIMITED)

    async def close(self, sessions: Sequence[Session]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for session in sessions:
            pipeline.zrem(f"{_PREFIX}:sessions", session.id)
            pipeline.zrem(f"{_PREFIX}:address:{session.address}", session.id)
            pipeline.zrem(f"{_PREFIX}:user:{session.user_id}", session.id)
            pipeline.delete(f"{_PREFIX}:session:{session.id}")
        await _asked(pipeline.execute())

    async def count(self) -> int:
        """How many streams are open over all nodes."""
        seconds, micros = await _asked(self._redis.time())
        now_ms = seconds * 1000 + micros // 1000
        return int(await _asked(self._redis.zcount(f"{_PREFIX}:sessions", f"({now_ms}", "+inf")))

    async def of_user(self, user_id: str) -> list[dict[str, str]]:
        """A user's streams: `id`, `node`, `since`, `transport`, and `address` as a hash."""
        ids = await _asked(self._redis.zrange(f"{_PREFIX}:user:{user_id}", 0, -1))
        if not ids:
            return []
        found = await _asked(self._redis.mget([f"{_PREFIX}:session:{i}" for i in ids]))
        return [json.loads(session) for session in found if session is not None]

    async def check(self) -> None:
        """Raises `Unavailable` unless Redis answers."""
        await _asked(self._redis.ping())

    async def _record(self, sessions: Sequence[Session], limits: Limits) -> list[Over]:
        answers = await _asked(
            self._open(
                keys=[f"{_PREFIX}:sessions"],
                args=[
                    _PREFIX,
                    self._ttl_ms,
                    limits.per_user,
                    limits.per_address,
                    *map(_described, sessions),
                ],
            )
        )
        return cast("list[Over]", answers)


async def _asked(answer: Any) -> Any:
    try:
        return await cast("Awaitable[Any]", answer)
    except (RedisError, OSError) as error:
        raise Unavailable("the sessions' store does not answer") from error


def _ticket_key(ticket: str) -> str:
    return "ticket:" + sha256(ticket.encode()).hexdigest()


def _described(session: Session) -> str:
    return json.dumps(
        {
            "id": session.id,
            "user": session.user_id,
            "address": session.address,
            "node": session.node,
            "since": session.since.isoformat(),
            "transport": session.transport,
        }
    )


def _packed(viewer: Viewer) -> str:
    return json.dumps(
        {
            "user_id": viewer.user_id,
            "jti": viewer.jti,
            "issued_at": viewer.issued_at.timestamp(),
            "expires_at": viewer.expires_at.timestamp(),
        }
    )


def _unpacked(packed: str) -> Viewer:
    fields = json.loads(packed)
    return Viewer(
        fields["user_id"],
        fields["jti"],
        datetime.fromtimestamp(fields["issued_at"], UTC),
        datetime.fromtimestamp(fields["expires_at"], UTC),
    )
