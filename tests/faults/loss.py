"""
What a server holds is lost under load: emptied, put back to an older copy, or no room for more.

The oracle looks whether all became equal to the ledger, which is the truth; where the ledger itself
went back, `restores` says what is honestly lost.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median

from redis.exceptions import RedisError
from rich.console import Console

from services.scoreboard.usecases.ports import BoardGone, BoardUnavailable
from tests.faults import stage
from tests.faults.answers import improper, undecided
from tests.faults.losses import LOSSES
from tests.faults.report import Row
from tests.oracle import checks, truth
from tests.oracle.checks import Violation
from tests.oracle.trial import AWAY, Places, Verdict, trial
from tests.stack import UNLIMITED, RunningStack, running_stack

ABOUT = "Redis, the broker or PostgreSQL emptied, put back to an older copy, or full"
COUNT = 3

USERS, SCREENS, CONNECTIONS, POSTS_PER_SECOND = 60, 3, 8, 40
LIMITS = {**UNLIMITED, "AUDIT_SECONDS": "2"}
WARM_UP_SECONDS = 1.0
AFTER_SECONDS = 2.0
SAMPLE_SECONDS = 0.5
PATIENCE_SECONDS = 90


@dataclass
class Drift:
    """Rows of Redis that were not the ledger's: at most how many, and at most for how long."""

    rows: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.rows} rows of Redis differed for {self.seconds:.1f} s"


@dataclass(frozen=True)
class Outcome:
    """What came of one loss."""

    seen: str
    verdict: Verdict
    drift: Drift
    answers: Counter[str]

    @property
    def violations(self) -> list[Violation]:
        """The oracle's, and what clients should not have been told."""
        history = self.verdict.history
        return [*self.verdict.violations, *undecided(history), *improper(self.answers)]


async def run(count: int, console: Console) -> list[Row]:
    found: dict[str, list[Outcome]] = defaultdict(list)
    with running_stack(LIMITS) as stack:
        places = Places.of(stack)
        for _ in range(count):
            for what in LOSSES:
                outcome = await suffer(stack, places, what)
                found[what].append(outcome)
                console.print(
                    f"{what}: {outcome.verdict}; {outcome.drift}; {dict(outcome.answers)}; "
                    f"{outcome.seen}",
                    *outcome.violations[:5],
                    soft_wrap=True,
                )
    return [_row(what, outcomes) for what, outcomes in found.items()]


async def suffer(stack: RunningStack, places: Places, what: str) -> Outcome:
    """One loss, and the verdict."""
    await stage.clear(places)
    async with trial(
        places, users=USERS, screens=SCREENS, connections=CONNECTIONS, rate=POSTS_PER_SECOND
    ) as work:
        await asyncio.sleep(WARM_UP_SECONDS)
        async with _drifting(places) as drift:
            seen = await LOSSES[what](stack, work)
            await asyncio.sleep(AFTER_SECONDS)
            verdict = await work.verdict(patience_seconds=PATIENCE_SECONDS)
        return Outcome(seen, verdict, drift, work.history.answers)


@asynccontextmanager
async def _drifting(places: Places) -> AsyncIterator[Drift]:
    """Watch the drift while the block runs."""
    drift = Drift()
    watching = asyncio.ensure_future(_watch(places, drift))
    try:
        yield drift
    finally:
        watching.cancel()
        await asyncio.wait({watching})


async def _watch(places: Places, drift: Drift) -> None:
    clock = asyncio.get_running_loop().time
    before: set[Violation] = set()
    equal_at = clock()
    while True:
        await asyncio.sleep(SAMPLE_SECONDS)
        try:
            held = await truth.totals(places.postgres)
            rows = await truth.redis_rows(places.valkey, [total.user for total in held.users])
        except (*AWAY, RedisError, BoardUnavailable, BoardGone):
            continue
        differing = set(checks.drifted(held.users, rows))
        # Under load some are always on their way: what counts is who differs as half a second ago.
        stuck, before = len(differing & before), differing
        if stuck:
            drift.rows = max(drift.rows, stuck)
            drift.seconds = max(drift.seconds, clock() - equal_at)
        else:
            equal_at = clock()


def _row(what: str, outcomes: Sequence[Outcome]) -> Row:
    seconds = [outcome.verdict.seconds for outcome in outcomes]
    seen = "; ".join(outcome.seen for outcome in outcomes if outcome.seen)
    rows = max(outcome.drift.rows for outcome in outcomes)
    span = max(outcome.drift.seconds for outcome in outcomes)
    figures = (
        f"{Drift(rows, span)} at most; all equal p50 {median(seconds):.1f} s,"
        f" max {max(seconds):.1f} s after the last answer"
    )
    violations = sum(len(outcome.violations) for outcome in outcomes)
    return Row(what, len(outcomes), violations, f"{figures}; {seen}" if seen else figures)
