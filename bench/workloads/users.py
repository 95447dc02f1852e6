"""
What an increment costs when the ledger and the board hold few users, or very many.

The same number of users score in both, spread over the whole board, so what differs is the size of
tables, indexes and board, and nothing at the gateway. Only the product can be filled this way.
"""

from dataclasses import dataclass
from typing import Any

from bench.ports.ours import Ours
from bench.workloads import increments
from bench.workloads.increments import Increments


@dataclass(frozen=True)
class Users:
    """A run of increments in a crowd."""

    users: int
    increments: Increments
    contender: str

    def figures(self) -> dict[str, Any]:
        """All of it, for a file."""
        return self.increments.figures() | {"users": self.users}

    def __str__(self) -> str:
        return f"{self.users:,} users: {self.increments}"


async def measure(*, users: int, seconds: float, warm_seconds: float) -> Users:
    """Start the product, fill it, measure as `increments` does. Raises `DoesNotCount`."""
    ours = Ours(crowd=users)
    run = await increments.measure(ours, seconds=seconds, warm_seconds=warm_seconds)
    return Users(users, run, ours.name)
