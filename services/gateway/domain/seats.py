"""How many requests may be at work at once."""


class Seats:
    """So many, and how many of them are taken."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0

    @property
    def free(self) -> bool:
        return self.taken < self.most
