"""
Header fields of two IETF drafts, `Idempotency-Key` and `RateLimit` with its policy, and of our own,
`Action-Grant`.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from libs.common.errors import InvalidRequest

MAX_KEY_CHARACTERS = 128
CACHED_QUOTAS = 1024
# About three times what auth makes of the longest user id.
MAX_GRANT_CHARACTERS = 2048

# As the document says them, too.
KEY_PATTERN = (
    rf"^([!#-~][!-~]{{0,{MAX_KEY_CHARACTERS - 1}}}"
    rf'|"([ !#-\[\]-~]|\\["\\]){{1,{MAX_KEY_CHARACTERS}}}")$'
)
GRANT_PATTERN = r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$"

_KEY = re.compile(KEY_PATTERN)
_ESCAPE = re.compile(r"\\(.)")
_GRANT = re.compile(GRANT_PATTERN)


def parse_idempotency_key(fields: Sequence[str]) -> str:
    """
    The key of draft-ietf-httpapi-idempotency-key-header: `"a string"`, or the same without quotes.

    Takes every `Idempotency-Key` field of the request, which must be one. Raises `InvalidRequest`.
    """
    if len(fields) != 1:
        raise InvalidRequest("send one Idempotency-Key")
    key = fields[0]
    if not _KEY.fullmatch(key):
        raise InvalidRequest(
            f"the Idempotency-Key must be 1 to {MAX_KEY_CHARACTERS} printable ASCII characters, "
            'such as "8e03978e-40d5-43dd-bc93-6894a57f9324"'
        )
    return _ESCAPE.sub(r"\1", key[1:-1]) if key.startswith('"') else key


def parse_action_grant(fields: Sequence[str]) -> str:
    """
    The grant, a JWT that score verifies. Takes every `Action-Grant` field, which must be one.

    Raises `InvalidRequest`.
    """
    if len(fields) != 1:
        raise InvalidRequest("send one Action-Grant")
    grant = fields[0]
    if len(grant) > MAX_GRANT_CHARACTERS or not _GRANT.fullmatch(grant):
        raise InvalidRequest(
            f"the Action-Grant must be what POST /api/grants gave: a JWT of at most "
            f"{MAX_GRANT_CHARACTERS} characters"
        )
    return grant


@dataclass(frozen=True)
class Quota:
    """A user's rate limit, as draft-ietf-httpapi-ratelimit-headers tells it."""

    per_second: float
    burst: int

    @lru_cache(CACHED_QUOTAS)  # noqa: B019 - the process has one
    def fields(self, remaining: int) -> tuple[tuple[bytes, bytes], ...]:
        """The policy (so many in so many seconds), what is left, and when all of it is back."""
        window_seconds = max(1, round(self.burst / self.per_second))
        refill_seconds = math.ceil(max(0, self.burst - remaining) / self.per_second)
        return (
            (b"ratelimit-policy", b'"user";q=%d;w=%d' % (self.burst, window_seconds)),
            (b"ratelimit", b'"user";r=%d;t=%d' % (remaining, refill_seconds)),
        )
