"""
The ledger in memory with all that happens to it: outbox, holds, reversal cases, a restore.

It passes the suite of the real one (`tests/contract/test_corrections.py`).
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from libs.common.clock import from_microseconds, to_microseconds
from libs.common.contracts.scores import ChangeKind
from services.score.domain.changes import Change, Commit
from services.score.domain.increments import Entry, Outcome
from tests.fakes import MemoryLedger


class Line(NamedTuple):
    """An entry of the ledger; an increment has a key."""

    seq: int
    delta: int
    balance: int
    at: datetime
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A user's increments that are taken back or, later, given back: `done` of them so far."""

    user: str
    chosen: tuple[Line, ...]
    done: int = 0
    gives_back: bool = False

    def next(self, limit: int) -> tuple[Line, ...]:
        """What is given back comes back in the opposite order."""
        ordered = self.chosen[::-1] if self.gives_back else self.chosen
        return ordered[self.done : self.done + limit]


class CorrectableLedger(MemoryLedger):
    """What `work_on_case`, `set_held` and the outbox promise."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: dict[str, tuple[Line, ...]] = {}
        self._taken: dict[tuple[str, int], bool] = {}
        self._cases: dict[str, Case] = {}
        self._outbox: dict[UUID, Sequence[Change]] = {}
        self._leased: set[UUID] = set()
        self._past: dict[str, Any] = {}

    async def append(self, entries: Sequence[Entry]) -> Commit:
        commit = await super().append(entries)
        times = iter(commit.changes)
        for entry, settled in zip(entries, commit.settled, strict=True):
            if settled.outcome is Outcome.ACCEPTED:
                at = next(times).reached_at
                self._add_line(entry.user_id, entry.delta, settled.balance, at, entry.key)
        return self._queued(commit)

    async def set_held(self, user_id: str, *, held: bool) -> Commit:
        """Off the public board, or back on it."""
        row = self.rows[user_id]
        if row.held == held:
            return self._committed([])
        self.rows[user_id] = row._replace(held=held, version=row.version + 1)
        return self._committed([self._change(user_id, "hold" if held else "release")])

    async def take_back(self, case_id: str, user_id: str, keys: Sequence[str]) -> None:
        """Open a case of these increments, none of which another case has."""
        lines = self._lines[user_id]
        self._cases[case_id] = Case(user_id, tuple(line for line in lines if line.key in keys))

    async def give_back(self, case_id: str) -> None:
        """Revert a case that is finished."""
        self._cases[case_id] = replace(self._cases[case_id], done=0, gives_back=True)

    async def work(self, *, limit: int) -> Commit | None:
        """Go on with the oldest case that needs it, by so many increments."""
        for case_id, case in self._cases.items():
            if now := case.next(limit):
                for line in now:
                    self._correct(case.user, line, -1 if not case.gives_back else 1)
                    self._taken[case.user, line.seq] = not case.gives_back
                self._cases[case_id] = replace(case, done=case.done + len(now))
                self._stand(case.user, versions=len(now))
                return self._committed([self._change(case.user, "reversal")])
        return None

    async def entries(self, user_id: str, *, before: int, limit: int) -> list[dict[str, Any]]:
        """A user's entries, newest first, older than `before`."""
        lines = [line for line in self._lines.get(user_id, ()) if line.seq < before]
        return [
            {"seq": line.seq, "delta": line.delta, "balance_after": line.balance}
            for line in lines[: -limit - 1 : -1]
        ]

    async def claim(self, *, limit: int) -> list[Commit]:
        """Take over batches whose lease ran out."""
        due = [batch_id for batch_id in self._outbox if batch_id not in self._leased][:limit]
        self._leased.update(due)
        return [Commit(id_, self.ledger_epoch, (), self._outbox[id_]) for id_ in due]

    async def forget(self, batch_ids: Sequence[UUID]) -> None:
        """Kafka has acknowledged these batches."""
        for batch_id in batch_ids:
            self._outbox.pop(batch_id, None)

    async def backlog(self) -> tuple[int, float]:
        return len(self._outbox), 0.0

    async def expire_leases(self) -> None:
        """Time passes: whatever is in the outbox may be claimed."""
        self._leased.clear()

    async def back_up(self) -> None:
        """Remember everything as it is now."""
        past = {name: copy(value) for name, value in vars(self).items() if isinstance(value, dict)}
        self._past = past | {"_past": {}}

    async def restore(self) -> None:
        """Go back to the backup, on a new timeline; the clock stays."""
        past = self._past
        vars(self).update({name: copy(value) for name, value in past.items()})
        self._past = past
        self._leased = set(self._outbox)
        self.ledger_epoch += 1

    def _correct(self, user_id: str, line: Line, sign: int) -> None:
        balance = self._lines[user_id][-1].balance + sign * line.delta
        self._add_line(user_id, sign * line.delta, balance, self._now)

    def _add_line(
        self, user_id: str, delta: int, balance: int, at: datetime, key: str | None = None
    ) -> None:
        before = self._lines.get(user_id, ())
        self._lines[user_id] = (*before, Line(len(before) + 1, delta, balance, at, key))

    def _stand(self, user_id: str, *, versions: int) -> None:
        """After a correction a total was reached by the newest increment that counts."""
        row, lines = self.rows[user_id], self._lines[user_id]
        counting = [line for line in lines if line.key and not self._taken.get((user_id, line.seq))]
        self.rows[user_id] = row._replace(
            score=lines[-1].balance,
            version=row.version + versions,
            reached_us=to_microseconds((counting or lines[:1])[-1].at),
        )

    def _change(self, user_id: str, kind: ChangeKind) -> Change:
        row = self.rows[user_id]
        reached_at = from_microseconds(row.reached_us)
        return Change(user_id, row.score, row.version, reached_at, kind, row.held)

    def _committed(self, changes: Sequence[Change]) -> Commit:
        return self._queued(Commit(uuid4(), self.ledger_epoch, (), changes))

    def _queued(self, commit: Commit) -> Commit:
        if commit.changes:
            self._outbox[commit.batch_id] = commit.changes
            self._leased.add(commit.batch_id)
        return commit
