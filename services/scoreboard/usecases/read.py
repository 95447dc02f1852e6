"""What may be read of the board."""

from collections.abc import Sequence
from typing import Protocol

from libs.common.contracts.boards import BoardPage, Ranks, Standing


class ReadBoard(Protocol):
    """The current board. Every method raises `Unavailable` while there is none."""

    async def page(self, *, offset: int, limit: int) -> BoardPage:
        """`limit` users from place `offset` (0 is the leader)."""
        ...

    async def ranks(self, users: Sequence[str]) -> Ranks:
        """Where these users stand; who is not on the board is left out."""
        ...

    async def standing(self, user_id: str, *, around: int) -> Standing:
        """A user's place with up to `around` neighbours on each side. Raises `NotFound`."""
        ...
