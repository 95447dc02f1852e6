"""What the bench asks of everything that it measures, the product included."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Target:
    """
    A running contender, and where it is reached.

    `POST post_url` takes a Bearer token, an Idempotency-Key (which a contender may ignore) and
    `{"score_increment": n}`. A frame of a stream is JSON with `top_10`, a list of `user_id` and
    `score`; a frame with a `type` other than "snapshot" is not a board.
    """

    post_url: str
    board_url: str
    websocket_url: str
    """Empty where there are none."""
    events_url: str | None = None
    """Server-Sent Events; None where there are none."""
    pids: Mapping[str, int] = field(default_factory=dict)
    """
    Every process, servers included, by name; empty where they are not known. `gateway` takes the
    posts, `notification` holds the streams.
    """
    inside: Mapping[str, str] = field(default_factory=dict, repr=False)
    """URLs and secrets that only the contender itself needs again."""


@dataclass(frozen=True)
class Sums:
    """What a contender has kept. Sent, ledger and board must be equal, or a run does not count."""

    accepted: int
    """Entries in the ledger."""
    ledger: int
    """Points of all users in PostgreSQL."""
    board: int
    """Points of all users in Redis."""


class DoesNotCount(Exception):
    """
    A run that is worth nothing, and why: what was sent, ledger and board are not equal, something
    was refused, or the contender has not what the workload needs.
    """


class Contender(Protocol):
    """Something that takes increments and shows a board."""

    @property
    def name(self) -> str: ...

    def running(self) -> AbstractContextManager[Target]:
        """Ready when the block begins, ended with it; any number of times."""
        ...

    async def tokens(self, target: Target, users: Sequence[str]) -> dict[str, str]:
        """An access token for each user; where the users are given, for as many others."""
        ...

    async def sums(self, target: Target) -> Sums | None:
        """What is kept now; the board follows the ledger a little later. None: cannot be known."""
        ...
