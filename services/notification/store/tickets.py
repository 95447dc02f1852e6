"""Tickets, by their hash: who reads Redis cannot use them."""

import json
from datetime import UTC, datetime
from hashlib import sha256
from secrets import token_urlsafe

from redis.asyncio import Redis

from services.notification.domain import Viewer
from services.notification.store.connection import asked

TICKET_BYTES = 16
TICKET_SECONDS = 30


class RedisTickets:
    """Tickets that Redis forgets when they are used, or too old."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def issue(self, viewer: Viewer) -> tuple[str, int]:
        ticket = token_urlsafe(TICKET_BYTES)
        await asked(self._redis.set(_key(ticket), _packed(viewer), ex=TICKET_SECONDS))
        return ticket, TICKET_SECONDS

    async def redeem(self, ticket: str) -> Viewer | None:
        packed = await asked(self._redis.getdel(_key(ticket)))
        return None if packed is None else _unpacked(packed)


def _key(ticket: str) -> str:
    return "ticket:" + sha256(ticket.encode()).hexdigest()


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
