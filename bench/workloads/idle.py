"""
What a WebSocket costs that is open, and on which nothing happens but what keeps it alive.

Memory is the resident set of notification: what the kernel holds for its sockets is not in it, and
what the process keeps for those who may come later is.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from bench import cpu, memory
from bench.contender import Contender, DoesNotCount
from bench.generator import watch
from bench.load import files
from bench.workloads.stage import staged

WATCHERS = 20_000
SECONDS = 20.0
# Until the work that follows so many connections is done.
QUIET_SECONDS = 3.0
SLACK_SECONDS = 30.0


@dataclass(frozen=True)
class Idle:
    """A run: notification with nobody connected, and with all."""

    contender: str
    asked: int
    watchers: int
    """Fewer than asked where a process may not have so many open files."""
    connects_per_second: float
    empty_bytes: int
    full_bytes: int
    seconds: float
    cpu_seconds: float

    @property
    def kilobytes_each(self) -> float:
        """Resident memory for each socket, in kB of 1,024 bytes."""
        return (self.full_bytes - self.empty_bytes) / self.watchers / 1024

    @property
    def cpu_share(self) -> float:
        """Of a core, with all connected."""
        return self.cpu_seconds / self.seconds

    def figures(self) -> dict[str, Any]:
        """All of it, for a file."""
        return {
            "asked": self.asked,
            "watchers": self.watchers,
            "connects_per_second": self.connects_per_second,
            "empty_bytes": self.empty_bytes,
            "full_bytes": self.full_bytes,
            "kilobytes_each": self.kilobytes_each,
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "cpu_share": self.cpu_share,
            "cpu_microseconds_each_per_second": self.cpu_share / self.watchers * 1e6,
        }

    def __str__(self) -> str:
        fewer = f" (of {self.asked:,} asked)" if self.watchers < self.asked else ""
        return (
            f"{self.watchers:,} sockets{fewer}: {self.kilobytes_each:.1f} kB each, "
            f"{self.cpu_share:.1%} of a core; {self.connects_per_second:,.0f} connected a second"
        )


async def measure(
    contender: Contender, *, watchers: int = WATCHERS, seconds: float = SECONDS
) -> Idle:
    """Start it, weigh it empty and full, wait, end it. Raises `DoesNotCount`."""
    held = min(watchers, files.most())
    async with staged(contender) as stage:
        process = stage.notification
        await asyncio.sleep(QUIET_SECONDS)
        empty = memory.resident_bytes(process)
        lasts = QUIET_SECONDS + seconds + SLACK_SECONDS
        async with watch(stage.stream(), count=held, seconds=lasts, on=stage.ours) as crowd:
            await asyncio.sleep(QUIET_SECONDS)
            before = cpu.seconds(process)
            await asyncio.sleep(seconds)
            spent = cpu.seconds(process) - before
            full = memory.resident_bytes(process)
            seen = await crowd.now()
    if seen.ended:
        raise DoesNotCount(f"watchers were lost: {seen.ended}")
    speed = crowd.first.connects_per_second
    return Idle(contender.name, watchers, held, speed, empty, full, seconds, spent)
