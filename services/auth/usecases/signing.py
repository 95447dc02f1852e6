"""Tokens that need no password: for services, for users that an operator names, for actions."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import uuid4

from libs.common.clock import Clock
from libs.common.contracts.accounts import Grant, GrantOrder
from libs.common.errors import InvalidRequest
from libs.common.tokens import TokenType
from services.auth.domain.claims import access_claims, grant_claims, service_claims
from services.auth.domain.roles import roles_of

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
        claims = access_claims(
            user_id=user_id,
            roles=roles_of(roles),
            jti=uuid4().hex,
            session="",
            now=self._clock.now(),
            seconds=seconds,
        )
        return self._sign(claims, TokenType.ACCESS)

    def for_action(self, order: GrantOrder) -> Grant:
        """Leave for a user, registered here or not, to add once. Raises `InvalidRequest`."""
        if order.min_elapsed_seconds >= order.expires_in_seconds:
            raise InvalidRequest("the grant would end before it may be redeemed")
        claims = grant_claims(
            user_id=order.user_id,
            max_increment=order.max_increment,
            min_elapsed_seconds=order.min_elapsed_seconds,
            jti=uuid4().hex,
            now=self._clock.now(),
            seconds=order.expires_in_seconds,
        )
        return Grant(grant=self._sign(claims, TokenType.GRANT), expires_in=order.expires_in_seconds)
