"""Everything between an increment and a screen, in turns: ledger, relay, log, replicas, screen."""

from collections.abc import Sequence

from libs.common.clock import from_microseconds
from libs.common.contracts.scores import LedgerRow
from services.scoreboard.domain import Row, in_order
from services.scoreboard.usecases.ports import Applied, BoardGone, Offsets
from tests.model.log import Log
from tests.model.ports import Board, Ledger
from tests.model.relay import Relaying
from tests.model.replica import Replica
from tests.model.screens import Announced, Screen
from tests.model.sightings import Sightings
from tests.model.truth import State, Truth

EVERYBODY = 1000
MANY_RECORDS = 1000
# Enough for ties and for a tenth and an eleventh place; the names fall into all partitions.
USERS = ("ann", "bob", "cid", "dan", "eve", "fay", "gus", "hal", "ivy", "jon", "kim", "leo", "mia")
# Three passes over the pages: one may be under way, one must be whole, one shows that all is well.
AUDITS_UNTIL_EQUAL = 6


class World:
    """What the machine's steps act on, and what must hold of it at any moment, and in the end."""

    def __init__(self, ledger: Ledger, board: Board, sightings: Sightings) -> None:
        self.ledger = ledger
        self.board = board
        self.truth = Truth()
        self.log = Log()
        self.parked = Log()
        self.screen = Screen()
        self.announced = Announced(lambda user, score: (user, score) in self.truth.pairs)
        self.looked_at: set[str] = set()
        self._stamps: dict[tuple[int, str], tuple[int, int]] = {}
        self._sightings = sightings
        self._watch_board()
        self.score = Relaying(ledger, self.log)
        self.replica = self._replica()
        self.zombie: Replica | None = None

    async def open(self) -> None:
        await self.score.start()
        await self.replica.start()

    async def close(self) -> None:
        await self.score.kill()
        await self.replica.kill()
        if self.zombie is not None:
            await self.zombie.kill()

    async def restart_score(self) -> None:
        """What was committed and not published is known to the outbox only."""
        await self.score.kill()
        self.score = Relaying(self.ledger, self.log)
        await self.score.start()

    async def replace_replica(self, *, first: int, count: int) -> None:
        """A new replica gets the partitions; the old one does not know, and holds back a batch."""
        if self.zombie is not None:
            await self.zombie.kill()
        self.replica.hold_back(first, count)
        self.zombie = self.replica
        self.replica = self._replica()
        await self.replica.start()

    async def restart_replica(self) -> None:
        await self.replica.kill()
        self.replica = self._replica()
        await self.replica.start()

    async def restart_redis(self, *, loses_tail: bool) -> None:
        await self.board.restart(loses_tail=loses_tail)
        if loses_tail:
            self._stamps.clear()

    async def check(self) -> None:
        """What holds at any moment."""
        page = await self.ledger.totals(after="", limit=EVERYBODY)
        held = {row.user_id: (row.version, _state(row)) for row in page.rows}
        assert held == self.truth.states
        for user in self.looked_at:
            await self._check_entries(user)
        self.looked_at.clear()
        await self._check_board()

    async def check_quiet(self) -> None:
        """What holds when faults have stopped, and all was delivered."""
        self.log.away = False
        await self.ledger.expire_leases()
        await self.score.sweep("acked")
        assert await self.ledger.backlog() == (0, 0.0)
        assert set(self.truth.history) <= self.log.written(), "a change was never published"
        if self.zombie is not None:
            await self.zombie.read_held_back()
        for _ in range(AUDITS_UNTIL_EQUAL):
            await self.replica.read(0, MANY_RECORDS)
            if (await self.replica.audit()).result == "equal" and await self._is_current():
                break
        await self.check()
        assert await self._leaders() == self.truth.board()
        truth = (await self.ledger.top(limit=EVERYBODY)).rows
        assert [(row.user_id, row.score) for row in truth] == self.truth.board()
        self.announced.fate = "acked"
        await self.replica.announce()
        await self.screen.read(self.announced.snapshots[-1])
        assert list(self.screen.top) == self.truth.board()[:10]
        await self._check_answers()

    async def _is_current(self) -> bool:
        return await self._leaders() == self.truth.board()

    async def _leaders(self) -> list[tuple[str, int]]:
        return await self.board.leaders(await self.board.current(), EVERYBODY)

    async def _check_answers(self) -> None:
        """Whoever asks again gets the same answer."""
        earned = list(self.truth.earned.values())
        expected = [self.truth.expected(e.entry) for e in earned]
        if earned:
            commit = await self.ledger.append([e.entry for e in earned])
            assert (list(commit.settled), list(commit.changes)) == (expected, [])
        for user in self.truth.states:
            await self._check_entries(user)

    async def _check_entries(self, user: str) -> None:
        """No entry is missing, each says the total after it, and the last one is the total."""
        lines = await self.ledger.entries(user, before=2**53, limit=EVERYBODY)
        total = 0
        for seq, line in enumerate(reversed(lines), start=1):
            total += line["delta"]
            assert (line["seq"], line["balance_after"]) == (seq, total), (user, lines)
        assert (len(lines), total) == (self.truth.entries[user], self.truth.score(user)), user

    async def _check_board(self) -> None:
        """All that the board holds was true once, its order is right, and a rev has one content."""
        top = await self.board.shown()
        if top is None:
            return
        rows = [row for row in await self.board.rows(top.epoch, USERS) if row is not None]
        for row in rows:
            was = self.truth.ever.get((row.user_id, row.ledger_epoch, row.version))
            assert was == _state(row), (row, was)
            before = self._stamps.get((top.epoch, row.user_id), row.stamp)
            assert row.stamp >= before, f"{row.user_id} went from {before} back to {row.stamp}"
            self._stamps[top.epoch, row.user_id] = row.stamp
        order = [(row.user_id, row.score) for row in in_order(rows)]
        assert await self.board.leaders(top.epoch, EVERYBODY) == order
        assert list(top.entries) == order[:10]
        self.announced.check(top.position, top.entries)
        if len(order) > 10 and order[9][1] == order[10][1]:
            self._sightings.saw("the tenth and the eleventh are level")

    def _replica(self) -> Replica:
        ledger = _WatchedLedger(self.ledger, self._sightings)
        return Replica(ledger, self.board, self.log, self.parked, self.announced)

    def _watch_board(self) -> None:
        """Tell the sightings what becomes of writes."""
        apply, saw = self.board.apply, self._sightings.saw

        async def watched(epoch: int, rows: Sequence[Row], offsets: Offsets) -> Applied:
            try:
                done = await apply(epoch, rows, offsets)
            except BoardGone:
                saw("a write came too late for its board")
                raise
            if done.count < len(rows):
                saw("an event was no news any more")
            return done

        self.board.apply = watched  # type: ignore[method-assign]


class _WatchedLedger:
    """The ledger as a replica sees it; the sightings learn of every new board."""

    def __init__(self, ledger: Ledger, sightings: Sightings) -> None:
        self._ledger = ledger
        self._sightings = sightings
        self.totals, self.top, self.digest = ledger.totals, ledger.top, ledger.digest

    async def next_epoch(self, *, reason: str, after: int) -> int:
        self._sightings.saw(f"rebuilt: {reason}")
        return await self._ledger.next_epoch(reason=reason, after=after)


def _state(row: LedgerRow | Row) -> State:
    return State(row.score, from_microseconds(row.reached_us), row.held)
