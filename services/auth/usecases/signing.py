"""Tokens for those who need no password: services, and users that an operator names."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import uuid4

from libs.common.clock import Clock
from libs.common.errors import InvalidRequest
from libs.common.tokens import TokenType
from services.auth.domain.claims import access_claims, service_claims
from services.auth.domain.roles import PERMISSIONS

Sign = Callable[[Mapping[str, Any], TokenType], str]
"""Makes a token of this type with these claims, the issuer's name and the current key."""

CheckSecret = Callable[[str, str], None]
"""Raises `Unauthenticated` unless the secret is that of the service with this name."""


class IssueTokens:
    """Signs tokens that belong to no session."""

    def __init__(self, sign: Sign, check: CheckSecret, clock: Clock) -> None:
        self._sign = sign
        self._check = check
        self._clock = clock

    def for_service(self, name: str, secret: str) -> str:
        """A service's identity. Raises `Unauthenticated` if the secret is not its own."""
        self._check(name, secret)
        claims = service_claims(name=name, jti=uuid4().hex, now=self._clock.now())
        return self._sign(claims, TokenType.SERVICE)

    def for_user(self, user_id: str, roles: Iterable[str], *, seconds: int) -> str:
        """An access token for any user, registered here or not. Raises `InvalidRequest`."""
        roles = frozenset(roles)
        if unknown := roles - PERMISSIONS.keys():
            raise InvalidRequest(f"unknown role: {min(unknown)}")
        claims = access_claims(
            user_id=user_id,
            roles=roles,
            jti=uuid4().hex,
            session="",
            now=self._clock.now(),
            seconds=seconds,
        )
        return self._sign(claims, TokenType.ACCESS)
