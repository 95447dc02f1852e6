"""The wall clocks of the world: all show virtual time, each may be set wrong."""

from datetime import UTC, datetime, timedelta

from tests.simulation.loop import VirtualLoop

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class WallClock:
    """One machine's clock (`libs.common.clock.Clock`); `ahead_seconds` may jump, also back."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.ahead_seconds = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self._loop.time() + self.ahead_seconds)

    def seconds(self) -> float:
        """Wall time in seconds."""
        return self._loop.time() + self.ahead_seconds

    def monotonic(self) -> float:
        return self._loop.time()
