"""
The rules of the board: what is newer, who is ahead, and what moved.

Whoever reached a total first is ahead of those who reached it later; then the id's bytes decide.
SQL says the same: `ORDER BY score DESC, reached_at, user_id COLLATE "C"`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from libs.common.clock import to_microseconds
from libs.common.contracts.boards import Reason
from libs.common.contracts.scores import LedgerRow, ScoreUpdated

TOP_SIZE = 10
TIME_DIGITS = 16

_CORRECTIONS = frozenset({"reversal", "adjustment", "hold", "release"})


class Row(NamedTuple):
    """A user's state as the board keeps it."""

    user_id: str
    score: int
    ledger_epoch: int
    version: int
    reached_us: int
    held: bool = False
    correction: bool = False

    @property
    def stamp(self) -> tuple[int, int]:
        """Of two states of a user the one with the larger stamp holds."""
        return (self.ledger_epoch, self.version)

    @property
    def member(self) -> str:
        """The user in a sorted set: equal scores fall in the order of time, then of the id."""
        return f"{self.reached_us:0{TIME_DIGITS}x}{self.user_id}"

    @classmethod
    def of_event(cls, event: ScoreUpdated) -> "Row":
        return cls(
            event.user_id,
            event.new_score,
            event.ledger_epoch,
            event.version,
            to_microseconds(event.timestamp),
            event.held,
            event.kind in _CORRECTIONS,
        )

    @classmethod
    def of_ledger(cls, row: LedgerRow, ledger_epoch: int) -> "Row":
        return cls(row.user_id, row.score, ledger_epoch, row.version, row.reached_us, row.held)


def user_of(member: str) -> str:
    """The user behind a sorted set's member."""
    return member[TIME_DIGITS:]


def newest(rows: Iterable[Row]) -> list[Row]:
    """One row per user, the one that holds; in the order in which users first appear."""
    kept: dict[str, Row] = {}
    for row in rows:
        known = kept.get(row.user_id)
        if known is None or row.stamp > known.stamp:
            kept[row.user_id] = row
    return list(kept.values())


def in_order(rows: Iterable[Row]) -> list[Row]:
    """The board itself: those that are not held, leaders first."""
    return sorted((row for row in rows if not row.held), key=lambda r: (-r.score, r.member))


@dataclass(frozen=True, slots=True)
class Top:
    """The first ten as they were at `(epoch, rev)`: pairs of user and score."""

    epoch: int
    rev: int
    entries: tuple[tuple[str, int], ...]
    accepted_us: int = 0
    reason: Reason = "scores"

    @property
    def position(self) -> tuple[int, int]:
        return (self.epoch, self.rev)


def moves(before: Top | None, after: Top) -> Mapping[str, int]:
    """
    Places that users of `after` gained since `before`; who held his place is left out.

    A newcomer counts from the place behind the last.
    """
    if before is None:
        return {}
    ranks = {user: rank for rank, (user, _) in enumerate(before.entries)}
    behind = len(before.entries)
    gained = {user: ranks.get(user, behind) - rank for rank, (user, _) in enumerate(after.entries)}
    return {user: places for user, places in gained.items() if places}


def chunks(rows: Sequence[Row], size: int) -> Iterable[Sequence[Row]]:
    """Slices of at most `size`."""
    return (rows[start : start + size] for start in range(0, len(rows), size))
