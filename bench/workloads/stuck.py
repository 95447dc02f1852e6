"""
Watchers who read nothing: what they do to the others, and to the memory of notification.

Turns without and with them (A B B A) on one running contender. Those who read are the same in all;
in a turn B one in twenty is added who does not, and before its updates are timed, so many boards
are sent that a stream which may hold only what the hub allows is full. What the kernel buffers for
a reader without such a bound is megabytes: there nobody is stuck yet.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bench import memory
from bench.contender import Contender, DoesNotCount
from bench.generator import watch
from bench.load.crowd import PROBES
from bench.load.latencies import Latencies
from bench.workloads.stage import Stage, staged

WATCHERS = 1000
STUCK_SHARE = 0.05
# Apart by more than the boards' window, so that each update has a board of its own.
RATE = 15.0
# 45 boards of 800 bytes: more than the 16 kB unsent and the 8 kB unread that a stream can have.
FILL_SECONDS = 3.0
TURN_SECONDS = 5.0
SLACK_SECONDS = 60.0
TURNS = (False, True, True, False)


@dataclass(frozen=True)
class Stuck:
    """A run: latencies from POST to screen without and with those who read nothing."""

    contender: str
    watchers: int
    stuck: int
    without: Latencies
    beside: Latencies
    growth_bytes: int
    """Of notification's resident memory, with them there and full."""
    growth_seconds: float
    """In which it grew by so much."""

    @property
    def p99_ratio(self) -> float:
        """The others' p99 with them, in units of that without."""
        return self.beside.percentile(99) / self.without.percentile(99)

    def figures(self) -> dict[str, Any]:
        """All of it, for a file."""
        return {
            "watchers": self.watchers,
            "stuck": self.stuck,
            "p50_ms_without": self.without.percentile(50),
            "p99_ms_without": self.without.percentile(99),
            "p50_ms": self.beside.percentile(50),
            "p99_ms": self.beside.percentile(99),
            "p99_ratio": self.p99_ratio,
            "growth_bytes": self.growth_bytes,
            "growth_bytes_per_second": self.growth_bytes / self.growth_seconds,
            "growth_seconds": self.growth_seconds,
        }

    def __str__(self) -> str:
        return (
            f"{self.stuck} of {self.watchers:,} read nothing: p99 of the others "
            f"{self.beside.percentile(99):.1f} ms, {self.p99_ratio:.2f} of that without them; "
            f"memory grew by {self.growth_bytes / 1024:,.0f} kB in {self.growth_seconds:.0f} s"
        )


async def measure(
    contender: Contender, *, watchers: int = WATCHERS, seconds: float = TURN_SECONDS
) -> Stuck:
    """Start it, take turns of so many seconds, end it. Raises `DoesNotCount`."""
    stuck = max(1, round(watchers * STUCK_SHARE))
    probes = min(watchers - stuck, PROBES)
    readers = watchers - stuck - probes
    lasts = len(TURNS) * (FILL_SECONDS + seconds) + SLACK_SECONDS
    seen = {False: Latencies(), True: Latencies()}
    growth = 0
    async with staged(contender) as stage, _held(stage, lasts, readers=readers):
        for with_stuck in TURNS:
            async with _held(stage, lasts, stuck=stuck if with_stuck else 0):
                await stage.post(rate=RATE, seconds=FILL_SECONDS)
                shown = await stage.screen(rate=RATE, seconds=seconds, probes=probes)
                seen[with_stuck].merge(shown.every)
                if with_stuck:
                    growth += await _growth(stage)
    return Stuck(
        contender.name,
        watchers,
        stuck,
        seen[False],
        seen[True],
        growth,
        FILL_SECONDS * TURNS.count(True),
    )


async def _growth(stage: Stage) -> int:
    """What more boards add to the memory of notification, while nobody comes or goes."""
    before = memory.resident_bytes(stage.notification)
    await stage.post(rate=RATE, seconds=FILL_SECONDS)
    return memory.resident_bytes(stage.notification) - before


@asynccontextmanager
async def _held(
    stage: Stage, seconds: float, *, readers: int = 0, stuck: int = 0
) -> AsyncGenerator[None, None]:
    """So many more watchers while the block runs. Raises `DoesNotCount` if one is lost."""
    count = readers + stuck
    if not count:
        yield
        return
    async with watch(
        stage.stream(), count=count, probes=0, stuck=stuck, seconds=seconds, on=stage.ours
    ) as crowd:
        yield
        if ended := (await crowd.now()).ended:
            raise DoesNotCount(f"watchers were lost: {ended}")
