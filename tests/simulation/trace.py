"""What happened, line by line; two runs of a seed agree exactly if their digests do."""

from collections import deque
from hashlib import blake2b

TAIL_LINES = 40
DIGEST_BYTES = 16


class Trace:
    """Hashes every line, and keeps the last ones; with `echo` it prints all."""

    def __init__(self, *, echo: bool = False) -> None:
        self._echo = echo
        self._hash = blake2b(digest_size=DIGEST_BYTES)
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self.lines = 0

    def note(self, seconds: float, who: str, what: str) -> None:
        """Something happened, at the virtual time of so many seconds."""
        line = f"{seconds:10.6f} {who:<14} {what}"
        self._hash.update(line.encode() + b"\n")
        self.tail.append(line)
        self.lines += 1
        if self._echo:
            print(line)

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()
