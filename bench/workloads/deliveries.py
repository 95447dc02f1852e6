"""
What it costs to bring a board to everybody who watches.

Watchers stay connected while the board changes at a steady rate. What notification spends in the
measured time is divided by the frames that arrived in it: boards, and what else it sends to keep a
stream alive. Beside it stands a C program that only sends, as many frames of the same size.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from bench import cpu
from bench.contender import Contender, DoesNotCount
from bench.floor import fanout
from bench.generator import Watching, watch
from bench.load.crowd import Watched
from bench.workloads.stage import Stage, staged

WATCHERS = 5000
SECONDS = 8.0
BOARDS_PER_SECOND = 10.0
# Until everybody who posts runs, and the work that follows so many connections is done.
WARM_SECONDS = 3.0
TAIL_SECONDS = 1.0


@dataclass(frozen=True)
class Deliveries:
    """A run: frames that arrived while notification spent so many CPU-seconds."""

    contender: str
    stream: str
    watchers: int
    seconds: float
    frames: int
    frame_bytes: int
    """On the wire, in the mean."""
    cpu_seconds: float
    crowd_cpu_seconds: float
    floor_microseconds: float | None
    """Of one send in C; None where there is no compiler."""

    @property
    def microseconds(self) -> float:
        """CPU time of notification for each frame that arrived."""
        return self.cpu_seconds / self.frames * 1e6

    @property
    def per_cpu_second(self) -> float:
        """Frames for each CPU-second of notification."""
        return self.frames / self.cpu_seconds

    @property
    def of_floor(self) -> float | None:
        """Frames for each CPU-second, as a share of the C program's."""
        return self.floor_microseconds and self.floor_microseconds / self.microseconds

    def figures(self) -> dict[str, Any]:
        """All of it, for a file."""
        return {
            "stream": self.stream,
            "watchers": self.watchers,
            "seconds": self.seconds,
            "frames": self.frames,
            "frame_bytes": self.frame_bytes,
            "frames_per_watcher_second": self.frames / self.watchers / self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "crowd_cpu_seconds": self.crowd_cpu_seconds,
            "microseconds": self.microseconds,
            "per_cpu_second": self.per_cpu_second,
            "floor_microseconds": self.floor_microseconds,
            "of_floor": self.of_floor,
        }

    def __str__(self) -> str:
        each = self.frames / self.watchers / self.seconds
        floor = f", {self.of_floor:.2f} of the C loop" if self.of_floor else ""
        return (
            f"{self.microseconds:.2f} µs a frame of {self.frame_bytes} bytes ({self.stream}, "
            f"{self.watchers:,} watchers, {each:.1f} each a second), "
            f"{self.per_cpu_second:,.0f} per CPU-second{floor}"
        )


async def measure(
    contender: Contender,
    *,
    watchers: int = WATCHERS,
    seconds: float = SECONDS,
    rate: float = BOARDS_PER_SECOND,
    events: bool = False,
) -> Deliveries:
    """Start it, fill it with watchers, count what they get. Raises `DoesNotCount`."""
    lasts = WARM_SECONDS + seconds + TAIL_SECONDS
    async with staged(contender) as stage:
        url = stage.stream(events=events)
        async with (
            watch(url, count=watchers, seconds=lasts * 2, on=stage.ours) as crowd,
            stage.posting(rate=rate, seconds=lasts),
        ):
            await asyncio.sleep(WARM_SECONDS)
            before, spent_before = await _reading(stage, crowd)
            await asyncio.sleep(seconds)
            after, spent = await _reading(stage, crowd)
        if after.ended:
            raise DoesNotCount(f"watchers were lost: {after.ended}")
    frames = after.frames - before.frames
    if not frames:
        raise DoesNotCount(f"no frame arrived in {seconds:g} s")
    frame_bytes = (after.bytes - before.bytes) // frames
    return Deliveries(
        contender.name,
        "SSE" if events else "WebSocket",
        watchers,
        seconds,
        frames,
        frame_bytes,
        spent - spent_before,
        after.cpu_seconds - before.cpu_seconds,
        await _floor(watchers, frame_bytes, rate),
    )


async def _reading(stage: Stage, crowd: Watching) -> tuple[Watched, float]:
    # In this order: what the crowd takes to answer is then on neither side.
    watched = await crowd.now()
    return watched, cpu.seconds(stage.notification)


async def _floor(watchers: int, frame_bytes: int, rate: float) -> float | None:
    try:
        sends = await fanout.measure(sockets=watchers, frame_bytes=frame_bytes, per_second=rate)
    except fanout.NoCompiler:
        return None
    return sends.microseconds
