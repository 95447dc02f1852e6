"""What an increment is, and what becomes of it."""

from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple

HASH_BYTES = 16


@dataclass(frozen=True, slots=True)
class Entry:
    """
    An increment that passed every check and waits for its commit.

    Two are equal if they mean the same: a retry equals its first try.
    """

    user_id: str
    key: str
    delta: int
    fingerprint: bytes | None = field(default=None, compare=False)
    request_id: str = field(default="", compare=False)
    day_limit: int | None = field(default=None, compare=False)

    @property
    def request_hash(self) -> bytes:
        """What the key stands for; the same key with another hash is a mistake of the client."""
        return blake2b(b'{"score_increment":%d}' % self.delta, digest_size=HASH_BYTES).digest()


class Outcome(StrEnum):
    """What the ledger did with an entry."""

    ACCEPTED = "accepted"
    REPLAYED = "replayed"
    KEY_REUSED = "key_reused"
    LIMIT_REACHED = "limit_reached"
    DAY_LIMIT_REACHED = "day_limit_reached"


class Settled(NamedTuple):
    """The ledger's answer; `version` and `balance` are those of the entry, for ever."""

    outcome: Outcome
    version: int = 0
    balance: int = 0
