"""Declaring tokens void, and who needs to hear it."""

from datetime import datetime, timedelta
from typing import Protocol

from libs.common.clock import Clock
from libs.common.tokens import LEEWAY_SECONDS
from services.auth.domain.claims import LONGEST_ACCESS_SECONDS
from services.auth.usecases.sessions import Sessions
from services.auth.usecases.verdicts import Caller


class RevocationStore(Protocol):
    """Where revocations are kept while they matter."""

    async def add(self, user_id: str, jti: str, now: datetime, *, matters_until: datetime) -> None:
        """Revoke one token; again changes nothing."""
        ...


class Revoke:
    """Signing out, and what an operator may do in a user's stead."""

    def __init__(self, store: RevocationStore, sessions: Sessions, clock: Clock) -> None:
        self._store = store
        self._sessions = sessions
        self._clock = clock

    async def log_out(self, caller: Caller, *, everywhere: bool) -> None:
        """End the caller's session, or all of them."""
        if everywhere:
            await self._sessions.end_all(caller.user_id)
            return
        await self._add(caller.user_id, caller.jti, caller.expires_at)
        if caller.session_id:
            await self._sessions.end(caller.session_id)

    async def order(self, user_id: str, jti: str | None) -> None:
        """Revoke one token whose end is not known, or everything a user has."""
        if jti is None:
            await self._sessions.end_all(user_id)
        else:
            longest = self._clock.now() + timedelta(seconds=LONGEST_ACCESS_SECONDS)
            await self._add(user_id, jti, longest)

    async def _add(self, user_id: str, jti: str, expires_at: datetime) -> None:
        until = expires_at + timedelta(seconds=LEEWAY_SECONDS)
        await self._store.add(user_id, jti, self._clock.now(), matters_until=until)
