"""
A service's own identity towards the others: OAuth 2.0 client credentials (RFC 6749 §4.4).

Auth exchanges the service's secret for a token of some minutes; the called service verifies it
with auth's public keys, so no two services share a secret.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp
from pydantic import SecretStr

from libs.common.clock import Clock, system_clock
from libs.common.errors import Forbidden, Unavailable
from libs.common.tokens import Audience, KeySet, TokenType, Verifier, bearer

ISSUER = "live-scoreboard-auth"
TIMEOUT_SECONDS = 2.0
RENEW_BEFORE_SECONDS = 60.0
RETRY_SECONDS = 10.0

# Below uvicorn's 5 s: a connection that the other side closes while we write loses the request.
KEEPALIVE_SECONDS = 4.0


def open_session() -> aiohttp.ClientSession:
    """A connection pool for calls to the other services; it carries no cookies between users."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=200, keepalive_timeout=KEEPALIVE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
    )


class ServiceIdentity:
    """Fetches this service's token from auth and renews it before it ends."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        auth_url: str,
        name: str,
        secret: SecretStr,
        clock: Clock = system_clock,
    ) -> None:
        self._session = session
        self._url = f"{auth_url}/internal/token"
        self._auth = aiohttp.encode_basic_auth(name, secret.get_secret_value())
        self._clock = clock
        self._token = ""
        self._renew_at = float("-inf")
        self._ends_at = float("-inf")
        self._lock = asyncio.Lock()

    async def headers(self) -> dict[str, str]:
        """The header that proves who calls. Raises `Unavailable` if auth gives no token."""
        now = self._clock.monotonic()
        # While one caller renews, the others go on with the old token, if it is still good.
        if now >= self._renew_at and not (self._lock.locked() and now < self._ends_at):
            async with self._lock:
                if self._clock.monotonic() >= self._renew_at:
                    await self._renew_or_keep()
        return {"Authorization": f"Bearer {self._token}"}

    async def _renew_or_keep(self) -> None:
        try:
            await self._renew()
        except Unavailable:
            # Auth may be away for a while: the old token is as good as before, until it ends.
            if self._clock.monotonic() >= self._ends_at:
                raise
            self._renew_at = self._clock.monotonic() + RETRY_SECONDS

    async def _renew(self) -> None:
        try:
            async with self._session.post(
                self._url,
                data={"grant_type": "client_credentials"},
                headers={"Authorization": self._auth},
            ) as answer:
                answer.raise_for_status()
                body = await answer.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable("auth does not answer") from error
        self._token = body["access_token"]
        self._ends_at = self._clock.monotonic() + body["expires_in"]
        self._renew_at = self._ends_at - RENEW_BEFORE_SECONDS


class ServiceDoor:
    """Lets in the named services only."""

    def __init__(self, keys: KeySet, *, callers: frozenset[str]) -> None:
        self._callers = callers
        self._verifier = Verifier(
            keys, issuer=ISSUER, audience=Audience.INTERNAL, token_type=TokenType.SERVICE
        )

    async def admit(self, authorization: str | None) -> str:
        """The caller's name. Raises `Unauthenticated` or `Forbidden`."""
        claims = await self._verifier.verify(bearer(authorization))
        if claims.subject not in self._callers:
            raise Forbidden(f"{claims.subject} may not call this")
        return claims.subject


def context_verifier(keys: KeySet, audience: Audience) -> Verifier:
    """Verifies the user contexts that auth signs for `audience`."""
    return Verifier(keys, issuer=ISSUER, audience=audience, token_type=TokenType.CONTEXT)


def grant_verifier(keys: KeySet, clock: Clock = system_clock) -> Verifier:
    """Verifies the action grants that auth signs."""
    return Verifier(
        keys,
        issuer=ISSUER,
        audience=Audience.SCORE,
        token_type=TokenType.GRANT,
        clock=clock,
    )


def auth_keys(session: aiohttp.ClientSession, auth_url: str) -> KeySet:
    """Auth's public keys, fetched when first needed."""

    async def fetch() -> Mapping[str, Any]:
        async with session.get(f"{auth_url}/.well-known/jwks.json") as answer:
            answer.raise_for_status()
            keys: dict[str, Any] = await answer.json()
            return keys

    return KeySet(fetch)
