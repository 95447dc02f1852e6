"""
Sessions: a refresh token that is good for one use, and the access tokens that came of it.

A refresh token is 48 random bytes in base64url: 16 that name the session, 32 that prove it. The
store knows the SHA-256 of the newest proof only, so every older one is recognised as used.
"""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Protocol
from uuid import uuid4

from libs.common.clock import Clock
from libs.common.errors import Forbidden, Unauthenticated
from libs.common.tokens import TokenType
from services.auth.domain.claims import access_claims
from services.auth.domain.people import User
from services.auth.usecases.limits import REFRESH_PER_SESSION, Throttle
from services.auth.usecases.signing import Sign

MAX_SESSIONS_PER_USER = 20

_NAME_BYTES = 16
_PROOF_BYTES = 32
_OVER = "the session is over; sign in again"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a session was given when it was opened or renewed: both tokens, without the tokens."""

    refresh_hash: bytes
    expires_at: datetime
    jti: str
    access_expires_at: datetime
    given_at: datetime


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A user, and the tokens of one session."""

    user: User
    access_token: str
    expires_in: int
    refresh_token: str


class SessionStore(Protocol):
    """Where sessions are kept. To end one is also to revoke its access tokens."""

    async def open(self, session_id: str, user_id: str, grant: Grant, *, keep: int) -> bool:
        """
        Keep a new session; end the user's oldest so that at most `keep` are left.

        Keeps nothing, and says so, if the user is banned or gone.
        """
        ...

    async def renew(self, session_id: str, presented_hash: bytes, grant: Grant) -> str | None:
        """
        Give the session a new grant; return its user's id, or None if it is over.

        If the presented hash is not its newest, the session ends here. Of two callers with the
        same hash, one renews and the other ends it.
        """
        ...

    async def end(self, session_id: str, now: datetime) -> None: ...

    async def end_all(self, user_id: str) -> None:
        """End all sessions of a user, and revoke every token issued to them until now."""
        ...


class UsersById(Protocol):
    """The part of the user store that a renewal needs."""

    async def by_ids(self, user_ids: Sequence[str]) -> list[User]: ...


class Sessions:
    """Opens, renews and ends sessions."""

    def __init__(
        self,
        store: SessionStore,
        users: UsersById,
        sign: Sign,
        throttle: Throttle,
        clock: Clock,
        *,
        access_seconds: int,
        refresh_seconds: int,
    ) -> None:
        self._store = store
        self._users = users
        self._sign = sign
        self._throttle = throttle
        self._clock = clock
        self._access_seconds = access_seconds
        self._refresh_seconds = refresh_seconds

    async def open(self, user_id: str) -> SignedIn:
        """A new session of a registered user. Raises `Forbidden` if they are banned."""
        name = secrets.token_bytes(_NAME_BYTES)
        proof, grant = self._grant()
        if not await self._store.open(name.hex(), user_id, grant, keep=MAX_SESSIONS_PER_USER):
            raise Forbidden("this account is banned")
        return await self._signed_in(user_id, name, proof, grant)

    async def refresh(self, token: str) -> SignedIn:
        """New tokens for a refresh token. Raises `Unauthenticated`; a used one ends its session."""
        name, presented = _parts(token)
        await self._throttle.count(REFRESH_PER_SESSION, name.hex())
        proof, grant = self._grant()
        user_id = await self._store.renew(name.hex(), sha256(presented).digest(), grant)
        if user_id is None:
            raise Unauthenticated(_OVER)
        return await self._signed_in(user_id, name, proof, grant)

    async def end(self, session_id: str) -> None:
        """Sign out one device."""
        await self._store.end(session_id, self._clock.now())

    async def end_by_token(self, token: str) -> None:
        """Sign out the device of a refresh token, used or not. Raises `Unauthenticated`."""
        name, _proof = _parts(token)
        await self.end(name.hex())

    async def end_all(self, user_id: str) -> None:
        """Sign a user out everywhere, whoever issued their tokens."""
        await self._store.end_all(user_id)

    def _grant(self) -> tuple[bytes, Grant]:
        proof = secrets.token_bytes(_PROOF_BYTES)
        now = self._clock.now()
        return proof, Grant(
            refresh_hash=sha256(proof).digest(),
            expires_at=now + timedelta(seconds=self._refresh_seconds),
            jti=uuid4().hex,
            access_expires_at=now + timedelta(seconds=self._access_seconds),
            given_at=now,
        )

    async def _signed_in(self, user_id: str, name: bytes, proof: bytes, grant: Grant) -> SignedIn:
        # As they are now that the session is kept: whoever changes their roles later ends it.
        users = await self._users.by_ids([user_id])
        if not users:
            raise Unauthenticated(_OVER)
        user = users[0]
        claims = access_claims(
            user_id=user.user_id,
            roles=user.roles,
            jti=grant.jti,
            session=name.hex(),
            now=grant.given_at,
            seconds=self._access_seconds,
        )
        return SignedIn(
            user=user,
            access_token=self._sign(claims, TokenType.ACCESS),
            expires_in=self._access_seconds,
            refresh_token=urlsafe_b64encode(name + proof).decode(),
        )


def _parts(token: str) -> tuple[bytes, bytes]:
    try:
        raw = urlsafe_b64decode(token)
    except ValueError:
        raw = b""
    if len(raw) != _NAME_BYTES + _PROOF_BYTES:
        raise Unauthenticated(_OVER)
    return raw[:_NAME_BYTES], raw[_NAME_BYTES:]
