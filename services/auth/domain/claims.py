"""
The claims of the three kinds of token that auth signs; `iss` is added by the signer.

`iat` of an access token has a fraction (RFC 7519 calls it a NumericDate): whoever signs out
everywhere and in again within the same second must not be taken for who was signed out.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from libs.common.tokens import Audience

CONTEXT_SECONDS = 60
SERVICE_SECONDS = 300
# No access token lives longer, whoever asked for it; so long do revocations and old keys matter.
LONGEST_ACCESS_SECONDS = 86_400

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
