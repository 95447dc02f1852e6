"""
The servers that tests talk to, from the wheels: `libs.devstack`'s own definitions.

On ephemeral ports in a temporary folder; they belong to the test session and end with it.
"""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from libs.devstack import homes
from libs.devstack import kafka as devstack_kafka
from libs.devstack import postgres as devstack_postgres
from libs.devstack import valkey as devstack_valkey
from libs.devstack.ports import HOST
from libs.devstack.programs import Program
from tests.servers import PASSWORD, run

READY_SECONDS = 30
RETRY_SECONDS = 0.05
STOP_SECONDS = 10
LOG_TAIL_CHARACTERS = 4000


@contextmanager
def postgres() -> Iterator[str]:
    """The administrator's URL."""
    with temporary_folder() as folder:
        home = homes.find(folder)
        devstack_postgres.prepare(home, PASSWORD)
        program = devstack_postgres.program(home, port=free_port(), password=PASSWORD)
        with _running(program, folder):
            yield program.url


@contextmanager
def valkey() -> Iterator[str]:
    """The URL."""
    with temporary_folder() as folder:
        program = devstack_valkey.program(folder / "valkey", port=free_port(), password=PASSWORD)
        with _running(program, folder):
            yield program.url


@contextmanager
def kafka() -> Iterator[str]:
    """The address of a broker."""
    with mortal_kafka() as broker:
        yield broker.address


class Broker:
    """A broker that may be killed, and comes back at the same address knowing nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._program = devstack_kafka.program(folder / "kafka", port=free_port())
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return self._program.url

    def start(self) -> None:
        self._process = _start(self._program, self._folder)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        assert self._process is not None
        _stop(self._program, self._process)


@contextmanager
def mortal_kafka() -> Iterator[Broker]:
    """A broker of one's own."""
    with temporary_folder() as folder:
        broker = Broker(folder)
        broker.start()
        try:
            yield broker
        finally:
            broker.stop()


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that PostgreSQL's unprivileged user may enter, deleted with what it held."""
    folder = Path(tempfile.mkdtemp(prefix="live-scoreboard-tests-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        homes.remove(folder)
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(program: Program, folder: Path) -> Iterator[None]:
    process = _start(program, folder)
    try:
        yield
    finally:
        _stop(program, process)


def _start(program: Program, folder: Path) -> subprocess.Popen[bytes]:
    log = folder / f"{program.name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(program.command, **program.options() | {"stdout": output})
    try:
        wait_until_ready(program, process, log)
    except BaseException:
        _stop(program, process)
        raise
    return process


def _stop(program: Program, process: subprocess.Popen[bytes]) -> None:
    process.send_signal(program.stop_signal)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until_ready(
    program: Program, process: subprocess.Popen[bytes], log: Path, *, seconds: float = READY_SECONDS
) -> None:
    """Raises `RuntimeError` with the log if it ends first, or takes longer than that."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return run(_ask(program))
        except Exception as error:
            if process.poll() is not None or time.monotonic() > deadline:
                tail = log.read_text("utf-8", "replace")[-LOG_TAIL_CHARACTERS:]
                raise RuntimeError(f"{program.name} is not ready:\n{tail}") from error
        time.sleep(RETRY_SECONDS)


async def _ask(program: Program) -> None:
    await program.ready()
