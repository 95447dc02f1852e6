"""What was found out, for as long as it may be used. Looked up at every request: a plain dict."""

from itertools import islice
from typing import Generic, TypeVar

from libs.common.clock import Clock

# Of the oldest, at each new one: more go than come, so what is past its time does not pile up.
LOOKED_AT = 2

Value = TypeVar("Value")


class Memory(Generic[Value]):
    """Values by key, each until its time; beyond `most` the oldest go first."""

    def __init__(self, most: int, clock: Clock) -> None:
        self._most = most
        self._clock = clock
        self._kept: dict[str, tuple[float, Value]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: str) -> Value | None:
        """None: not known, or no longer."""
        kept = self._kept.get(key)
        return kept[1] if kept is not None and self._clock.monotonic() < kept[0] else None

    def forget(self, key: str) -> None:
        """Know it no longer."""
        self._kept.pop(key, None)

    def put(self, key: str, value: Value, seconds: float) -> None:
        """Remember it for so long."""
        now = self._clock.monotonic()
        self._kept.pop(key, None)  # so that it is the newest again
        self._kept[key] = (now + seconds, value)
        for old in list(islice(self._kept, LOOKED_AT)):
            if self._kept[old][0] <= now or len(self._kept) > self._most:
                del self._kept[old]
