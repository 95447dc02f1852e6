"""
Passwords as Argon2id hashes (RFC 9106), by pwdlib's defaults: 64 MiB and some 50 ms each.

So few are computed at a time, in threads, and few may wait.
"""

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from anyio import CapacityLimiter, to_thread
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from libs.common.errors import Unavailable

HASHES_AT_ONCE = 2
MAX_WAITING = 50

Given = TypeVarTuple("Given")
Result = TypeVar("Result")


class Argon2Passwords:
    """Hashes and checks; as slow for an unknown user as for a known one."""

    def __init__(self, hasher: Argon2Hasher | None = None) -> None:
        self._hash = PasswordHash((hasher or Argon2Hasher(),))
        self._nobodys = self._hash.hash("nobody has this password")
        self._inside = 0
        self._turns = CapacityLimiter(HASHES_AT_ONCE)

    async def hash(self, password: str) -> str:
        return await self._in_turn(self._hash.hash, password)

    async def check(self, password: str, known: str | None) -> tuple[bool, str | None]:
        """Whether it matches, and a new hash if today's parameters are others."""
        valid, better = await self._in_turn(
            self._hash.verify_and_update, password, known or self._nobodys
        )
        return (valid, better) if known else (False, None)

    async def _in_turn(self, work: Callable[[*Given], Result], *given: *Given) -> Result:
        if self._inside >= HASHES_AT_ONCE + MAX_WAITING:
            raise Unavailable("too many people are signing in; try again shortly")
        self._inside += 1
        try:
            return await to_thread.run_sync(work, *given, limiter=self._turns)
        finally:
            self._inside -= 1
