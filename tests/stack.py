"""
The whole embedded stack for a test: `live-scoreboard up` in a temporary folder, on free ports.

Killing pytest, even by SIGKILL, ends it on Linux.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from libs.devstack import homes, status
from libs.devstack.errors import StackError
from libs.devstack.ports import is_free
from libs.devstack.programs import bind_to_parent
from libs.devstack.stack import PORT_OFFSETS
from tests import servers
from tests.embedded import temporary_folder

READY_SECONDS = 120
STOP_SECONDS = 15
COMMAND_SECONDS = 30
POLL_SECONDS = 0.2
# Below the range from which the kernel hands out ephemeral ports.
FIRST_PORT, LAST_PORT = 20_000, 32_000
LOG_TAIL_CHARACTERS = 8000
UNLIMITED = {"RATE_LIMIT_PER_SECOND": "100000", "RATE_LIMIT_BURST": "100000"}
EXTERNAL = ("DATABASE_URL", "REDIS_URL", "KAFKA_BOOTSTRAP_SERVERS")


class RunningStack:
    """
    One stack on one data folder. May be stopped, killed and started again.

    `folder` must be enterable by others (mode o+x), or PostgreSQL's data go elsewhere.
    """

    module = "libs.devstack"
    """The command line that is run, as `python -m` finds it."""

    def __init__(self, folder: Path, *, arguments: Sequence[str] = ("--no-demo",)) -> None:
        self.data_dir = folder / "data"
        self.port_base = free_base()
        self._arguments = arguments
        self._log = folder / "up.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, env: Mapping[str, str] | None = None) -> None:
        """Return when every process is ready."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command("up", "--port-base", str(self.port_base), *self._arguments),
                env=_environment(env or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=bind_to_parent(signal.SIGTERM),
            )
        self.wait_until(lambda now: all(p["health"] == "ok" for p in now["processes"]))

    def stop(self) -> int:
        """Ask it to stop, as Ctrl-C does; its exit code."""
        return self._end(signal.SIGINT)

    def crash(self) -> None:
        """Kill the supervisor; the kernel ends the others."""
        self._end(signal.SIGKILL)

    @property
    def urls(self) -> dict[str, str]:
        """By name: gateway, auth, score, scoreboard, notification, postgres, valkey, kafka."""
        urls: dict[str, str] = self.status()["urls"]
        return urls

    @property
    def output(self) -> str:
        """Everything that the terminal would have shown."""
        return self._log.read_text("utf-8", "replace")

    def status(self) -> dict[str, Any]:
        """What `status --json` prints. Raises `StackError` if nothing runs."""
        return servers.run(status.status(self.data_dir))

    def process(self, name: str) -> dict[str, Any]:
        """One process of `status`."""
        return next(p for p in self.status()["processes"] if p["name"] == name)

    def pid(self, name: str) -> int:
        """The process's id now; it changes when the process is restarted."""
        return int(self.process(name)["pid"])

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to the named process; its id."""
        pid = self.pid(name)
        os.kill(pid, number)
        return pid

    def wait_until_replaced(self, name: str, pid: int) -> int:
        """The new process's id, when it is ready."""

        def replaced(now: dict[str, Any]) -> bool:
            process = next(p for p in now["processes"] if p["name"] == name)
            return process["state"] == "ready" and process["pid"] not in (None, pid)

        self.wait_until(replaced)
        return self.pid(name)

    def wait_until(self, holds: Callable[[dict[str, Any]], bool]) -> None:
        """Wait for a condition on `status`; fail with the log's end if it does not come."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            with suppress(StackError):
                if holds(self.status()):
                    return
            if self._process is None or self._process.poll() is not None:
                break
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"the stack did not get there:\n{self.output[-LOG_TAIL_CHARACTERS:]}")

    def token(
        self, user: str, roles: Sequence[str] = ("player",), *, ttl_seconds: int = 900
    ) -> str:
        """An access token for any user."""
        asked = ["--user", user, "--ttl", str(ttl_seconds)]
        for role in roles:
            asked += ["--role", role]
        answer = self.run("token", *asked)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.strip()

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `live-scoreboard <command>` on this data folder."""
        return subprocess.run(
            self._command(command, *arguments),
            env=_environment({}),
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", self.module, *words, "--data-dir", str(self.data_dir)]

    def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


@contextmanager
def running_stack(env: Mapping[str, str] | None = None) -> Iterator[RunningStack]:
    """A stack of one's own in a temporary folder."""
    with temporary_folder() as folder:
        stack = RunningStack(folder)
        stack.start(env=env)
        try:
            yield stack
        finally:
            stack.stop()
            homes.remove(stack.data_dir)


def free_base() -> int:
    """A port base from which on all the ports that a stack wants are free."""
    while True:
        base = random.randrange(FIRST_PORT, LAST_PORT, 20)
        if all(is_free(base + offset) for offset in PORT_OFFSETS.values()):
            return base


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Ours, without what would make the stack use other people's servers."""
    ours = {k: v for k, v in os.environ.items() if k not in EXTERNAL}  # noqa: TID251
    return {**ours, "PYTHONPATH": str(Path(__file__).parents[1]), **extra}
