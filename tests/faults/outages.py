"""A server held down while its files are exchanged, and PostgreSQL's base backups."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from libs.devstack import homes
from tests.stack import RunningStack

POLL_SECONDS = 0.05
DEATH_SECONDS = 20
BACKUP_SECONDS = 60
PROC = Path("/proc")
# There is no archive: recovery takes what the backup has, and begins a new timeline.
NO_ARCHIVE = "restore_command = 'false'\n"

Restore = Literal["new timeline", "same timeline"]


@asynccontextmanager
async def down(
    stack: RunningStack, name: str, number: signal.Signals = signal.SIGKILL
) -> AsyncIterator[None]:
    """
    While the block runs the process is dead; after it the supervisor starts it, and it is ready.

    Nobody starts it before, because the supervisor is held still meanwhile.
    """
    status = await asyncio.to_thread(stack.status)
    pid = next(int(p["pid"]) for p in status["processes"] if p["name"] == name)
    os.kill(status["pid"], signal.SIGSTOP)
    try:
        os.kill(pid, number)
        async with asyncio.timeout(DEATH_SECONDS):
            while not _ended(pid):
                await asyncio.sleep(POLL_SECONDS)
        yield
    finally:
        os.kill(status["pid"], signal.SIGCONT)
    await asyncio.to_thread(stack.wait_until_replaced, name, pid)


def replace(folder: Path, copy: Path) -> None:
    """Put a copy that was taken earlier in a folder's place."""
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)


class Backup:
    """A base backup of the stack's PostgreSQL, as pg_basebackup takes it from a running one."""

    def __init__(self, stack: RunningStack) -> None:
        self._home = homes.find(stack.data_dir)
        self._copy = self._home.cluster.with_name("backup")

    async def take(self, database_url: str) -> None:
        folder = self._home.own_folder(self._copy)
        program = self._home.binaries / "pg_basebackup"
        command: list[str | Path] = [
            program,
            "-d",
            database_url,
            "-D",
            folder,
            "--checkpoint=fast",
            "--no-sync",
        ]
        await asyncio.to_thread(self._run, command)

    def put_back(self, how: Restore) -> None:
        """
        Instead of the cluster, which is down.

        With a new timeline as an operator restores; with the same as somebody who copies files.
        """
        shutil.rmtree(self._home.cluster)
        self._copy.rename(self._home.cluster)
        if how == "new timeline":
            self._home.own_file(self._home.cluster / "recovery.signal", "")
            self._home.own_file(self._home.cluster / "postgresql.auto.conf", NO_ARCHIVE)

    def _run(self, command: Sequence[str | Path]) -> None:
        subprocess.run(
            command,
            check=True,
            timeout=BACKUP_SECONDS,
            env={"LC_ALL": "C"},
            cwd=self._copy.parent,
            **self._home.credentials,
        )


def _ended(pid: int) -> bool:
    """Gone, or waiting for its parent to notice."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
