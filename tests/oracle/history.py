"""What clients asked for, and what they were told."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Request:
    """
    One increment, under one key, however often it was sent.

    `started` and `ended` are the loop's seconds of the first attempt and of the verdict. Without a
    `verdict` nobody knows whether it counted; "refused" means that it did not.
    """

    user: str
    key: str
    points: int
    started: float
    ended: float = 0.0
    verdict: str = ""
    seq: int = 0
    score: int = 0
    attempts: int = 0
    replayed: bool = False

    @property
    def acked(self) -> bool:
        return self.verdict == "acked"

    @property
    def unsure(self) -> bool:
        """It took more than one attempt: the outcome of the earlier ones was unknown for a time."""
        return self.attempts > 1


@dataclass
class History:
    """All requests, in the order of their beginning, and every answer by status or error."""

    requests: list[Request] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)

    @property
    def acked(self) -> list[Request]:
        return [request for request in self.requests if request.acked]

    @property
    def totals(self) -> dict[str, int]:
        """Points by user, as far as they were acknowledged."""
        totals: Counter[str] = Counter()
        for request in self.requests:
            if request.acked:
                totals[request.user] += request.points
        return dict(totals)

    @property
    def resolved(self) -> tuple[int, int]:
        """Of the unsure ones: how many had counted at an earlier attempt, and how many had not."""
        unsure = [request for request in self.acked if request.unsure]
        counted = sum(request.replayed for request in unsure)
        return counted, len(unsure) - counted
