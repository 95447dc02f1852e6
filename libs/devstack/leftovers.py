"""
Ends what a killed supervisor left behind.

On Linux the kernel has told the children already, and only their last moments are waited for. A
pid may belong to somebody else by now, so only a process with the recorded command is touched.
"""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from libs.devstack.state import ProcessState, StackState

GRACE_SECONDS = 10.0
POLL_SECONDS = 0.05
PS_SECONDS = 5
PROC = Path("/proc")


def end(state: StackState) -> list[str]:
    """Wait for the processes of a former stack, kill the stubborn; the names of those found."""
    found = [process for process in state.processes if _runs(process)]
    for process in found:
        _signal(process, signal.SIGINT)  # PostgreSQL's fast shutdown; the others end by it too
    deadline = time.monotonic() + GRACE_SECONDS
    alive = found
    while alive and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        alive = [process for process in alive if _runs(process)]
    for process in alive:
        _signal(process, signal.SIGKILL)
    return [process.name for process in found]


def _runs(process: ProcessState) -> bool:
    return process.pid is not None and _command(process.pid) == " ".join(process.command)


def _command(pid: int) -> str:
    """Its command line; empty if it has ended."""
    if (PROC / "self").exists():
        try:
            listed = (PROC / str(pid) / "cmdline").read_bytes()
        except OSError:
            return ""
        return listed.rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")
    asked = subprocess.run(  # noqa: S603
        ["/bin/ps", "-ww", "-p", str(pid), "-o", "command="],
        capture_output=True,
        text=True,
        timeout=PS_SECONDS,
        check=False,
    )
    return asked.stdout.rstrip("\n")


def _signal(process: ProcessState, number: signal.Signals) -> None:
    assert process.pid is not None
    with suppress(ProcessLookupError, PermissionError):
        os.kill(process.pid, number)
