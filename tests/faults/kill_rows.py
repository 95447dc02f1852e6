"""What a kill campaign saw, and the rows of its report."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from tests.faults.failpoints import FAILPOINTS
from tests.faults.recovery import Recovery, summary
from tests.faults.report import Row
from tests.faults.victims import Death
from tests.oracle.trial import Verdict

# What the project promises.
WRITES_AFTER_POSTGRES_SECONDS = 10.0
BOARD_AFTER_FAULTS_SECONDS = 5.0
TOGETHER = "two at once"
COUNTED = ("lost", "doubled", "phantom")


@dataclass(frozen=True)
class Kill:
    """What was done, who died of it, and how it was got over."""

    ways: tuple[str, ...]
    deaths: Sequence[Death]
    recovery: Recovery

    @property
    def kind(self) -> str:
        return self.ways[0] if len(self.ways) == 1 else TOGETHER

    def __str__(self) -> str:
        died = " + ".join(death.process for death in self.deaths)
        return f"{self.kind} ({died}): {self.recovery}"


@dataclass(frozen=True)
class Chapter:
    """
    Some kills, and the verdict on all requests since the beginning.

    A trouble begins with the promise that was broken.
    """

    kills: Sequence[Kill]
    verdict: Verdict
    troubles: Sequence[str]

    @property
    def deaths(self) -> int:
        return sum(len(kill.deaths) for kill in self.kills)


def rows(chapters: Sequence[Chapter], where: str) -> list[Row]:
    """In total, by way to kill, and by what was promised about time."""
    found = [_total(chapters), *_by_kind(chapters), _fired(chapters), *_in_time(chapters)]
    return [replace(row, what=f"{where}: {row.what}") for row in found]


def _total(chapters: Sequence[Chapter]) -> Row:
    last = chapters[-1].verdict
    counted, absent = last.history.resolved
    broken = Counter(violation.promise for violation in last.violations)
    told = ", ".join(f"{broken[promise]} {promise}" for promise in COUNTED)
    return Row(
        "all kills",
        sum(chapter.deaths for chapter in chapters),
        sum(len(chapter.troubles) for chapter in chapters),
        f"{len(last.history.acked):,} accepted: {told}; {counted + absent:,} at first unsure, of "
        f"which {counted:,} had counted; {last.frames:,} frames shown",
    )


def _by_kind(chapters: Sequence[Chapter]) -> Iterable[Row]:
    """A kill in a chapter with troubles is suspect."""
    seen: dict[str, list[Recovery]] = {}
    suspect: Counter[str] = Counter()
    for chapter in chapters:
        for kill in chapter.kills:
            seen.setdefault(kill.kind, []).append(kill.recovery)
            suspect[kill.kind] += bool(chapter.troubles)
    for kind in sorted(seen):
        yield Row(kind, len(seen[kind]), suspect[kind], summary(seen[kind]))


def _fired(chapters: Sequence[Chapter]) -> Row:
    fired = {kill.kind for kill in _kills(chapters)} & FAILPOINTS.keys()
    silent = [t for c in chapters for t in c.troubles if t.startswith("never fired")]
    return Row(
        "failpoints that fired",
        len(fired) + len(silent),
        len(silent),
        f"{len(fired)} of {len(FAILPOINTS)} different ones",
    )


def _in_time(chapters: Sequence[Chapter]) -> Iterable[Row]:
    kills = _kills(chapters)
    writes = [
        kill.recovery.writes
        for kill in kills
        if any(death.process == "postgres" for death in kill.deaths)
    ]
    screens = [max(0.0, kill.recovery.screens - kill.recovery.repaired) for kill in kills]
    converged = [chapter.verdict.seconds for chapter in chapters]
    for what, limit, seconds in (
        ("writes after PostgreSQL died", WRITES_AFTER_POSTGRES_SECONDS, writes),
        ("screens move again after the process is back", BOARD_AFTER_FAULTS_SECONDS, screens),
        ("all screens right after the last increment", BOARD_AFTER_FAULTS_SECONDS, converged),
    ):
        late = sum(second > limit for second in seconds)
        if seconds:
            figures = f"p50 {median(seconds):.1f} s, max {max(seconds):.1f} s"
            yield Row(f"{what}, within {limit:g} s", len(seconds), late, figures)


def _kills(chapters: Sequence[Chapter]) -> list[Kill]:
    return [kill for chapter in chapters for kill in chapter.kills]
