"""Replays every user's entries, one user after the other, and gathers what does not hold."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

from rich.console import Console

from libs.common.clock import system_clock
from libs.common.identity import open_session
from services.score.domain.casebook import Choice
from services.score.domain.replay import Replay, Total
from services.score.store.replay import Snapshot, WholeLedger, open_whole_ledger
from services.score.verify.board import Board, NotComparable, compare
from services.score.verify.report import BOARD_CHECKS, Meter, Report

# Entries that carry an earlier time may still be on their way: no transaction that makes some
# lasts longer.
SETTLED = timedelta(seconds=60)
MAX_NAMED_USERS = 1000
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class NotSettled(Exception):
    """Asked for the root of a time at which entries may still be on their way."""


async def verify(
    database_url: str, scoreboard_url: str, console: Console, *, as_of: datetime | None = None
) -> Report:
    """
    What holds of the ledger, and of the board if its URL is not empty.

    The report's root stands for the entries made before `as_of`, by default a minute ago. Raises
    `NotSettled` if that is later, and what `WholeLedger` raises.
    """
    report = Report()
    async with open_whole_ledger(database_url) as ledger:
        async with ledger.snapshot() as snapshot:
            settled = EPOCH + timedelta(microseconds=snapshot.taken_at) - SETTLED
            report.as_of = as_of or settled.replace(microsecond=0)
            if report.as_of > settled:
                raise NotSettled(f"the ledger is settled up to {settled}, not up to {as_of}")
            dealt_with = await _replay(snapshot, report.as_of, report, console)
        if scoreboard_url:
            async with open_session() as session:
                await _hold_to_board(ledger, Board(session, scoreboard_url), dealt_with, report)
        else:
            report.not_asked = True
            report.not_checked = dict.fromkeys(BOARD_CHECKS, "SCOREBOARD_URL is not set")
    return report


async def _replay(
    snapshot: Snapshot, as_of: datetime, report: Report, console: Console
) -> list[str]:
    """Fills the report; returns the first users whom somebody has corrected or held."""
    until = (as_of - EPOCH) // _MICROSECOND
    started = system_clock.monotonic()
    root = sha256()
    dealt_with: list[str] = []
    with Meter(console, snapshot.rows) as meter:
        while (user_id := await snapshot.next_user()) is not None:
            replay = Replay(user_id, snapshot.cases, until=until)
            while rows := await snapshot.entries.take(user_id):
                report.add(replay.add(rows))
                report.rows += len(rows)
                meter.add(len(rows))
            total = next((Total(*row[1:]) for row in await snapshot.totals.take(user_id)), None)
            choices: list[Choice] = []
            while found := await snapshot.choices.take(user_id):
                choices += [Choice(*row[1:]) for row in found]
            report.add(replay.finish(total, choices))
            report.users += 1
            if replay.root:
                root.update(user_id.encode() + b"\x1f" + replay.root)
            corrected = replay.corrected or (total is not None and total.holds > 0)
            if corrected and len(dealt_with) < MAX_NAMED_USERS:
                dealt_with.append(user_id)
    for case in snapshot.cases.values():
        report.add(case.violations())
    report.root = root.hexdigest()
    report.seconds = system_clock.monotonic() - started
    return dealt_with


async def _hold_to_board(
    ledger: WholeLedger, board: Board, users: list[str], report: Report
) -> None:
    report.looked_up = len(users)
    try:
        report.add(await compare(ledger, board, users))
    except NotComparable as error:
        report.not_checked = dict.fromkeys(BOARD_CHECKS, str(error))
