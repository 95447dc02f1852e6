"""
Anti-entropy: compare the board with the ledger for ever, repair what differs, and count it.

Two sums agree, and all is well. They never agree while scores pour in; then users are compared one
by one, a bounded number per round: a second after a page of the ledger was read, the board must
have each of its versions or a newer one.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from libs.common import metrics
from libs.common.contracts.scores import LedgerDigest
from libs.common.errors import Unavailable
from libs.common.logs import Trouble
from services.scoreboard.domain import Row
from services.scoreboard.usecases.announce import Announcer
from services.scoreboard.usecases.ports import (
    AuditedBoard,
    BoardDigest,
    BoardGone,
    BoardUnavailable,
    Ledger,
)
from services.scoreboard.usecases.rebuild import Rebuild

TRIES = 3
SETTLE_SECONDS = 1.0
PAGE_USERS = 1000
PAGES_PER_ROUND = 20
LEADERS = 100

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Report:
    """What an audit found: users that differed, by how many points, and what was done."""

    result: str  # equal, repaired or rebuilt
    users: int = 0
    points: int = 0


class Audit:
    """Compares, repairs, and asks for a new board where a repair is not enough."""

    def __init__(
        self,
        board: AuditedBoard,
        ledger: Ledger,
        rebuild: Rebuild,
        announcer: Announcer,
        *,
        interval_seconds: float,
    ) -> None:
        self._board = board
        self._ledger = ledger
        self._rebuild = rebuild
        self._announcer = announcer
        self._interval = interval_seconds
        self._asked = asyncio.Event()
        self._cursor = ""

    def request(self) -> None:
        """Audit soon: something happened that may have cost updates."""
        self._asked.set()

    async def run(self) -> None:
        """Audit at every interval and on request, for ever."""
        trouble = Trouble("not_audited")
        while True:
            try:
                async with asyncio.timeout(self._interval):
                    await self._asked.wait()
            except TimeoutError:
                pass
            self._asked.clear()
            try:
                report = await self.once()
            except (Unavailable, BoardUnavailable) as error:
                trouble.met(error)
                metrics.AUDITS.labels("unavailable").inc()
                continue
            trouble.over()
            metrics.AUDITS.labels(report.result).inc()
            metrics.DRIFT_USERS.set(report.users)
            metrics.DRIFT_POINTS.set(report.points)

    async def once(self) -> Report:
        """One audit. Raises `Unavailable` or `BoardUnavailable`."""
        try:
            return await self._examine(await self._board.current())
        except BoardGone as gone:
            return await self._renew("missing", gone.epoch)

    async def _examine(self, epoch: int) -> Report:
        if await self._board.server_changed(epoch):
            return await self._renew("redis-restarted", epoch)
        for _ in range(TRIES):
            ledger = await self._ledger.digest()
            board = await self._board.digest(epoch)
            if ledger.ledger_epoch != board.ledger_epoch:
                return await self._renew("ledger-restored", epoch)
            if _sums(ledger) == _sums(board):
                return await self._compare_leaders(epoch, ledger)
            await asyncio.sleep(SETTLE_SECONDS)
        whole = self._cursor == ""
        before = await self._ledger.digest()
        report = await self._compare_users(epoch)
        if report.result == "equal" and whole and self._cursor == "":
            # Every user agrees. If the sums still do not (what was late may have come, or another
            # replica has repaired it), and the ledger stands still, then the board holds somebody
            # whom the ledger does not know.
            board = await self._board.digest(epoch)
            if _sums(board) != _sums(before) and await self._ledger.digest() == before:
                return await self._renew("unknown-users", epoch)
        return report

    async def _compare_leaders(self, epoch: int, before: LedgerDigest) -> Report:
        truth = await self._ledger.top(limit=LEADERS)
        shown = await self._board.leaders(epoch, LEADERS)
        expected = [(row.user_id, row.score) for row in truth.rows]
        # If the ledger moved meanwhile, the board may have been right a moment behind.
        if shown == expected or await self._ledger.digest() != before:
            return Report("equal")
        return await self._renew("leaders-differ", epoch)

    async def _compare_users(self, epoch: int) -> Report:
        after = self._cursor
        truth = await self._next_rows()
        await asyncio.sleep(SETTLE_SECONDS)
        missing = []
        points = 0
        for start in range(0, len(truth), PAGE_USERS):
            part = truth[start : start + PAGE_USERS]
            held = await self._board.rows(epoch, [row.user_id for row in part])
            ahead = {}
            for row, known in zip(part, held, strict=True):
                if known is None or known.stamp < row.stamp:
                    missing.append(row)
                    points += abs(row.score - (known.score if known else 0))
                elif known.stamp > row.stamp:
                    ahead[known.user_id] = known
                elif known != row:
                    return await self._renew("rows-differ", epoch)
            if ahead and await self._went_back(after, ahead):
                return await self._renew("ledger-went-back", epoch)
            after = part[-1].user_id
        if not missing:
            return Report("equal")
        _log.warning("board_repaired", users=len(missing), points=points)
        done = await self._board.apply(epoch, missing, {})
        if done.top is not None:
            self._announcer.changed()
        return Report("repaired", len(missing), points)

    async def _went_back(self, after: str, shown: Mapping[str, Row]) -> bool:
        """
        Whether the ledger now has less of a user than the board had before: it was put back to an
        older copy without a new timeline. Scores that pour in would hide that from the sums.
        """
        page = await self._ledger.totals(after=after, limit=PAGE_USERS)
        rows = [Row.of_ledger(row, page.ledger_epoch) for row in page.rows]
        return any(row.user_id in shown and row.stamp < shown[row.user_id].stamp for row in rows)

    async def _next_rows(self) -> list[Row]:
        rows: list[Row] = []
        for _ in range(PAGES_PER_ROUND):
            page = await self._ledger.totals(after=self._cursor, limit=PAGE_USERS)
            rows += [Row.of_ledger(row, page.ledger_epoch) for row in page.rows]
            self._cursor = page.next
            if not page.next:
                break
        return rows

    async def _renew(self, reason: str, epoch: int) -> Report:
        await self._rebuild.run(reason, epoch)
        self._announcer.refresh()
        return Report("rebuilt")


def _sums(digest: LedgerDigest | BoardDigest) -> tuple[int, int, int]:
    return (digest.users, digest.points, digest.versions)
