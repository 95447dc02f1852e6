"""Sessions: they expire unless they are renewed, so a killed node leaves none behind."""

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from redis.asyncio import Redis

from libs.common.contracts.sessions import StreamSession, StreamSessionList
from services.notification.store.connection import PREFIX, asked
from services.notification.usecases.ports import Limits, Over, Session

_UNLIMITED = Limits(per_user=0, per_address=0)
_SESSIONS = f"{PREFIX}:sessions"
_IDS = f"{PREFIX}:ids"
_OPEN_SESSIONS = Path(__file__).with_name("open_sessions.lua").read_text("utf-8")


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
        pipeline = self._redis.pipeline()  # all or nothing: half a session would stay for ever
        listed, closing = defaultdict(list), defaultdict(list)
        for session in sessions:
            for key in _lists(session):
                listed[key].append(session.id)
            closing[f"{PREFIX}:closing:{session.node}"].append(session.id)
        for key, ids in listed.items():
            pipeline.zrem(key, *ids)
        for key, ids in closing.items():
            pipeline.srem(key, *ids)
        pipeline.delete(*(f"{PREFIX}:session:{session.id}" for session in sessions))
        await asked(pipeline.execute())

    async def page(self, *, after: str, limit: int) -> StreamSessionList:
        beyond = await asked(
            self._redis.zrangebylex(_IDS, f"({after}" if after else "-", "+", 0, limit + 1)
        )
        ids = beyond[:limit]
        return StreamSessionList(
            total=await self.count(),
            sessions=await self._found(ids),
            next=ids[-1] if len(beyond) > limit else "",
        )

    async def of_user(self, user_id: str) -> list[StreamSession]:
        ids = await asked(self._redis.zrange(f"{PREFIX}:user:{user_id}", 0, -1))
        return await self._found(sorted(ids))

    async def find(self, session_id: str) -> StreamSession | None:
        return next(iter(await self._found([session_id])), None)

    async def count(self) -> int:
        """How many streams are open over all nodes."""
        seconds, micros = await asked(self._redis.time())
        now_ms = seconds * 1000 + micros // 1000
        return int(await asked(self._redis.zcount(_SESSIONS, f"({now_ms}", "+inf")))

    async def check(self) -> None:
        """Raises `Unavailable` unless Redis answers."""
        await asked(self._redis.ping())

    async def _found(self, ids: Sequence[str]) -> list[StreamSession]:
        """Those of them that have not expired meanwhile."""
        if not ids:
            return []
        found = await asked(self._redis.mget([f"{PREFIX}:session:{i}" for i in ids]))
        return [_read(session) for session in found if session is not None]

    async def _record(self, sessions: Sequence[Session], limits: Limits) -> list[Over]:
        answers = await asked(
            self._open(
                keys=[_SESSIONS, _IDS],
                args=[
                    PREFIX,
                    self._ttl_ms,
                    limits.per_user,
                    limits.per_address,
                    *map(_written, sessions),
                ],
            )
        )
        return cast("list[Over]", answers)


def _lists(session: Session) -> tuple[str, ...]:
    """The sorted sets that hold its id."""
    groups = f"{PREFIX}:address:{session.address}", f"{PREFIX}:user:{session.user_id}"
    return (_SESSIONS, _IDS, *groups)


def _written(session: Session) -> str:
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


def _read(written: str) -> StreamSession:
    fields = json.loads(written)
    return StreamSession(
        session_id=fields["id"],
        user_id=fields["user"] or None,
        node=fields["node"],
        since=fields["since"],
        transport=fields["transport"],
        address=fields["address"],
    )
