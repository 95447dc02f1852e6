"""The machine that is measured on: whose core is whose, and what else took time (Linux)."""

import os
import platform
import tempfile
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench import cpu

SYNCED_BYTES = 8192
SYNCS = 200

_STEAL = 8


def cores() -> list[int]:
    """Those that this process may use."""
    return sorted(os.sched_getaffinity(0))


def split(cores: list[int]) -> tuple[list[int], list[int]]:
    """Cores for the generator, and for what it measures; the same where there is only one."""
    return (cores[-1:], cores[:-1]) if len(cores) > 1 else (cores, cores)


def pin(pids: Iterable[int], to: Collection[int]) -> None:
    """Keep processes, their threads and their children on some cores; what they start inherits."""
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), to)
            pin(cpu.children(pid), to)


def stolen() -> tuple[int, int]:
    """Ticks that the hypervisor gave to others, and all ticks, since the machine started."""
    ticks = [int(n) for n in Path("/proc/stat").read_text("utf-8").splitlines()[0].split()[1:]]
    return ticks[_STEAL - 1], sum(ticks)


def sync_microseconds(folder: str | None = None) -> float:
    """What it takes here until 8 kB are on disk: the mean of 200 fdatasyncs, one after another."""
    with tempfile.TemporaryFile(dir=folder) as file:
        started = time.perf_counter()
        for _ in range(SYNCS):
            file.write(bytes(SYNCED_BYTES))
            file.flush()
            os.fdatasync(file.fileno())
        return (time.perf_counter() - started) / SYNCS * 1e6


def description() -> dict[str, Any]:
    """What the figures of a campaign hold for."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    models = {line.partition(":")[2].strip() for line in lines if line.startswith("model name")}
    return {
        "cores": cores(),
        "processor": sorted(models),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }
