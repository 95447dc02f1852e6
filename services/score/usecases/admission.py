"""Whether an increment may be counted at all: who sends it, how much, and with what grant."""

from collections.abc import Mapping
from functools import lru_cache, partial

from libs.common import errors
from libs.common.clock import Clock
from libs.common.contracts.scores import Increment
from libs.common.tokens import Claims
from services.score.domain.bounds import Bounds, bounds_of
from services.score.domain.increments import Entry
from services.score.usecases.ports import Tokens

WRITE_PERMISSION = "scores:write"
# No key of a client's own looks like this by accident; if one does, it only uses up its own grant.
GRANT_KEY = "grant:{jti}"
CACHED_ROLES = 1000


class Admission:
    """Judges increments one by one; nothing here looks at the ledger."""

    def __init__(
        self,
        contexts: Tokens,
        grants: Tokens,
        clock: Clock,
        *,
        bounds: Mapping[str, Bounds],
        default: Bounds,
    ) -> None:
        self._contexts = contexts
        self._grants = grants
        self._clock = clock
        # By the roles that a user holds; most hold the same.
        self._bounds_of = lru_cache(CACHED_ROLES)(partial(bounds_of, table=bounds, default=default))

    async def entry(self, item: Increment) -> Entry:
        """
        The increment as the ledger takes it. A grant's id becomes the key, so it counts once.

        Raises `Unauthenticated`, `Forbidden`, `InvalidRequest`, `GrantRefused`, `GrantTooEarly`.
        """
        claims = await self._contexts.verify(item.context)
        if WRITE_PERMISSION not in claims.names("permissions"):
            raise errors.Forbidden(f"this needs the permission {WRITE_PERMISSION}")
        bounds = self._bounds_of(claims.names("roles"))
        if item.score_increment > bounds.per_request:
            raise errors.InvalidRequest(
                f"score_increment must be an integer from 1 to {bounds.per_request}"
            )
        if item.grant:
            key = await self._redeemed(item, claims.subject)
        elif bounds.grant_required:
            raise errors.GrantRefused("this needs an action grant")
        else:
            key = item.idempotency_key
        return Entry(
            claims.subject,
            key,
            item.score_increment,
            bytes.fromhex(item.fingerprint) if item.fingerprint else None,
            item.request_id,
            bounds.per_day,
        )

    async def _redeemed(self, item: Increment, user_id: str) -> str:
        """The key that a grant stands for."""
        try:
            grant = await self._grants.verify(item.grant)
        except errors.Unauthenticated:
            raise errors.GrantRefused("the action grant is not valid, or no longer") from None
        if grant.subject != user_id:
            raise errors.GrantRefused("the action grant is somebody else's")
        most = _number(grant, "max_increment")
        if item.score_increment > most:
            raise errors.GrantRefused(f"the action grant allows at most {most:g}")
        elapsed = (self._clock.now() - grant.issued_at).total_seconds()
        early = _number(grant, "min_elapsed_seconds") - elapsed
        if early > 0:
            raise errors.GrantTooEarly("the action cannot be over yet", retry_after_seconds=early)
        return GRANT_KEY.format(jti=grant.jti)


def _number(grant: Claims, claim: str) -> float:
    value = grant.raw.get(claim)
    if not isinstance(value, int | float):
        raise errors.GrantRefused(f"the action grant says no {claim}")
    return value
