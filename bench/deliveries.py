"""
What it costs to bring a board to everybody who watches.

Watchers stay connected while one user's score changes at a steady rate. What notification spends in
that time is divided by the frames that arrived; beside it stands a C program that only sends.
"""

import asyncio
from dataclasses import dataclass

from bench import cpu, machine
from bench.contender import Contender
from bench.generator import post, watch

RATE_PER_SECOND = 10.0
CONNECTIONS = 4
SETTLE_SECONDS = 1.0
NOTIFICATION = "notification"


@dataclass(frozen=True)
class Deliveries:
    """A run: frames that arrived while notification spent so many CPU-seconds."""

    contender: str
    stream: str
    watchers: int
    frames: int
    cpu_seconds: float

    @property
    def per_cpu_second(self) -> float:
        return self.frames / self.cpu_seconds

    def __str__(self) -> str:
        return (
            f"{self.frames:,} frames to {self.watchers:,} ({self.stream}), "
            f"{self.microseconds:.2f} µs each, {self.per_cpu_second:,.0f} per CPU-second"
        )

    @property
    def microseconds(self) -> float:
        return self.cpu_seconds / self.frames * 1e6


async def measure(
    contender: Contender, *, watchers: int, seconds: float, events: bool = False
) -> Deliveries:
    """Start it, fill it with watchers, count what they get. Raises `GeneratorFailed`."""
    ours, theirs = machine.split(machine.cores())
    with contender.running() as target:
        machine.pin(target.pids.values(), theirs)
        tokens = await contender.tokens(target, [f"leader-{n}" for n in range(10)])
        stream = target.events_url if events else target.websocket_url
        assert stream is not None, f"{contender.name} has no such stream"
        async with watch(stream, count=watchers, seconds=seconds * 3, on=ours) as crowd:
            before = cpu.seconds(target.pids[NOTIFICATION])
            await post(
                target.post_url,
                tokens,
                connections=CONNECTIONS,
                rate=RATE_PER_SECOND,
                seconds=seconds,
                on=ours,
            )
            await asyncio.sleep(SETTLE_SECONDS)
            spent = cpu.seconds(target.pids[NOTIFICATION]) - before
    kind = "SSE" if events else "WebSocket"
    frames = crowd.last.frames - crowd.first.frames
    return Deliveries(contender.name, kind, watchers, frames, spent)
