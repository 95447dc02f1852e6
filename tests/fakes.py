"""In-memory twins of the stores; each passes the suite of the real one (`tests/contract`)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from uuid import uuid4

from libs.common.clock import to_microseconds
from libs.common.contracts.boards import Reason
from libs.common.contracts.scores import LedgerDigest, LedgerPage, LedgerRow
from libs.common.contracts.values import MAX_TOTAL
from services.score.domain.changes import Change, Commit
from services.score.domain.increments import Entry, Outcome, Settled
from services.scoreboard.domain import TOP_SIZE, Row, Top, in_order
from services.scoreboard.usecases.ports import (
    Applied,
    BoardDigest,
    BoardGone,
    BoardUnavailable,
    Due,
    Gap,
    Later,
    Offsets,
)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class MemoryLedger:
    """The ledger as a list: what `score.append_increments` promises, one entry at a time."""

    def __init__(self) -> None:
        self.rows: dict[str, LedgerRow] = {}
        self.answers: dict[tuple[str, str], tuple[Entry, Settled]] = {}
        self.ledger_epoch = 1
        self._now = START
        self._epoch = 0
        self._earned: dict[str, int] = {}

    async def append(self, entries: Sequence[Entry]) -> Commit:
        refused: dict[tuple[str, str], Outcome] = {}
        judged = [(self._append(entry, refused), self._now) for entry in entries]
        changes = [
            Change(e.user_id, s.balance, s.version, at, "increment", held, e.request_id)
            for e, (s, at) in zip(entries, judged, strict=True)
            if s.outcome is Outcome.ACCEPTED
            for held in (self.rows[e.user_id].held,)
        ]
        settled = [answer for answer, _ in judged]
        return Commit(uuid4(), self.ledger_epoch, settled, changes)

    async def find(self, entries: Sequence[Entry]) -> list[Settled | None]:
        return [self._stored(entry) for entry in entries]

    async def totals(self, *, after: str, limit: int) -> LedgerPage:
        users = sorted(user for user in self.rows if user > after)
        rows = [self.rows[user] for user in users[:limit]]
        more = len(rows) == limit
        return LedgerPage(
            ledger_epoch=self.ledger_epoch, rows=rows, next=rows[-1].user_id if more else ""
        )

    async def top(self, *, limit: int) -> LedgerPage:
        shown = [row for row in self.rows.values() if not row.held]
        ranked = sorted(shown, key=lambda r: (-r.score, r.reached_us, r.user_id))
        return LedgerPage(ledger_epoch=self.ledger_epoch, rows=ranked[:limit])

    async def digest(self) -> LedgerDigest:
        rows = self.rows.values()
        return LedgerDigest(
            ledger_epoch=self.ledger_epoch,
            users=len(rows),
            points=sum(row.score for row in rows),
            versions=sum(row.version for row in rows),
        )

    async def next_epoch(self, *, reason: str, after: int) -> int:
        self._epoch = max(self._epoch, after) + 1
        return self._epoch

    def _append(self, entry: Entry, refused: dict[tuple[str, str], Outcome]) -> Settled:
        stored = self._stored(entry)
        if stored is not None:
            return stored
        row = self.rows.get(entry.user_id)
        balance = (row.score if row else 0) + entry.delta
        # All of a test happens on one day.
        earned = self._earned.get(entry.user_id, 0) + entry.delta
        limit = MAX_TOTAL if entry.day_limit is None else entry.day_limit
        key = (entry.user_id, entry.key)
        if key in refused or balance > MAX_TOTAL or earned > limit:
            outcome = Outcome.LIMIT_REACHED if balance > MAX_TOTAL else Outcome.DAY_LIMIT_REACHED
            return Settled(refused.setdefault(key, outcome))
        self._earned[entry.user_id] = earned
        self._now += timedelta(microseconds=1)
        version = (row.version if row else 0) + 1
        self.rows[entry.user_id] = LedgerRow(
            user_id=entry.user_id,
            score=balance,
            version=version,
            reached_us=to_microseconds(self._now),
            held=row is not None and row.held,
        )
        settled = Settled(Outcome.ACCEPTED, version, balance)
        self.answers[entry.user_id, entry.key] = (entry, settled)
        return settled

    def _stored(self, entry: Entry) -> Settled | None:
        known = self.answers.get((entry.user_id, entry.key))
        if known is None:
            return None
        first, settled = known
        same = first.request_hash == entry.request_hash
        outcome = Outcome.REPLAYED if same else Outcome.KEY_REUSED
        return Settled(outcome, settled.version, settled.balance)


class MemoryBoard:
    """The board as dictionaries; `down` and `lose_tail` play an unreliable Redis."""

    def __init__(self, seconds: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._boards: dict[int, dict[str, Row]] = {}
        self._offsets: dict[int, dict[int, int]] = {}
        self._ledger_epochs: dict[int, int] = {}
        self._tops: dict[int, Top] = {}
        self._corrected: dict[int, int] = {}
        self._said: dict[int, Top] = {}
        self._said_at: dict[int, float] = {}
        self._members: dict[int, tuple[tuple[str, int], ...]] = {}
        self._runs: dict[int, int] = {}
        self._current = 0
        self._lock: str | None = None
        self.run = 1
        self.down = False

    async def current(self) -> int:
        self._ask()
        return self._current

    async def apply(self, epoch: int, rows: Sequence[Row], offsets: Offsets) -> Applied:
        board = self._of(epoch)
        if self._runs[epoch] != self.run:
            raise BoardGone(epoch)
        known = self._offsets[epoch]
        for partition, (expected, _) in offsets.items():
            if known.get(partition, 0) < expected:
                raise Gap(partition, known.get(partition, 0))
        for partition, (_, reached) in offsets.items():
            known[partition] = max(known.get(partition, 0), reached)
        oldest = (self._ledger_epochs[epoch], 0)
        news = [
            row
            for row in rows
            if row.stamp > (board[row.user_id].stamp if row.user_id in board else oldest)
        ]
        if not news:
            return Applied(0, None)
        board.update((row.user_id, row._replace(correction=False)) for row in news)
        top = self._show_top(epoch, max(row.reached_us for row in rows))
        if top is not None and any(row.correction for row in rows):
            self._corrected[epoch] = top.rev
        return Applied(len(news), top)

    async def offsets(self, epoch: int) -> Mapping[int, int]:
        self._of(epoch)
        return dict(self._offsets[epoch])

    async def due(
        self, epoch: int, *, window_seconds: float, heartbeat_seconds: float
    ) -> Due | Later:
        self._of(epoch)
        now, top, said = self._seconds(), self._tops[epoch], self._said.get(epoch)
        reason: Reason = "scores"
        if said is None:
            reason = "rebuild"
        elif top.entries == said.entries:
            reason = "heartbeat"
        elif self._corrected.get(epoch, -1) > said.rev:
            reason = "correction"
        quiet = reason == "heartbeat"
        since = now - self._said_at.get(epoch, float("-inf"))
        if since < 0:  # a clock that went back silences nobody
            since = heartbeat_seconds
        pause = (heartbeat_seconds if quiet else window_seconds) - since
        if pause > 0:
            return Later(pause, quiet)
        self._said_at[epoch] = now
        accepted = top.accepted_us if reason in ("scores", "correction") else 0
        return Due(replace(top, reason=reason, accepted_us=accepted), said, mark="")

    async def announced(self, due: Due) -> None:
        self._ask()
        said = self._said.get(due.top.epoch)
        if said is None or said.rev < due.top.rev:
            self._said[due.top.epoch] = replace(due.top, reason="scores", accepted_us=0)
            now = self._tops.get(due.top.epoch)
            if now is not None and now.rev == due.top.rev:
                self._tops[due.top.epoch] = replace(now, accepted_us=0)

    async def digest(self, epoch: int) -> BoardDigest:
        rows = self._of(epoch).values()
        return BoardDigest(
            self._ledger_epochs[epoch],
            len(rows),
            sum(row.score for row in rows),
            sum(row.version for row in rows),
        )

    async def leaders(self, epoch: int, count: int) -> list[tuple[str, int]]:
        return [(row.user_id, row.score) for row in in_order(self._of(epoch).values())[:count]]

    async def rows(self, epoch: int, users: Sequence[str]) -> list[Row | None]:
        board = self._of(epoch)
        return [board.get(user) for user in users]

    async def server_changed(self, epoch: int) -> bool:
        self._of(epoch)
        return self._runs[epoch] != self.run

    async def lock(self, token: str, *, seconds: int) -> bool:
        self._ask()
        if self._lock is not None:
            return False
        self._lock = token
        return True

    async def keep_lock(self, token: str, *, seconds: int) -> None:
        self._ask()

    async def unlock(self, token: str) -> None:
        if self._lock == token:
            self._lock = None

    async def begin(self, epoch: int, ledger_epoch: int, offsets: Mapping[int, int]) -> None:
        self._ask()
        self._boards[epoch] = {}
        self._offsets[epoch] = dict(offsets)
        self._ledger_epochs[epoch] = ledger_epoch
        self._tops[epoch] = Top(epoch, 0, ())
        self._runs[epoch] = self.run

    async def keep_unfinished(self, epoch: int) -> None:
        self._ask()

    async def fill(self, epoch: int, rows: Sequence[Row]) -> None:
        self._ask()
        for row in rows:
            self._boards.setdefault(epoch, {})[row.user_id] = row._replace(correction=False)

    async def finish(self, epoch: int, token: str) -> bool:
        self._ask()
        if self._runs.get(epoch) != self.run:
            self._boards.pop(epoch, None)
            raise BoardGone(epoch)
        if epoch <= self._current or self._lock != token:
            self._boards.pop(epoch, None)
            return False
        self._show_top(epoch)
        self._boards.pop(self._current, None)
        self._current = epoch
        return True

    def flush(self) -> None:
        """Lose everything."""
        run = self.run
        self.__init__(self._seconds)  # type: ignore[misc]
        self.run = run

    def _show_top(self, epoch: int, accepted_us: int = 0) -> Top | None:
        """The first ten, if they are others than before."""
        first = in_order(self._boards[epoch].values())[:TOP_SIZE]
        members = tuple((row.member, row.score) for row in first)
        if members == self._members.get(epoch, ()):
            return None
        self._members[epoch] = members
        before = self._tops[epoch]
        entries = tuple((row.user_id, row.score) for row in first)
        top = Top(epoch, before.rev + 1, entries)
        self._tops[epoch] = replace(top, accepted_us=max(before.accepted_us, accepted_us))
        return top

    def _of(self, epoch: int) -> dict[str, Row]:
        self._ask()
        if epoch not in self._boards:
            raise BoardGone(epoch)
        return self._boards[epoch]

    def _ask(self) -> None:
        if self.down:
            raise BoardUnavailable("down")
