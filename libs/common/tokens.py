"""
Verifying JSON Web Tokens (RFC 7519, RFC 8725): one algorithm per key, everything required.

Issuing them is auth's. Four kinds, told apart by `typ`, so that one never passes for another.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import Any

import jwt

from libs.common.clock import Clock, system_clock
from libs.common.errors import Unauthenticated, Unavailable
from libs.common.logs import Trouble
from libs.common.memory import Memory
from libs.common.tasks import spawn

ALGORITHM = "EdDSA"
LEEWAY_SECONDS = 5
MAX_TOKEN_CHARACTERS = 8192
REFRESH_SECONDS = 300.0
MIN_REFRESH_SECONDS = 30.0
RETRY_SECONDS = 1.0
CACHED_TOKENS = 100_000

_KID = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
_REQUIRED = ["iss", "aud", "sub", "iat", "exp"]


class TokenType(StrEnum):
    """The `typ` header: what a token is for."""

    ACCESS = "at+jwt"  # RFC 9068: a user's, shown to the gateway
    CONTEXT = "scoreboard-ctx+jwt"  # auth's word on a user, shown to other services
    SERVICE = "scoreboard-svc+jwt"  # a service's own identity
    GRANT = "scoreboard-grant+jwt"  # an action that a user may score once


class Audience(StrEnum):
    """Who a token is meant for."""

    PUBLIC = "live-scoreboard"
    SCORE = "score"
    NOTIFICATION = "notification"
    INTERNAL = "live-scoreboard-internal"


@dataclass(frozen=True)
class Claims:
    """What a valid token says."""

    subject: str
    jti: str
    issued_at: datetime
    expires_at: datetime
    raw: Mapping[str, Any]

    def names(self, claim: str) -> frozenset[str]:
        """A claim that is a list of names; anything else counts as none."""
        return self._lists.get(claim, frozenset())

    @cached_property
    def _lists(self) -> dict[str, frozenset[str]]:
        return {
            claim: frozenset(v for v in value if isinstance(v, str))
            for claim, value in self.raw.items()
            if isinstance(value, list)
        }


class KeySet:
    """
    Public keys by `kid`, from one fixed place (never from the token).

    Keeps the last good set when a fetch fails, and fetches at most once in 30 s however many
    unknown `kid`s arrive (CVE-2026-48524 is what happens otherwise).
    """

    def __init__(
        self, fetch: Callable[[], Awaitable[Mapping[str, Any]]], clock: Clock = system_clock
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._fetching: set[asyncio.Task[Any]] = set()
        self._trouble = Trouble("keys_not_fetched")

    async def check(self) -> None:
        """Raise `Unavailable` until the keys were fetched once."""
        await self.get("")

    async def get(self, kid: str) -> jwt.PyJWK | None:
        """
        The key, or None if the issuer does not publish it.

        Raises `Unavailable` if no keys were ever heard: then nothing can be said of any token.
        """
        known = kid in self._keys
        if not (known and self._is_fresh()) and not self._fetching and self._may_try():
            spawn(self._refresh(), self._fetching, name="keys")
        # Who needs an unknown key waits for the fetch that may bring it, whoever began it; a known
        # one waits for nobody.
        if not known and self._fetching:
            await asyncio.wait(self._fetching)
        if not self._keys:
            raise Unavailable("the issuer's keys are not known yet")
        return self._keys.get(kid)

    def _is_fresh(self) -> bool:
        return self._clock.monotonic() - self._fetched_at <= REFRESH_SECONDS

    def _may_try(self) -> bool:
        # An empty set is no answer at all: ask again soon, the issuer may just be starting.
        pause = MIN_REFRESH_SECONDS if self._keys else RETRY_SECONDS
        return self._clock.monotonic() - self._tried_at >= pause

    async def _refresh(self) -> None:
        try:
            published = await self._fetch()
            keys = jwt.PyJWKSet.from_dict(dict(published)).keys
        except Exception as error:  # noqa: BLE001 - any failure means: keep what we have
            self._trouble.met(error)
        else:
            self._trouble.over()
            self._keys = {key.key_id: key for key in keys if key.key_id}
            self._fetched_at = self._clock.monotonic()
        finally:
            # Not from its beginning: those who waited for a slow one would begin the next.
            self._tried_at = self._clock.monotonic()


class Verifier:
    """
    Checks tokens of one kind, from one issuer, for one audience.

    `token_type` is None for a foreign issuer: then `typ` is free, and a token without `jti` (Entra
    and Auth0 write none by default) is named by its hash.
    """

    def __init__(
        self,
        keys: KeySet,
        *,
        issuer: str,
        audience: str,
        token_type: TokenType | None,
        algorithm: str = ALGORITHM,
        clock: Clock = system_clock,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._type = token_type
        self._required = [*_REQUIRED, "jti"] if token_type else _REQUIRED
        self._algorithm = algorithm
        self._clock = clock
        self._verified = Memory[Claims](CACHED_TOKENS, clock)

    async def verify(self, token: str) -> Claims:
        """
        What the token says. Raises `Unauthenticated`, and never says which check failed;
        `Unavailable` while the issuer's keys are not known.
        """
        known = self._verified.get(token)
        if known is not None:
            return known
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise Unauthenticated("the token is not valid")
        try:
            # Of the header alone: the rest is read when the key is known.
            header = jwt.get_unverified_header(token.partition(".")[0] + "..")
            kid = header.get("kid", "")
            if not isinstance(kid, str) or not _KID.match(kid):
                raise jwt.InvalidTokenError("kid")
            if self._type is not None and header.get("typ") != self._type:
                raise jwt.InvalidTokenError("typ")
            key = await self._keys.get(kid)
            if key is None or key.algorithm_name != self._algorithm:
                raise jwt.InvalidTokenError("key")
            raw = jwt.decode(
                token,
                key,
                algorithms=[self._algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": self._required, "enforce_minimum_key_length": True},
            )
            claims = Claims(
                subject=str(raw["sub"]),
                jti=str(raw.get("jti") or sha256(token.encode()).hexdigest()),
                issued_at=datetime.fromtimestamp(raw["iat"], UTC),
                expires_at=datetime.fromtimestamp(raw["exp"], UTC),
                raw=raw,
            )
        except (jwt.InvalidTokenError, jwt.PyJWKError, ValueError, TypeError, OverflowError):
            raise Unauthenticated("the token is not valid") from None
        lasting = (claims.expires_at - self._clock.now()).total_seconds()
        self._verified.put(token, claims, lasting)
        return claims


def bearer(authorization: str | None) -> str:
    """The token of an `Authorization: Bearer …` header (RFC 6750)."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("send the header Authorization: Bearer <token>")
    return token.strip()
