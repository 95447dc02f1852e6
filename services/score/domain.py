"""
The rules of the ledger that need no database: the rate limit, and what an entry is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from uuid import UUID

from libs.common.contracts.scores import ChangeKind, ScoreUpdated

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


@dataclass(frozen=True, slots=True)
class Settled:
    """The ledger's answer; `version` and `balance` are those of the entry, for ever."""

    outcome: Outcome
    version: int = 0
    balance: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """A user's new state, on its way to everybody who follows the ledger."""

    user_id: str
    score: int
    version: int
    reached_at: datetime
    kind: ChangeKind
    held: bool
    request_id: str = ""

    def event(self, ledger_epoch: int) -> ScoreUpdated:
        """The change as it is published; the same change always gives the same `event_id`."""
        return ScoreUpdated(
            user_id=self.user_id,
            new_score=self.score,
            timestamp=self.reached_at,
            event_id=f"{self.user_id}:{ledger_epoch}:{self.version}",
            version=self.version,
            ledger_epoch=ledger_epoch,
            kind=self.kind,
            held=self.held,
            schema=1,
        )


@dataclass(frozen=True, slots=True)
class Commit:
    """A batch that is on disk; `changes` are to be published, then `batch_id` forgotten."""

    batch_id: UUID
    ledger_epoch: int
    settled: Sequence[Settled]
    changes: Sequence[Change]


@dataclass(frozen=True, slots=True)
class Rate:
    """So many per second, and so many at once."""

    per_second: float
    burst: int

    @property
    def interval_us(self) -> int:
        """Microseconds between two requests at the full rate."""
        return max(1, round(1_000_000 / self.per_second))


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request may pass, how many more may follow at once, and when to come back."""

    allowed: bool
    remaining: int
    retry_after_seconds: float


def admit(tat_us: int, now_us: int, rate: Rate) -> tuple[int, Decision]:
    """
    The generic cell rate algorithm (ITU-T I.371): the new theoretical arrival time, and a verdict.

    `rate_limit.lua` says the same; a test holds the two equal. A `tat_us` further ahead than the
    burst allows comes from a clock that went back, and is cut.
    """
    window = rate.burst * rate.interval_us
    tat = min(max(tat_us, now_us), now_us + window)
    after = tat + rate.interval_us
    wait = after - window - now_us
    if wait > 0:
        return tat, Decision(False, 0, wait / 1_000_000)
    return after, Decision(True, (now_us + window - after) // rate.interval_us, 0)
