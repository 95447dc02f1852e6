"""
What the ledger must hold: the increments that were accepted, and which of them do not count now.

Totals, versions and times follow from that by addition. Nothing here knows how the ledger does it.
"""

from collections import Counter
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from services.score.domain.increments import Entry, Outcome, Settled

_OF_THE_LEDGER = (
    "earned",
    "taken",
    "held",
    "versions",
    "entries",
    "cases",
    "states",
    "history",
)


class State(NamedTuple):
    """A user's total, since when they have it, and whether they are hidden."""

    score: int
    reached_at: datetime
    held: bool


@dataclass(frozen=True, slots=True)
class Earned:
    """An accepted increment and its answer; `seq` is its place among the user's entries."""

    entry: Entry
    answer: Settled
    seq: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Case:
    """A reversal case: a user's increments, in the order in which they were earned."""

    user: str
    keys: tuple[str, ...]
    done: int = 0
    gives_back: bool = False

    @property
    def finished(self) -> bool:
        return self.done == len(self.keys)

    @property
    def remaining(self) -> tuple[str, ...]:
        """What is given back comes back in the opposite order."""
        return (self.keys[::-1] if self.gives_back else self.keys)[self.done :]


class Truth:
    """The model; `ever` and `pairs` remember also what a restored ledger has forgotten."""

    def __init__(self) -> None:
        self.earned: dict[tuple[str, str], Earned] = {}
        self.taken: set[tuple[str, str]] = set()
        self.held: set[str] = set()
        self.versions: Counter[str] = Counter()
        self.entries: Counter[str] = Counter()
        self.cases: dict[str, Case] = {}
        self.states: dict[str, tuple[int, State]] = {}
        self.history: dict[tuple[str, int], State] = {}
        self.ledger_epoch = 1
        self.ever: dict[tuple[str, int, int], State] = {}
        self.pairs: set[tuple[str, int]] = set()

    def expected(self, entry: Entry) -> Settled:
        """The answer to an increment that is sent now."""
        known = self.earned.get((entry.user_id, entry.key))
        if known is not None:
            same = known.entry.delta == entry.delta
            outcome = Outcome.REPLAYED if same else Outcome.KEY_REUSED
            return known.answer._replace(outcome=outcome)
        user = entry.user_id
        return Settled(Outcome.ACCEPTED, self.versions[user] + 1, self.score(user) + entry.delta)

    def accept(self, entry: Entry, answer: Settled, at: datetime) -> None:
        """It was accepted with this answer, at that time."""
        user = entry.user_id
        self.versions[user] += 1
        self.entries[user] += 1
        self.earned[user, entry.key] = Earned(entry, answer, self.entries[user], at)
        self._record(user)

    def hold(self, user: str, *, held: bool) -> None:
        """The user was hidden, or shown again."""
        if held != (user in self.held):
            self.versions[user] += 1
            self.held ^= {user}
            self._record(user)

    def free(self, user: str) -> list[Earned]:
        """The user's increments that no case has; what was given back is free again."""
        chosen = {
            (case.user, key)
            for case in self.cases.values()
            for key in (case.remaining if case.gives_back else case.keys)
        }
        return [e for at, e in self.earned.items() if at[0] == user and at not in chosen]

    def work(self, limit: int) -> str | None:
        """The oldest case at work went on by so many increments; whom it changed."""
        for name, case in self.cases.items():
            if case.finished:
                continue
            keys = case.remaining[:limit]
            self.taken ^= {(case.user, key) for key in keys}
            self.versions[case.user] += len(keys)
            self.entries[case.user] += len(keys)
            self.cases[name] = replace(case, done=case.done + len(keys))
            self._record(case.user)
            return case.user
        return None

    def score(self, user: str) -> int:
        return self.states[user][1].score if user in self.states else 0

    def board(self) -> list[tuple[str, int]]:
        """Everybody who is shown, the leader first."""
        shown = [(user, s) for user, (_, s) in self.states.items() if not s.held]
        shown.sort(key=lambda pair: (-pair[1].score, pair[1].reached_at, pair[0]))
        return [(user, state.score) for user, state in shown]

    def backup(self) -> "Truth":
        """A copy to go back to."""
        saved = copy(self)
        for name in _OF_THE_LEDGER:
            setattr(saved, name, copy(getattr(self, name)))
        return saved

    def restored(self, to: "Truth") -> "Truth":
        """The truth after the ledger went back to a backup, on a timeline of its own."""
        truth = to.backup()
        truth.ledger_epoch = self.ledger_epoch + 1
        truth.ever, truth.pairs = self.ever, self.pairs
        for (user, version), state in truth.history.items():
            truth.ever[user, truth.ledger_epoch, version] = state
        return truth

    def _record(self, user: str) -> None:
        """By the increments that count; who has none stands where the first one was earned."""
        mine = [(at in self.taken, e) for at, e in self.earned.items() if at[0] == user]
        counting = [e for taken, e in mine if not taken]
        score = sum(e.entry.delta for e in counting)
        state = State(score, (counting or [mine[0][1]])[-1].at, user in self.held)
        version = self.versions[user]
        self.states[user] = version, state
        self.history[user, version] = state
        self.ever[user, self.ledger_epoch, version] = state
        self.pairs.add((user, score))
