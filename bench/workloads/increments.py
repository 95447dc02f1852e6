"""
What an increment costs, and how long it takes.

Everything of a contender, servers included, is on one core and the generator on the other: first a
closed loop, which finds the capacity of that core, then an open loop at half of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench import cpu, machine
from bench.contender import Contender
from bench.generator import post
from bench.load.posted import Posted
from bench.workloads.sums import EMPTY, settled

USERS = 1000
CONNECTIONS = 128
GATEWAY = "gateway"
# Each user a dozen times: auth and gateway know them when it counts.
WARM_CONNECTIONS = 64
WARM_SECONDS = 6.0
CLIENT_NAME = "bench-{number:05}"


@dataclass(frozen=True)
class Increments:
    """A run: CPU-seconds by process over the closed loop, and both loops as they were posted."""

    contender: str
    connections: int
    closed: Posted
    half: Posted
    cpu_seconds: Mapping[str, float] = field(default_factory=dict)
    """Empty where the processes are not known."""

    @property
    def microseconds(self) -> dict[str, float]:
        """CPU time for each accepted increment, by process."""
        return {n: s / self.closed.accepted * 1e6 for n, s in self.cpu_seconds.items()}

    @property
    def per_cpu_second(self) -> float | None:
        """Accepted increments for each CPU-second of all processes."""
        return _rate(self.closed.accepted, sum(self.cpu_seconds.values()))

    @property
    def per_gateway_second(self) -> float | None:
        """Accepted increments for each CPU-second of the gateway alone."""
        return _rate(self.closed.accepted, self.cpu_seconds.get(GATEWAY, 0.0))

    @property
    def per_second(self) -> float:
        """Accepted increments a second in the closed loop."""
        return self.closed.accepted / self.closed.seconds

    def figures(self) -> dict[str, Any]:
        """All of it, for a file."""
        return {
            "users": USERS,
            "connections": self.connections,
            "per_second": self.per_second,
            "per_cpu_second": self.per_cpu_second,
            "per_gateway_second": self.per_gateway_second,
            "microseconds": sum(self.microseconds.values()) or None,
            "microseconds_by_process": self.microseconds,
            "half_p50_ms": self.half.latencies.percentile(50),
            "half_p99_ms": self.half.latencies.percentile(99),
            "closed": self.closed.model_dump(mode="json"),
            "half": self.half.model_dump(mode="json"),
        }

    def __str__(self) -> str:
        spent = ", ".join(f"{n} {us:.0f}" for n, us in self.microseconds.items()) or "unknown"
        each = f"{self.per_cpu_second:,.0f} per CPU-second, " if self.per_cpu_second else ""
        return (
            f"{self.per_second:,.0f}/s, {each}µs each: {spent}; "
            f"at half of it p50 {self.half.latencies.percentile(50):.1f}, "
            f"p99 {self.half.latencies.percentile(99):.1f} ms"
            + (" (the generator was the limit)" if self.closed.saturated else "")
        )


async def measure(
    contender: Contender,
    *,
    seconds: float,
    connections: int = CONNECTIONS,
    warm_seconds: float = WARM_SECONDS,
) -> Increments:
    """Start it, measure both loops for so long each, end it. Raises `DoesNotCount`."""
    ours, theirs = machine.split(machine.cores())
    with contender.running() as target:
        machine.pin(target.pids.values(), theirs)
        users = [CLIENT_NAME.format(number=number) for number in range(USERS)]
        tokens = await contender.tokens(target, users)
        begun = await contender.sums(target) or EMPTY
        load = partial(post, target.post_url, tokens, on=ours)
        warm = await load(connections=WARM_CONNECTIONS, seconds=warm_seconds, seed=1)
        load = partial(load, connections=connections)
        await settled(contender, target, [warm], since=begun)
        before = cpu.by_name(target.pids)
        closed = await load(seconds=seconds, seed=2)
        after = await settled(contender, target, [warm, closed], since=begun)
        half = await load(seconds=seconds, rate=closed.accepted / closed.seconds / 2, seed=3)
        await settled(contender, target, [warm, closed, half], since=begun)
    spent = {name: after[name] - before[name] for name in target.pids}
    return Increments(contender.name, connections, closed, half, spent)


def _rate(count: int, cpu_seconds: float) -> float | None:
    return count / cpu_seconds if cpu_seconds else None
