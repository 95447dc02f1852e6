"""
From POST to screen: how long after it was to be sent an update is seen.

Leaders post at a steady rate, others beside them; of all who watch, 200 probes in a process of
their own note when they see what. A slow moment of the generator's counts as the contender's.
"""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from bench.contender import Contender
from bench.generator import watch
from bench.load.crowd import PROBES
from bench.load.screen import Shown
from bench.workloads.stage import LEADERS, staged

WATCHERS = 1000
SECONDS = 15.0
WARM_SECONDS = 3.0
# More often than boards are shown, and few enough that what is timed is the crowd's.
MOST_TIMED_PER_SECOND = 100.0
OTHERS = 1000
SLACK_SECONDS = 30.0


@dataclass(frozen=True)
class Screen:
    """A run: `shown.every` has each probe's latency of each update."""

    contender: str
    rate: float
    watchers: int
    shown: Shown

    def figures(self) -> dict[str, Any]:
        """All of it, for a file."""
        return {
            "updates_per_second": self.rate,
            "watchers": self.watchers,
            "p50_ms": self.shown.every.percentile(50),
            "p99_ms": self.shown.every.percentile(99),
            "last_watcher_p99_ms": self.shown.last.percentile(99),
            "longest_ms": self.shown.every.longest_us / 1000,
            "shown": self.shown.model_dump(mode="json"),
        }

    def __str__(self) -> str:
        every, last = self.shown.every, self.shown.last
        return (
            f"{self.rate:g} updates a second, {self.watchers:,} watchers: "
            f"p50 {every.percentile(50):.1f}, p99 {every.percentile(99):.1f} ms; "
            f"the last watcher p99 {last.percentile(99):.1f} ms"
        )


async def measure(
    contender: Contender,
    *,
    rate: float = 10.0,
    watchers: int = WATCHERS,
    seconds: float = SECONDS,
) -> Screen:
    """Start it, have people watch, post and time, end it. Raises `DoesNotCount`."""
    timed = min(rate, MOST_TIMED_PER_SECOND)
    beside = rate - timed
    probes = min(watchers, PROBES)
    lasts = WARM_SECONDS + seconds + SLACK_SECONDS
    async with staged(contender, users=LEADERS + OTHERS) as stage, AsyncExitStack() as opened:
        if others := watchers - probes:
            holding = watch(stage.stream(), count=others, probes=0, seconds=lasts, on=stage.ours)
            await opened.enter_async_context(holding)
        leaders = LEADERS if beside else 1
        await stage.screen(
            rate=timed, beside=beside, leaders=leaders, seconds=WARM_SECONDS, probes=probes
        )
        shown = await stage.screen(
            rate=timed, beside=beside, leaders=leaders, seconds=seconds, probes=probes
        )
    return Screen(contender.name, rate, watchers, shown)
