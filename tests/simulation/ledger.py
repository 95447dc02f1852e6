"""
PostgreSQL of the world: the ledger in memory, with its clock, its outbox and its corrections.

Transactions are whole: a question to this server is one, and nothing happens between.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.common.clock import from_microseconds, to_microseconds
from libs.common.contracts.scores import ChangeKind
from services.score.domain.changes import Change, Commit
from services.score.domain.increments import Entry, Outcome, Settled
from services.score.store.books import LEASE_SECONDS
from tests.fakes import MemoryLedger
from tests.simulation.clock import WallClock
from tests.simulation.watch import Watch
from tests.simulation.wires import Server

# The default of `score.outbox.leased_until`.
FIRST_LEASE_SECONDS = 2.0


@dataclass
class Line:
    """An entry as it stands in the ledger; `reversed_by` is the one that took it back."""

    user: str
    seq: int
    version: int
    delta: int
    balance: int
    kind: ChangeKind
    key: str
    at: datetime
    reverses: int = 0
    reversed_by: int = 0


@dataclass
class Waiting:
    """A committed batch that Kafka has not acknowledged."""

    changes: Sequence[Change]
    created_at: float
    leased_until: float


class LedgerServer(MemoryLedger, Server):
    """What `append_increments`, `outbox`, `set_held` and the pages promise."""

    def __init__(self, clock: WallClock, watch: Watch) -> None:
        MemoryLedger.__init__(self)
        Server.__init__(self, "ledger")
        self.clock = clock
        self.lines: dict[str, list[Line]] = {}
        self.outbox: dict[UUID, Waiting] = {}
        self._watch = watch

    def commit(self, batch: UUID, entries: Sequence[Entry]) -> list[tuple[Settled, Change | None]]:
        """Append a batch at the time of this server's clock; a change for each that is news."""
        self._now = self.clock.now()
        refused: dict[tuple[str, str], Outcome] = {}
        done: list[tuple[Settled, Change | None]] = []
        for entry in entries:
            settled = self._append(entry, refused)
            change = None
            if settled.outcome is Outcome.ACCEPTED:
                line = self.write(entry.user_id, entry.delta, "increment", key=entry.key)
                change = self.change(line, entry.request_id)
            done.append((settled, change))
        self.queue(batch, [change for _, change in done if change is not None])
        return done

    def set_held(self, batch: UUID, user: str, *, held: bool) -> Commit:
        """Off the public board, or back on it."""
        row = self.rows[user]
        if row.held == held:
            return Commit(batch, self.ledger_epoch, (), ())
        self._keep(user, held=held, version=row.version + 1)
        return self.queue(batch, [self.state(user, "hold" if held else "release")])

    def take_back(self, line: Line) -> None:
        """
        Undo an entry, or what undid it; the caller sets the time of the total, and queues.

        An increment that was given back may be taken again: it is its last undoing that is undone.
        """
        while line.reversed_by:
            line = self.lines[line.user][line.reversed_by - 1]
        row = self.rows[line.user]
        self._keep(line.user, score=row.score - line.delta, version=row.version + 1)
        line.reversed_by = self.write(line.user, -line.delta, "reversal", reverses=line.seq).seq

    def stand_since(self, user: str) -> None:
        """A total is as old as the newest increment that counts (`score.standing_since`)."""
        lines = self.lines[user]
        counting = [ln for ln in lines if ln.kind == "increment" and self.counts(ln)]
        self._keep(user, reached_us=to_microseconds((counting or lines[:1])[-1].at))

    def counts(self, line: Line) -> bool:
        """Whether an increment was not taken back, or was given back again."""
        if not line.reversed_by:
            return True
        return not self.counts(self.lines[line.user][line.reversed_by - 1])

    def queue(self, batch: UUID, changes: Sequence[Change]) -> Commit:
        """Put changes into the outbox, in the transaction that made them."""
        if changes:
            now = self.clock.seconds()
            self.outbox[batch] = Waiting(changes, now, now + FIRST_LEASE_SECONDS)
        return Commit(batch, self.ledger_epoch, (), changes)

    def claim(self, limit: int) -> list[Commit]:
        now = self.clock.seconds()
        due = [
            batch
            for batch, waiting in self.outbox.items()
            if not now <= waiting.leased_until <= now + LEASE_SECONDS
        ]
        due = sorted(due, key=lambda batch: self.outbox[batch].created_at)[:limit]
        for batch in due:
            self.outbox[batch].leased_until = now + LEASE_SECONDS
        return [Commit(b, self.ledger_epoch, (), self.outbox[b].changes) for b in due]

    def forget(self, batches: Sequence[UUID]) -> None:
        for batch in batches:
            self.outbox.pop(batch, None)

    def backlog(self) -> tuple[int, float]:
        oldest = min((w.created_at for w in self.outbox.values()), default=self.clock.seconds())
        return len(self.outbox), self.clock.seconds() - oldest

    def change(self, line: Line, request_id: str = "") -> Change:
        """What is told of an increment that was just written."""
        return self.state(line.user, line.kind, request_id)

    def state(self, user: str, kind: ChangeKind, request_id: str = "") -> Change:
        """A user's present state, as it is told."""
        row = self.rows[user]
        reached_at = from_microseconds(row.reached_us)
        change = Change(user, row.score, row.version, reached_at, kind, row.held, request_id)
        self._watch.changed(change, self.ledger_epoch)
        return change

    def write(
        self, user: str, delta: int, kind: ChangeKind, *, key: str = "", reverses: int = 0
    ) -> Line:
        """Append a line under the user's present state."""
        row = self.rows[user]
        lines = self.lines.setdefault(user, [])
        at = from_microseconds(row.reached_us) if kind == "increment" else self.clock.now()
        line = Line(user, len(lines) + 1, row.version, delta, row.score, kind, key, at, reverses)
        lines.append(line)
        self._watch.held(user, row.score)
        return line

    def _keep(self, user: str, **changed: Any) -> None:
        self.rows[user] = self.rows[user]._replace(**changed)
