"""How many requests may be at work at once."""

from libs.common.logs import Trouble


class Seats:
    """So many, and how many are taken; the log has a line when they are too few, and when empty."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._trouble = Trouble("overloaded")

    @property
    def free(self) -> bool:
        return self._taken < self._most

    def refused(self) -> None:
        """Somebody came, and none was free."""
        self._trouble.met("too many requests")

    def take(self) -> None:
        self._taken += 1

    def leave(self) -> None:
        self._taken -= 1
        if self._taken == 0:
            self._trouble.over()
