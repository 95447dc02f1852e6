"""
A reconnect storm: everybody is cut off in the same moment, and comes back by itself.

As when a network or a load balancer between them and notification goes away and returns: the
process is up, all its streams are gone, and within half a second all are at its door, as our own
pages would be; who is refused waits longer each time. Whom the kernel turns away, because too many
wait to be accepted, waits as long as TCP does: 1 s, then 2 s, then 4 s. (A drain asks clients to
return spread over 5 s, and the kill of a process is counted in `docs/reliability.md`.) The board
changes meanwhile; current is who has one again.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from bench import cpu, memory
from bench.contender import Contender, DoesNotCount
from bench.generator import Watching, watch
from bench.load.crowd import Watched
from bench.workloads.stage import staged

WATCHERS = 10_000
RATE = 2.0  # a frame to each of 10,000 takes 0.1 s
POST_SECONDS = 5.0  # then again, while the storm lasts
STORM_SECONDS = 60.0  # the longest that counts
WARM_SECONDS = 2.0
CALM_SECONDS = 10.0  # until the newest board is everywhere
POLL_SECONDS = 0.2
SLACK_SECONDS = 30.0


@dataclass(frozen=True)
class Storm:
    """A run: how long until all had a board again, and what it took."""

    contender: str
    watchers: int
    seconds: float
    refused: int
    """Tries to come back that were in vain."""
    cpu_seconds: float
    """Of notification, from the cut until all were back."""
    before_bytes: int
    """Resident memory of notification before the cut."""
    peak_bytes: int

    def figures(self) -> dict[str, Any]:
        """All of it, for a file."""
        return {
            "watchers": self.watchers,
            "seconds": self.seconds,
            "refused": self.refused,
            "cpu_seconds": self.cpu_seconds,
            "cpu_microseconds_each": self.cpu_seconds / self.watchers * 1e6,
            "before_bytes": self.before_bytes,
            "peak_bytes": self.peak_bytes,
        }

    def __str__(self) -> str:
        return (
            f"{self.watchers:,} cut off and current again in {self.seconds:.2f} s, "
            f"{self.refused} tries in vain; peak {self.peak_bytes / 2**20:.0f} MB, "
            f"before {self.before_bytes / 2**20:.0f} MB"
        )


async def measure(contender: Contender, *, watchers: int = WATCHERS) -> Storm:
    """Start it, fill it, cut all off, wait for them, end it. Raises `DoesNotCount`."""
    async with staged(contender) as stage:
        process = stage.notification
        url, lasts = stage.stream(), STORM_SECONDS + SLACK_SECONDS
        async with watch(url, count=watchers, seconds=lasts, on=stage.ours) as crowd:
            async with stage.posting(rate=RATE, seconds=POST_SECONDS):
                await asyncio.sleep(WARM_SECONDS)
                before, spent = memory.resident_bytes(process), cpu.seconds(process)
                memory.reset_peak(process)
                back = await crowd.cut(STORM_SECONDS)
                spent = cpu.seconds(process) - spent
                peak = memory.peak_bytes(process)
            seen = await _calm(crowd)
    if seen.ended or seen.probes_alike < seen.probes:
        alike = f"{seen.probes_alike} of {seen.probes}"
        raise DoesNotCount(f"{alike} probes have the newest board; lost: {seen.ended}")
    refused = sum(back.refused.values())
    return Storm(contender.name, watchers, back.return_seconds, refused, spent, before, peak)


async def _calm(crowd: Watching) -> Watched:
    """The crowd once all probes have the same board, or as it is when the time is over."""
    deadline = time.monotonic() + CALM_SECONDS
    while True:
        seen = await crowd.now()
        if seen.ended or seen.probes_alike == seen.probes or time.monotonic() > deadline:
            return seen
        await asyncio.sleep(POLL_SECONDS)
