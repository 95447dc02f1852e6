"""How often something may be tried."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `attempts` in any `seconds`, for each key."""

    name: str
    attempts: int
    seconds: int


LOGIN_PER_ACCOUNT = Limit("login-account", 10, 300)
LOGIN_PER_ADDRESS = Limit("login-address", 100, 300)
REGISTER_PER_ADDRESS = Limit("register-address", 60, 300)
REFRESH_PER_SESSION = Limit("refresh-session", 10, 60)


class Throttle(Protocol):
    """Counts attempts, for all replicas together where that is possible."""

    async def count(self, limit: Limit, key: str) -> None:
        """Count one attempt. Raises `RateLimited`, which says when to try again."""
        ...

    async def forgive(self, limit: Limit, key: str) -> None:
        """Forget the attempts."""
        ...
