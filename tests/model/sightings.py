"""What a run has met, so that a run which never met something cannot pass for a proof of it."""

from collections import Counter
from collections.abc import Iterable

SITUATIONS = (
    "an answer was repeated",
    "a key was used for another body",
    "an event was no news any more",
    "a write came too late for its board",
    "rebuilt: missing",
    "rebuilt: drill",
    "rebuilt: log-lost",
    "rebuilt: redis-restarted",
    "rebuilt: ledger-restored",
    "an audit found all equal",
    "an audit repaired the board",
    "a screen was spared an old snapshot",
    "commits were lost with the ledger",
    "a reversal took a user out of the top ten",
    "a revert brought a user into the top ten",
    "the tenth and the eleventh are level",
    "an unreadable message was parked",
)


class Sightings:
    """How often each step was taken, and each situation met, over all sequences of a run."""

    def __init__(self, steps: Iterable[str]) -> None:
        self.sequences = 0
        self.steps: Counter[str] = Counter(dict.fromkeys(steps, 0))
        self.situations: Counter[str] = Counter(dict.fromkeys(SITUATIONS, 0))

    def saw(self, situation: str) -> None:
        self.situations[situation] += 1

    @property
    def never(self) -> list[str]:
        """What this run cannot say anything about."""
        return [name for seen in (self.steps, self.situations) for name, n in seen.items() if not n]
