"""CPU-seconds of processes, their children included, as the kernel accounts them (Linux)."""

import os
from collections.abc import Mapping
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def seconds(pid: int) -> float:
    """User and system time of a process and of everything below it; 0 if it is gone."""
    return _own(pid) + sum(seconds(child) for child in children(pid))


def by_name(pids: Mapping[str, int]) -> dict[str, float]:
    """CPU-seconds of each named process."""
    return {name: seconds(pid) for name, pid in pids.items()}


def children(pid: int) -> list[int]:
    """Those that a process started and that still run."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(child) for child in text.split()]


def _own(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    # Its own, and those of children that have ended: PostgreSQL has a process per connection.
    return sum(map(int, fields[11:15])) / _TICKS
