"""
What an increment costs, and how long it takes.

Everything of a contender, servers included, is on one core and the generator on the other: first a
closed loop, which finds the capacity of that core, then an open loop at half of it.
"""

import asyncio
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench import cpu, machine
from bench.contender import Contender, Target
from bench.generator import post
from bench.load.posted import Posted

USERS = 1000
CONNECTIONS = 128
# As players come after a restart: not all in the same moment.
WARM_CONNECTIONS = 16
WARM_SECONDS = 6.0
SETTLE_SECONDS = 20.0
POLL_SECONDS = 0.1
CLIENT_NAME = "bench-{number:05}"


class DoesNotCount(Exception):
    """What was sent, ledger and board are not equal, or not everything was accepted."""


@dataclass(frozen=True)
class Writes:
    """A run: CPU-seconds by process over the closed loop, and both loops as they were posted."""

    contender: str
    closed: Posted
    half: Posted
    cpu_seconds: Mapping[str, float] = field(default_factory=dict)
    stolen_share: float = 0.0

    @property
    def microseconds(self) -> dict[str, float]:
        """CPU time for each accepted increment, by process."""
        return {n: s / self.closed.accepted * 1e6 for n, s in self.cpu_seconds.items()}

    @property
    def per_cpu_second(self) -> float:
        """Accepted increments for each CPU-second of all processes."""
        return self.closed.accepted / sum(self.cpu_seconds.values())

    @property
    def per_second(self) -> float:
        """Accepted increments a second in the closed loop."""
        return self.closed.accepted / self.closed.seconds

    def figures(self) -> dict[str, Any]:
        """All of it, for a file."""
        return {
            "contender": self.contender,
            "per_cpu_second": self.per_cpu_second,
            "microseconds": self.microseconds,
            "stolen_share": self.stolen_share,
            "closed": self.closed.model_dump(mode="json"),
            "half": self.half.model_dump(mode="json"),
        }

    def __str__(self) -> str:
        spent = ", ".join(f"{n} {us:.0f}" for n, us in self.microseconds.items())
        return (
            f"{self.per_second:,.0f}/s, {self.per_cpu_second:,.0f} per CPU-second (µs: {spent}); "
            f"at half: p50 {self.half.latencies.percentile(50):.1f}, "
            f"p99 {self.half.latencies.percentile(99):.1f} ms; {self.stolen_share:.1%} stolen"
        )


async def measure(contender: Contender, *, seconds: float) -> Writes:
    """Start it, measure it, end it. Raises `DoesNotCount`."""
    ours, theirs = machine.split(machine.cores())
    with contender.running() as target:
        machine.pin(target.pids.values(), theirs)
        users = [CLIENT_NAME.format(number=number) for number in range(USERS)]
        tokens = await contender.tokens(target, users)
        load = partial(post, target.post_url, tokens, on=ours)
        warm = await load(connections=WARM_CONNECTIONS, seconds=WARM_SECONDS, seed=1)
        load = partial(load, connections=CONNECTIONS)
        await settled(contender, target, [warm])
        steal, ticks = machine.stolen()
        before = cpu.by_name(target.pids)
        closed = await load(seconds=seconds, seed=2)
        await settled(contender, target, [warm, closed])
        after = cpu.by_name(target.pids)
        stolen, now = machine.stolen()
        half = await load(seconds=seconds, rate=closed.accepted / closed.seconds / 2, seed=3)
        await settled(contender, target, [warm, closed, half])
    return Writes(
        contender.name,
        closed,
        half,
        {name: after[name] - before[name] for name in target.pids},
        (stolen - steal) / (now - ticks),
    )


async def settled(contender: Contender, target: Target, runs: Collection[Posted]) -> None:
    """Wait until what was sent, ledger and board are equal. Raises `DoesNotCount`."""
    for run in runs:
        if not run.clean:
            raise DoesNotCount(f"{contender.name}: {dict(run.statuses)}, {run.lost} lost")
    sent = (sum(run.accepted for run in runs), *[sum(run.points for run in runs)] * 2)
    deadline = time.monotonic() + SETTLE_SECONDS
    while (sums := await contender.sums(target)) is not None:
        if (sums.accepted, sums.ledger, sums.board) == sent:
            return
        if time.monotonic() > deadline:
            raise DoesNotCount(f"{contender.name}: sent {sent}, but {sums}")
        await asyncio.sleep(POLL_SECONDS)
