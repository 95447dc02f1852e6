"""
What runs, written by the supervisor for `status`, `token` and tests.

The lock, not the file, says whether a stack runs: the kernel frees it however the holder dies.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ValidationError

from libs.devstack.credentials import write_private
from libs.devstack.errors import StackError

FILE = "state.json"
LOCK = "lock"


class ProcessState(BaseModel):
    """One process; `pid` is None between an end and the next start."""

    name: str
    pid: int | None
    port: int | None
    url: str
    state: str
    restarts: int
    command: list[str]


class StackState(BaseModel):
    """A running stack; `urls` has the servers' too, with their passwords."""

    pid: int
    started_at: datetime
    page: str
    urls: dict[str, str]
    processes: list[ProcessState]


def write(data_dir: Path, state: StackState) -> None:
    """Replace the file in one step."""
    write_private(data_dir / FILE, state.model_dump_json(indent=1))


def read(data_dir: Path) -> StackState | None:
    """What was last written; None if nothing readable was."""
    try:
        return StackState.model_validate_json((data_dir / FILE).read_text("utf-8"))
    except (FileNotFoundError, ValidationError):
        return None


@contextmanager
def hold(data_dir: Path) -> Iterator[None]:
    """Be the only stack on this data folder. Raises `StackError` if there is one already."""
    with (data_dir / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(_already(read(data_dir), data_dir)) from None
        yield


def running(data_dir: Path) -> StackState:
    """The stack that runs on this data folder. Raises `StackError` if none does."""
    state = read(data_dir)
    if (data_dir / LOCK).exists() and state is not None:
        with (data_dir / LOCK).open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return state
    raise StackError(f"nothing runs on {data_dir}: start it with `live-scoreboard up`")


def _already(state: StackState | None, data_dir: Path) -> str:
    if state is None:
        return f"a stack on {data_dir} is just starting"
    return f"already running on {data_dir} (pid {state.pid}): {state.page}"
