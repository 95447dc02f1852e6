"""What auth said, for as long as it may be used: looked up at every request, so a plain dict."""

from itertools import islice

from libs.common.clock import Clock
from libs.common.contracts.identities import Verdict

MAX_VERDICTS = 100_000
# Of the oldest, at each new one: more go than come, so what is past its time does not pile up.
LOOKED_AT = 2


class Memory:
    """Verdicts by token, each until its time; beyond `MAX_VERDICTS` the oldest go first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, Verdict]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, token: str) -> Verdict | None:
        """None: not known, or no longer."""
        kept = self._kept.get(token)
        return kept[1] if kept is not None and self._clock.monotonic() < kept[0] else None

    def put(self, token: str, verdict: Verdict, seconds: float) -> None:
        """Remember it for so long."""
        now = self._clock.monotonic()
        self._kept.pop(token, None)  # so that it is the newest again
        self._kept[token] = (now + seconds, verdict)
        for old in list(islice(self._kept, LOOKED_AT)):
            if self._kept[old][0] <= now or len(self._kept) > MAX_VERDICTS:
                del self._kept[old]
