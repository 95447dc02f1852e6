"""
The claims of the four kinds of token that auth signs; `iss` is added by the signer.

`iat` of an access token has a fraction (RFC 7519 calls it a NumericDate): whoever signs out
everywhere and in again within the same second must not be taken for who was signed out.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from libs.common.tokens import LEEWAY_SECONDS, Audience

CONTEXT_SECONDS = 60
SERVICE_SECONDS = 300
# No access token lives longer, whoever asked for it; so long do revocations and old keys matter.
LONGEST_ACCESS_SECONDS = 86_400
REVOCATION_MATTERS = timedelta(seconds=LONGEST_ACCESS_SECONDS + LEEWAY_SECONDS)

JTI_PATTERN = r"^[!-~]{1,128}$"

Claims = dict[str, Any]


def access_claims(
    *, user_id: str, roles: Iterable[str], jti: str, session: str, now: datetime, seconds: int
) -> Claims:
    """A user's token for the public edge. `session` is empty for a token without one."""
    claims: Claims = {
        "aud": Audience.PUBLIC,
        "sub": user_id,
        "iat": now.timestamp(),
        "exp": int(now.timestamp()) + min(seconds, LONGEST_ACCESS_SECONDS),
        "jti": jti,
        "roles": sorted(roles),
    }
    return claims | {"sid": session} if session else claims


def context_claims(
    *,
    user_id: str,
    roles: Iterable[str],
    permissions: Iterable[str],
    jti: str,
    now: datetime,
    expires_at: datetime,
) -> Claims:
    """Auth's word on a user to other services: 60 s, and never beyond the token it stands for."""
    end = min(now + timedelta(seconds=CONTEXT_SECONDS), expires_at)
    return {
        "aud": [Audience.SCORE, Audience.NOTIFICATION],
        "sub": user_id,
        "iat": int(now.timestamp()),
        "exp": int(end.timestamp()),
        "jti": jti,
        "roles": sorted(roles),
        "permissions": sorted(permissions),
    }


def service_claims(*, name: str, jti: str, now: datetime) -> Claims:
    """A service's own identity."""
    return {
        "aud": Audience.INTERNAL,
        "sub": name,
        "iat": int(now.timestamp()),
        "exp": int(now.timestamp()) + SERVICE_SECONDS,
        "jti": jti,
    }


def grant_claims(
    *,
    user_id: str,
    max_increment: int,
    min_elapsed_seconds: float,
    jti: str,
    now: datetime,
    seconds: float,
) -> Claims:
    """Leave to add once. The fraction of `iat` is when the time that must elapse begins."""
    return {
        "aud": Audience.SCORE,
        "sub": user_id,
        "iat": now.timestamp(),
        "exp": now.timestamp() + seconds,
        "jti": jti,
        "max_increment": max_increment,
        "min_elapsed_seconds": min_elapsed_seconds,
    }
