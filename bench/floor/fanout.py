"""Builds and runs `fanout.c`, where there is a C compiler."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Collection
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")
BUILD_SECONDS = 60
RUN_SECONDS = 120


class NoCompiler(Exception):
    """There is no `cc` here."""


def microseconds_per_send(
    sockets: int, *, frame_bytes: int, rounds: int, on: Collection[int]
) -> float:
    """CPU time of one send to each of so many sockets. Raises `NoCompiler`."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise NoCompiler("no C compiler was found; install one to measure the floor")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "fanout")
        build = [compiler, "-O2", "-o", str(program), str(SOURCE)]
        subprocess.run(build, check=True, timeout=BUILD_SECONDS)
        ran = subprocess.run(
            [str(program), str(sockets), str(frame_bytes), str(rounds)],
            capture_output=True,
            text=True,
            check=True,
            timeout=RUN_SECONDS,
            preexec_fn=lambda: os.sched_setaffinity(0, on),
        )
    return float(ran.stdout)
