"""Who a token speaks for, and what they may do."""

import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from libs.common.clock import Clock
from libs.common.contracts.identities import Judgement, Verdict
from libs.common.errors import AppError, Unauthenticated, Unavailable
from libs.common.tokens import Claims, TokenType, Verifier
from services.auth.domain.claims import JTI_PATTERN, context_claims
from services.auth.domain.people import is_foreign_user_id, is_user_id
from services.auth.domain.roles import foreign_roles, permissions_of
from services.auth.usecases.signing import Sign

_JTI = re.compile(JTI_PATTERN)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who showed a valid token. `session_id` is empty if the token belongs to no session here."""

    user_id: str
    roles: frozenset[str]
    jti: str
    session_id: str
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ForeignIssuer:
    """Another identity provider whose tokens count here, and where it writes the roles."""

    verifier: Verifier
    roles_claim: str


class RevokedTokens(Protocol):
    """What was revoked, and who is banned or erased, up to this moment."""

    async def ended(self, callers: Collection[Caller]) -> Collection[Caller]:
        """Those whose token counts no more. Raises `Unavailable`."""
        ...


class Identify:
    """Verifies access tokens of this or the foreign issuer, and that they still count."""

    def __init__(
        self, own: Verifier, foreign: ForeignIssuer | None, revoked: RevokedTokens
    ) -> None:
        self._own = own
        self._foreign = foreign
        self._revoked = revoked

    async def __call__(self, token: str) -> Caller:
        """Who calls. Raises `Unauthenticated`, and never says which check failed."""
        [found] = await self.each([token])
        if isinstance(found, AppError):
            raise found
        return found

    async def each(self, tokens: Sequence[str]) -> list[Caller | AppError]:
        """Who shows each token, or why it is refused, in their order; none spoils another."""
        found = [await self._verified(token) for token in tokens]
        callers = [one for one in found if isinstance(one, Caller)]
        try:
            ended = await self._revoked.ended(callers) if callers else ()
        except Unavailable as error:
            return [error if isinstance(one, Caller) else one for one in found]
        return [_invalid() if one in ended else one for one in found]

    async def _verified(self, token: str) -> Caller | AppError:
        try:
            return await self._caller(token)
        except AppError as error:
            return error
        except Exception:  # noqa: BLE001 - it belongs to this token, and not to its neighbours
            _log.exception("token_not_judged")
            return Unavailable("the token cannot be judged")

    async def _caller(self, token: str) -> Caller:
        try:
            claims = await self._own.verify(token)
        except Unauthenticated:
            if self._foreign is None:
                raise
            claims = await self._foreign.verifier.verify(token)
            roles = foreign_roles(claims.raw, self._foreign.roles_claim)
            if not is_foreign_user_id(claims.subject):
                raise _invalid() from None
            return _caller(claims, roles, session_id="")
        return _caller(claims, claims.names("roles"), session_id=str(claims.raw.get("sid", "")))


IdentifyEach = Callable[[Sequence[str]], Awaitable[list[Caller | AppError]]]
"""See `Identify.each`."""


class Judge:
    """Answers the gateway: the callers, their permissions, and a proof of both for others."""

    def __init__(self, identify: IdentifyEach, sign: Sign, clock: Clock) -> None:
        self._identify = identify
        self._sign = sign
        self._clock = clock

    async def __call__(self, tokens: Sequence[str]) -> list[Judgement]:
        """What is to be said of each token, in their order."""
        return [
            Judgement(refusal=found.code)
            if isinstance(found, AppError)
            else Judgement(verdict=self._verdict(found))
            for found in await self._identify(tokens)
        ]

    def _verdict(self, caller: Caller) -> Verdict:
        permissions = permissions_of(caller.roles)
        claims = context_claims(
            user_id=caller.user_id,
            roles=caller.roles,
            permissions=permissions,
            jti=caller.jti,
            now=self._clock.now(),
            expires_at=caller.expires_at,
        )
        return Verdict(
            user_id=caller.user_id,
            jti=caller.jti,
            roles=sorted(caller.roles),
            permissions=sorted(permissions),
            issued_at=caller.issued_at,
            expires_at=caller.expires_at,
            context=self._sign(claims, TokenType.CONTEXT),
            context_expires_at=claims["exp"],
        )


def _caller(claims: Claims, roles: frozenset[str], *, session_id: str) -> Caller:
    # What a store may not be able to hold is not looked up there.
    if not is_user_id(claims.subject) or not _JTI.fullmatch(claims.jti):
        raise _invalid()
    return Caller(
        user_id=claims.subject,
        roles=roles,
        jti=claims.jti,
        session_id=session_id,
        issued_at=claims.issued_at,
        expires_at=claims.expires_at,
    )


def _invalid() -> Unauthenticated:
    return Unauthenticated("the token is not valid")
