"""
Seven wrong products: the mistakes that this design is there to avoid.

Each takes the place of one part of the product, and lives from seed to seed until a promise is seen
broken, while the right product keeps all of them in the same worlds. A check that none of these can
fail checks nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from uuid import UUID

from rich.console import Console

from libs.common.contracts.topics import LEADERBOARD_UPDATED
from libs.common.kafka import GroupReader
from services.notification.consumer import MAX_RECORDS, POLL_MS, BoardConsumer
from services.score.domain.changes import Change, Commit
from services.score.domain.increments import Entry, Settled
from services.scoreboard.domain import TOP_SIZE, Row, Top, in_order
from services.scoreboard.publisher import SnapshotPublisher
from services.scoreboard.usecases.ports import Applied, Offsets
from tests.faults.report import Row as ReportRow
from tests.simulation.board import BoardServer
from tests.simulation.campaign import lives
from tests.simulation.ledger import LedgerServer, Line
from tests.simulation.services import Build

MAX_SEEDS = 200
DEDUPE_SECONDS = 1.0


class NoOutbox(LedgerServer):
    """What is committed is published right after; nothing remembers what was not."""

    def queue(self, batch: UUID, changes: Sequence[Change]) -> Commit:
        return Commit(batch, self.ledger_epoch, (), changes)


class ExpiringDedupe(LedgerServer):
    """An idempotency key is remembered for a while only."""

    def commit(self, batch: UUID, entries: Sequence[Entry]) -> list[tuple[Settled, Change | None]]:
        now = self.clock.now()
        for user, lines in self.lines.items():
            for line in lines:
                if (now - line.at).total_seconds() > DEDUPE_SECONDS:
                    self.answers.pop((user, line.key), None)
        return super().commit(batch, entries)


class SaysDeltas(LedgerServer):
    """An event says what was added, not what is."""

    def change(self, line: Line, request_id: str = "") -> Change:
        change = super().change(line, request_id)
        return change._replace(score=line.delta) if line.kind == "increment" else change


class AddsDeltas(BoardServer):
    """An event is added to what is there; who was told twice, adds twice."""

    async def keep(self, epoch: int, rows: Sequence[Row], offsets: Offsets) -> Applied:
        known = self.rows_of(epoch)
        added = [
            row._replace(score=row.score + known[row.user_id].score)
            if offsets and not row.correction and row.user_id in known
            else row
            for row in rows
        ]
        return await super().keep(epoch, added, offsets)


class NeverSinks(BoardServer):
    """`ZADD GT`: no correction can lower a score."""

    async def keep(self, epoch: int, rows: Sequence[Row], offsets: Offsets) -> Applied:
        known = self.rows_of(epoch)
        highest = [
            row._replace(score=max(row.score, known[row.user_id].score))
            if row.user_id in known
            else row
            for row in rows
        ]
        return await super().keep(epoch, highest, offsets)


class TopTenOnly(BoardServer):
    """The eleventh is not kept, and cannot come back."""

    async def keep(self, epoch: int, rows: Sequence[Row], offsets: Offsets) -> Applied:
        done = await super().keep(epoch, rows, offsets)
        kept = in_order(self._boards[epoch].values())[:TOP_SIZE]
        self._boards[epoch] = {row.user_id: row for row in kept}
        return done


class NoEpoch(SnapshotPublisher):
    """A snapshot has a rev only, which begins anew with each board."""

    async def publish(self, top: Top, moves: Mapping[str, int]) -> None:
        await super().publish(replace(top, epoch=1), moves)


class SharedGroup(BoardConsumer):
    """The nodes share a consumer group: each snapshot reaches one of them."""

    async def _follow(self) -> None:
        async def beginning(partitions: frozenset[int]) -> Mapping[int, int | None]:
            return dict.fromkeys(partitions)

        reader = GroupReader(
            self._bootstrap,
            LEADERBOARD_UPDATED.name,
            group="notification",
            member=self._node,
            positions=beginning,
        )
        try:
            await reader.open()
            while True:
                await self._handle(await reader.read(max_records=MAX_RECORDS, timeout_ms=POLL_MS))
        finally:
            await reader.close()


BUILDS: Mapping[str, Build] = {
    "no outbox": Build(ledger=NoOutbox),
    "delta events": Build(ledger=SaysDeltas, board=AddsDeltas),
    "ZADD GT": Build(board=NeverSinks),
    "expiring dedupe": Build(ledger=ExpiringDedupe),
    "shared notification group": Build(board_consumer=SharedGroup),
    "rev without epoch": Build(snapshots=NoEpoch),
    "top-10-only set": Build(board=TopTenOnly),
}


@dataclass(frozen=True)
class Catch:
    """The first world that gave a build away, and the promise that was seen broken there."""

    seed: int
    promise: str


def catch(build: Build, seeds: range) -> Catch | None:
    """Live from seed to seed until a promise breaks."""
    for life in lives(seeds, build=build):
        if life.broken:
            return Catch(life.seed, life.broken[0])
    return None


def run(console: Console, first_seed: int = 1) -> list[ReportRow]:
    """All seven, and the right build in the same worlds."""
    rows = []
    last = first_seed
    caught = 0
    for name, build in BUILDS.items():
        began = perf_counter()
        found = catch(build, range(first_seed, first_seed + MAX_SEEDS))
        seconds = perf_counter() - began
        if found is None:
            rows.append(ReportRow(f"broken: {name}", MAX_SEEDS, 1, "NOT CAUGHT"))
            continue
        caught += 1
        last = max(last, found.seed)
        seeds = found.seed - first_seed + 1
        figures = f"caught in {seconds:.1f} s: {found.promise.partition(':')[0]}"
        rows.append(ReportRow(f"broken: {name}", seeds, 0, figures))
        console.print(f"{name}: {figures}", markup=False)
    right = sum(bool(life.broken) for life in lives(range(first_seed, last + 1)))
    rows.append(ReportRow("the right build, same worlds", last - first_seed + 1, right))
    console.print(f"caught {caught}/{len(BUILDS)}")
    return rows
