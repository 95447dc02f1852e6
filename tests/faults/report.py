"""What a campaign reports: how often something was tried, how often a promise broke."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One line of the proof; `figures` are what else was seen, for people to read."""

    what: str
    trials: int
    violations: int
    figures: str = ""

    @property
    def bound(self) -> str:
        """
        The failure rate that is excluded with 95 % confidence.

        Rule of three: no failure in n independent trials means less than 3/n (Hanley and
        Lippman-Hand, JAMA 1983).
        """
        if self.violations or not self.trials:
            return "-"
        return f"< {min(3 / self.trials, 1):.2%}" if self.trials < 30_000 else f"< 3/{self.trials}"


def show(rows: Iterable[Row], console: Console) -> None:
    """The rows as a table."""
    table = Table(box=None, pad_edge=False)
    table.add_column("what was tried")
    table.add_column("times", justify="right")
    table.add_column("violations", justify="right")
    table.add_column("rate (95 %)", justify="right")
    table.add_column("seen")
    for row in rows:
        colour = "red" if row.violations else "green"
        table.add_row(
            row.what,
            f"{row.trials:,}",
            f"[{colour}]{row.violations:,}[/]",
            row.bound,
            row.figures,
        )
    console.print(table)


def exit_code(rows: Iterable[Row]) -> int:
    """1 if a promise broke, or nothing was tried at all."""
    rows = list(rows)
    return int(not rows or any(row.violations or not row.trials for row in rows))
