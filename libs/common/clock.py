"""The only reader of the time; rules get the time as an argument."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from; a test brings its own."""

    def now(self) -> datetime:
        """The wall clock in UTC, for people and for tokens; it may step."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow, for waits and windows."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251

    def monotonic(self) -> float:
        return time.monotonic()


system_clock = SystemClock()
