"""
A program that the supervisor keeps running, and how it becomes a child that cannot be orphaned.

On Linux the kernel signals the child when its parent dies, even by SIGKILL (prctl(2),
PR_SET_PDEATHSIG). Elsewhere the next start ends what was left (`leftovers`).
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None

Probe = Callable[[], Awaitable[object]]
"""Raises while the program is not ready."""


@dataclass(frozen=True)
class Program:
    """
    One process of the stack, started when all of `after` are ready.

    `ready` is asked after each start, so it may also put right what a restart lost.
    `death_signal` is what the kernel sends when the supervisor is gone: SIGKILL, or a gentler one
    for a program that needs it and is known to end by it. What a `quiet` program writes goes to its
    log file only; lines with `noise` go nowhere.
    """

    name: str
    command: tuple[str, ...]
    ready: Probe
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    user: int | None = None
    port: int | None = None
    url: str = ""
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    quiet: bool = False
    noise: str = ""

    def options(self) -> dict[str, Any]:
        """Keyword arguments for `subprocess.Popen`: output merged, own session, bound to us."""
        options: dict[str, Any] = {
            "cwd": self.directory,
            "env": dict(self.environment),
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "start_new_session": True,  # Ctrl-C is for the supervisor, which stops us in order
            "preexec_fn": bind_to_parent(self.death_signal),
        }
        if self.user is not None:
            options |= {"user": self.user, "group": self.user, "extra_groups": []}
        return options


def bind_to_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    """
    A `preexec_fn`: the child gets the signal when the thread that started it is gone.

    `subprocess` calls it after the change of user, which would have cleared the setting.
    """
    if _libc is None:
        return None
    libc, parent = _libc, os.getpid()

    def bind() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:  # it died before we asked
            os.kill(os.getpid(), signal.SIGKILL)

    return bind
