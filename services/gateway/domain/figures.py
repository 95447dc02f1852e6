"""Which figures stand for the whole, and how those of several processes become one."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from libs.common.contracts.status import Figures, Freshness

LOOP_LAG = "event_loop_lag_seconds"
ANSWERS = "score_answers_total"
OUTBOX_BATCHES = "score_outbox_batches"
OUTBOX_OLDEST = "score_outbox_oldest_seconds"
REVIEWS_OPEN = "score_reviews_open"
CONSUMER_LAG = "kafka_consumer_lag_records"
DRIFT_USERS = "scoreboard_drift_users"
DRIFT_POINTS = "scoreboard_drift_points"
STREAMS = "notification_connections"
FRESHNESS = "notification_freshness_seconds"

NAMES = (
    *(LOOP_LAG, ANSWERS, OUTBOX_BATCHES, OUTBOX_OLDEST, CONSUMER_LAG, DRIFT_USERS, DRIFT_POINTS),
    *(STREAMS, FRESHNESS, REVIEWS_OPEN),
)
"""What is read of `/metrics`; the parts of a histogram begin with its name."""


class Sample(NamedTuple):
    """One line of `/metrics`."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Histogram:
    """How many values were at most so large, by bound, and their sum; all only grow."""

    at_most: Mapping[float, float]
    sum: float

    @classmethod
    def of(cls, name: str, samples: Iterable[Sample]) -> Self:
        """That of all processes together."""
        at_most: Counter[float] = Counter()
        total = 0.0
        for sample in samples:
            if sample.name == f"{name}_bucket":
                at_most[float(sample.labels["le"])] += int(sample.value)
            elif sample.name == f"{name}_sum":
                total += sample.value
        return cls(at_most, total)

    @property
    def count(self) -> float:
        return self.at_most.get(math.inf, 0)

    def since(self, earlier: Self) -> Self:
        """What was added; everything, if a process began anew in between."""
        if self.count < earlier.count:
            return self
        at_most = {b: n - earlier.at_most.get(b, 0) for b, n in self.at_most.items()}
        return type(self)(at_most, self.sum - earlier.sum)

    def freshness(self) -> Freshness | None:
        """None if it is empty."""
        if not self.count:
            return None
        return Freshness(mean_seconds=self.sum / self.count, p99_seconds=self._bound(0.99))

    def _bound(self, share: float) -> float:
        """The smallest bound under which that share of the values is, or the largest there is."""
        finite = sorted(bound for bound in self.at_most if math.isfinite(bound))
        under = (bound for bound in finite if self.at_most[bound] >= share * self.count)
        return next(under, finite[-1])


def figures(by_service: Mapping[str, Sequence[Sample]], freshness: Freshness | None) -> Figures:
    """Each figure from those who own it, if they answer: every service exports the names of all."""
    known: dict[str, object] = {"freshness": freshness}
    if score := by_service.get("score"):
        results = _by_label(score, ANSWERS, "result")
        known |= {
            "accepted_total": results.pop("accepted", 0),
            "refused_total": sum(n for result, n in results.items() if result != "replayed"),
            # These are the database's, whichever process says them.
            "outbox_batches": _largest(score, OUTBOX_BATCHES),
            "outbox_oldest_seconds": _largest(score, OUTBOX_OLDEST),
            "open_reviews": _largest(score, REVIEWS_OPEN),
        }
    if scoreboard := by_service.get("scoreboard"):
        known |= {
            "consumer_lag_records": sum(_by_label(scoreboard, CONSUMER_LAG, "topic").values()),
            "drift_users": _largest(scoreboard, DRIFT_USERS),
            "drift_points": _largest(scoreboard, DRIFT_POINTS),
        }
    if notification := by_service.get("notification"):
        known["streams"] = _by_label(notification, STREAMS, "transport")
    return Figures.model_validate(known)


def loop_lag(samples: Iterable[Sample]) -> float | None:
    """How late a process's event loop woke, in seconds."""
    return next((sample.value for sample in samples if sample.name == LOOP_LAG), None)


def _by_label(samples: Iterable[Sample], name: str, label: str) -> dict[str, int]:
    """Sums over all processes."""
    sums: Counter[str] = Counter()
    for sample in samples:
        if sample.name == name:
            sums[sample.labels[label]] += int(sample.value)
    return dict(sums)


def _largest(samples: Iterable[Sample], name: str) -> float:
    return max((sample.value for sample in samples if sample.name == name), default=0)
