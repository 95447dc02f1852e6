"""
Resident memory of a process, as Linux accounts it: what the kernel holds for its sockets is not in.
"""

from pathlib import Path

_RESET_PEAK = "5"


def resident_bytes(pid: int) -> int:
    """Now."""
    return _field(pid, "VmRSS")


def peak_bytes(pid: int) -> int:
    """The most since its start, or since `reset_peak`."""
    return _field(pid, "VmHWM")


def reset_peak(pid: int) -> None:
    """Begin to watch for a new peak."""
    Path(f"/proc/{pid}/clear_refs").write_text(_RESET_PEAK, "utf-8")


def _field(pid: int, name: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    kilobytes = status.partition(f"{name}:")[2].split()[0]
    return int(kilobytes) * 1024
