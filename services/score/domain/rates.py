"""The rate limit: so many requests per user and second."""

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Rate:
    """So many per second, and so many at once."""

    per_second: float
    burst: int

    @property
    def interval_us(self) -> int:
        """Microseconds between two requests at the full rate."""
        return max(1, round(1_000_000 / self.per_second))


class Decision(NamedTuple):
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
