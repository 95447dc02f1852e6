"""The only reader of the time; rules get the time as an argument."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


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


def to_microseconds(at: datetime) -> int:
    """Microseconds since 1970, exactly; a float would round."""
    return (at - _EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """The time so many microseconds after 1970, in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


system_clock = SystemClock()
