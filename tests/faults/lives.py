"""
What each process takes over its life, sample by sample, and whether it grows.

A process that was started again begins a new life; of each process the longest is judged.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import linear_regression, mean

from rich.table import Table

# A young process fills its caches: its first minutes say nothing.
WARM_UP_SECONDS = 300.0
# Where the life is short, the first fifth is its youth, and growth is said but not judged.
WARM_UP_SHARE = 0.2
JUDGED_SECONDS = 900.0
HOUR_SECONDS = 3600.0

MEMORY = "MB"
LEAK_PER_HOUR = {
    MEMORY: 40.0,
    "descriptors": 60.0,
    "threads": 20.0,
    "tasks": 60.0,
    "connections": 60.0,
}
"""By what is counted: more than this is a leak, less is noise."""
# The embedded broker is for development, and keeps its log in memory. PostgreSQL's processes keep
# the files open that they have read, each up to `max_files_per_process` (1,000).
GROWING = frozenset({("kafka", MEMORY), ("postgres", "descriptors")})


@dataclass
class Life:
    """One process, from its start to its end: seconds and figures."""

    process: str
    pid: int
    times: list[float] = field(default_factory=list)
    figures: dict[str, list[float]] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return self.times[-1] - self.times[0]

    def note(self, at: float, figures: Mapping[str, float]) -> None:
        """A sample; what is not known this time is as it was."""
        self.times.append(at)
        for what, value in figures.items():
            known = self.figures.setdefault(what, [value] * (len(self.times) - 1))
            known.append(value)
        for known in self.figures.values():
            known += known[-1:] * (len(self.times) - len(known))

    def trend(self, what: str) -> tuple[float, float, float]:
        """After the youth: the first and the last tenth on average, and the slope an hour."""
        youth = self.times[0] + min(WARM_UP_SECONDS, WARM_UP_SHARE * self.seconds)
        grown = [
            pair for pair in zip(self.times, self.figures[what], strict=True) if pair[0] >= youth
        ]
        times, values = zip(*grown, strict=True)
        tenth = max(1, len(values) // 10)
        slope = linear_regression(times, values).slope if len(set(times)) > 1 else 0.0
        return mean(values[:tenth]), mean(values[-tenth:]), slope * HOUR_SECONDS

    def leaks(self) -> Iterator[str]:
        """What grows too fast, if the life is long enough to tell."""
        for what in self.figures if self.seconds >= JUDGED_SECONDS else ():
            grows = (self.process, what) in GROWING
            if not grows and self.trend(what)[2] > LEAK_PER_HOUR[what]:
                yield f"{self.process}: {what}"


class Lives:
    """All lives of a phase."""

    def __init__(self) -> None:
        self._lives: dict[tuple[str, int], Life] = {}

    def note(self, process: str, pid: int, at: float, figures: Mapping[str, float]) -> None:
        life = self._lives.setdefault((process, pid), Life(process, pid))
        life.note(at, figures)

    @property
    def longest(self) -> list[Life]:
        """One of each process."""
        best: dict[str, Life] = {}
        for life in self._lives.values():
            if life.process not in best or life.seconds > best[life.process].seconds:
                best[life.process] = life
        return list(best.values())


def table(lives: Iterable[Life]) -> Table:
    """First, last and slope an hour of each figure, for people."""
    lives = list(lives)
    shown = Table("process", "minutes", *LEAK_PER_HOUR, box=None, pad_edge=False)
    for life in lives:
        columns = []
        for what in LEAK_PER_HOUR:
            if what not in life.figures:
                columns.append("")
                continue
            first, last, slope = life.trend(what)
            columns.append(f"{first:.0f} → {last:.0f} ({slope:+.1f}/h)")
        shown.add_row(life.process, f"{life.seconds / 60:.0f}", *columns)
    return shown
