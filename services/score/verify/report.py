"""What a verification found, and how far it is, for people to read."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from libs.common.clock import Clock, system_clock
from services.score.domain.casebook import Violation

ALL_HOLD, VIOLATED, NOT_CHECKED = 0, 1, 2
SHOWN_VIOLATIONS = 20
UPDATE_ROWS = 20_000
LINE_SECONDS = 5.0

CHECKS = {
    "L1": "totals are what their entries add up to",
    "L2": "seqs run from 1 without gaps",
    "L3": "each balance follows from the one before",
    "L4": "nothing is reversed twice",
    "L5": "a reversal mirrors an earlier entry",
    "L6": "balances stay within 0 and 2^53-1",
    "L7": "all reversed is 0, all reverted is as before",
    "L8": "entries are as they were hashed",
    "L9": "answers, times and holds can be recomputed",
    "L10": "the board's top 100 is the ledger's",
    "L11": "reversals have case, actor, reason, approval",
    "L12": "the board shows nothing outdated",
}
BOARD_CHECKS = ("L10", "L12")


@dataclass
class Report:
    """
    Grows while the ledger is read; of the violations it keeps a count and the first 20.

    `not_checked` says why not, by check; with `not_asked` that is as it was wanted. `looked_up`
    users, those that were corrected or held first, were compared with the board one by one.
    """

    rows: int = 0
    users: int = 0
    seconds: float = 0.0
    root: str = ""
    as_of: datetime | None = None
    looked_up: int = 0
    violations: Counter[str] = field(default_factory=Counter)
    first: list[Violation] = field(default_factory=list)
    not_checked: dict[str, str] = field(default_factory=dict)
    not_asked: bool = False

    def add(self, found: Iterable[Violation]) -> None:
        for violation in found:
            self.violations[violation.check] += 1
            if len(self.first) < SHOWN_VIOLATIONS:
                self.first.append(violation)

    @property
    def exit_code(self) -> int:
        if self.violations:
            return VIOLATED
        return NOT_CHECKED if self.not_checked and not self.not_asked else ALL_HOLD


class Meter:
    """Rows so far, rows/s and time to go: a bar on a terminal, else a line now and then."""

    def __init__(self, console: Console, total: float, clock: Clock = system_clock) -> None:
        self._console = console
        self._clock = clock
        self._total = max(total, 1.0)
        self._rows = 0
        self._next_rows = UPDATE_ROWS
        self._started = clock.monotonic()
        self._next_line = self._started + LINE_SECONDS
        self._progress = Progress(
            TextColumn("replaying"),
            BarColumn(),
            MofNCompleteColumn(),
            _RowsPerSecond(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task("", total=self._total)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def add(self, rows: int) -> None:
        self._rows += rows
        if self._rows >= self._next_rows:
            self._next_rows = self._rows + UPDATE_ROWS
            self._say()

    def _say(self) -> None:
        self._progress.update(self._task, completed=self._rows)
        now = self._clock.monotonic()
        if self._console.is_terminal or now < self._next_line:
            return
        self._next_line = now + LINE_SECONDS
        speed = self._rows / (now - self._started)
        left = max(self._total - self._rows, 0) / speed
        self._console.print(f"{self._rows:,} rows, {speed:,.0f} rows/s, {left:.0f} s to go")


class _RowsPerSecond(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f} rows/s")


def show(report: Report, console: Console) -> None:
    """The verdict, check by check, the first violations, and the figures."""
    table = Table("", "what holds", "verdict", box=None, pad_edge=False)
    for check, words in CHECKS.items():
        table.add_row(check, words, _verdict(report, check))
    console.print(table)
    for violation in report.first:
        where = _where(violation)
        console.print(f"[red]{violation.check}[/] {escape(where)}: {escape(violation.what)}")
    if (hidden := report.violations.total() - len(report.first)) > 0:
        console.print(f"… and {hidden:,} more")
    console.print(
        f"{report.rows:,} entries of {report.users:,} users in {report.seconds:.1f} s: "
        f"{report.rows / max(report.seconds, 0.001):,.0f} rows/s"
    )
    if report.as_of:
        console.print(f"ledger root {report.root}", soft_wrap=True, highlight=False)
        console.print(f"      as of {report.as_of:%Y-%m-%dT%H:%M:%SZ}", highlight=False)


def _verdict(report: Report, check: str) -> str:
    if count := report.violations[check]:
        return f"[bold red]{count:,} violation{'s' if count > 1 else ''}[/]"
    if why := report.not_checked.get(check):
        return f"[yellow]not checked: {escape(why)}[/]"
    if check == "L12":
        return f"[green]ok[/] (number of users; {report.looked_up:,} corrected or held ones)"
    return "[green]ok[/]"


def _where(violation: Violation) -> str:
    seq = f"seq {violation.seq}" if violation.seq else ""
    return " ".join(filter(None, (violation.user_id, seq))) or "ledger"
