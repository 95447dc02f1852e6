"""What sends alone cost: builds and runs `fanout.c`, where there is a C compiler."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import machine
from bench.contender import DoesNotCount

SOURCE = Path(__file__).with_suffix(".c")
BUILD_SECONDS = 60
START_SECONDS = 60
SLOWEST_SEND_SECONDS = 0.001

FRAME_BYTES = 800
ROUNDS = 40
ROUNDS_PER_SECOND = 10.0


class NoCompiler(DoesNotCount):
    """There is no `cc` here."""


@dataclass(frozen=True)
class Sends:
    """CPU time of one send to each of so many sockets."""

    sockets: int
    frame_bytes: int
    microseconds: float
    contender: str = "floor"

    def figures(self) -> dict[str, Any]:
        """All of it, for a file."""
        return {
            "watchers": self.sockets,
            "frame_bytes": self.frame_bytes,
            "microseconds": self.microseconds,
            "per_cpu_second": 1e6 / self.microseconds,
        }

    def __str__(self) -> str:
        return f"{self.microseconds:.2f} µs a send of {self.frame_bytes} bytes to {self.sockets:,}"


async def measure(
    *,
    sockets: int,
    frame_bytes: int = FRAME_BYTES,
    rounds: int = ROUNDS,
    per_second: float = ROUNDS_PER_SECOND,
) -> Sends:
    """
    Send a frame to each socket, so many rounds, so many a second.

    The sender has the core of the contenders, and who reads that of the generator. Raises
    `NoCompiler`.
    """
    ours, theirs = machine.split(machine.cores())
    sizes = (sockets, frame_bytes, rounds, per_second, ours[-1])
    limit = START_SECONDS + rounds * max(1 / per_second, sockets * SLOWEST_SEND_SECONDS)
    printed = await asyncio.to_thread(_run, [str(size) for size in sizes], theirs[0], limit)
    return Sends(sockets, frame_bytes, float(printed))


def _run(arguments: list[str], core: int, seconds: float) -> str:
    """What the program prints, if it ends in time."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise NoCompiler("no C compiler was found; install one to measure the floor")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "fanout")
        build = [compiler, "-O2", "-o", str(program), str(SOURCE)]
        subprocess.run(build, check=True, timeout=BUILD_SECONDS)
        ran = subprocess.run(
            [str(program), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
    return ran.stdout
