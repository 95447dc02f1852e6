"""What a run of the generator sent, and what came of it: to be printed, kept, or read back."""

from collections import Counter

from pydantic import BaseModel, Field, computed_field

from bench.load.latencies import Latencies

SATURATED_SHARE = 0.9
SATURATED_LATE_MS = 5.0


class Posted(BaseModel):
    """
    What a run sent, and what came back.

    The run counts only if `clean`. `latencies` are from the moment at which a request was to be
    sent until its answer was in. `late` is how far the generator itself was behind its schedule,
    `queued` how many requests found all connections busy; both are of the open loop.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    sent: int = 0
    statuses: Counter[int] = Field(default_factory=Counter)
    points: int = 0
    lost: int = 0
    unanswered: int = 0
    unanswered_points: int = 0
    unsent: int = 0
    queued: int = 0
    latencies: Latencies = Field(default_factory=Latencies)
    late: Latencies = Field(default_factory=Latencies)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def accepted(self) -> int:
        """Increments that were answered by 200; `points` is their sum."""
        return self.statuses[200]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def clean(self) -> bool:
        """Everything was sent, answered and accepted, and no connection broke."""
        return self.accepted == self.sent and not (self.lost or self.unanswered or self.unsent)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def saturated(self) -> bool:
        """The generator was the limit, or nearly: the figures say more of it than of the server."""
        busy = self.cpu_seconds > SATURATED_SHARE * self.seconds
        return busy or self.late.percentile(99) > SATURATED_LATE_MS
