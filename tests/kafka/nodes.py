"""
One node of a cluster, as a process of this machine: it may be killed, frozen and started again.

Its data stay where they are meanwhile. Killing pytest, even by SIGKILL, ends it on Linux.
"""

import shutil
import signal
import subprocess
from pathlib import Path
from typing import Protocol

from libs.devstack.programs import bind_to_parent
from tests.kafka.installation import Installation

HEAP_MB = 256
FORMAT_SECONDS = 60
STOP_SECONDS = 30
LOG_TAIL_CHARACTERS = 4000
# Kafka wants 16 bytes in base64; all our clusters may have the same, their ports differ.
CLUSTER_ID = "bGl2ZS1zY29yZWJvYXJkIQ"


class Node(Protocol):
    """A broker that is a controller, too."""

    @property
    def pid(self) -> int | None:
        """Its process on this machine; None while it is down."""
        ...

    @property
    def log(self) -> str:
        """The end of what it wrote."""
        ...

    def format(self) -> None:
        """Make its data folder; whatever was in it is gone."""
        ...

    def launch(self) -> None:
        """Start it, and do not wait until it works."""
        ...

    def stop(self) -> None:
        """SIGTERM: it hands over what it leads, and writes everything to disk."""
        ...

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        ...

    def freeze(self) -> None:
        """SIGSTOP: its connections stay open, and nobody answers."""
        ...

    def thaw(self) -> None: ...


class ProcessNode:
    """A Java process."""

    def __init__(self, installation: Installation, folder: Path, properties: Path) -> None:
        self._installation = installation
        self._data = folder / "data"
        self._properties = properties
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if self._process is not None and running else None

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8", "replace")[-LOG_TAIL_CHARACTERS:]

    def format(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        arguments = ("format", "-t", CLUSTER_ID, "-c", str(self._properties))
        subprocess.run(
            self._installation.command("kafka.tools.StorageTool", *arguments, heap_mb=HEAP_MB),
            capture_output=True,
            timeout=FORMAT_SECONDS,
            check=True,
        )

    def launch(self) -> None:
        assert self.pid is None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._installation.command("kafka.Kafka", str(self._properties), heap_mb=HEAP_MB),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=bind_to_parent(signal.SIGKILL),
            )

    def stop(self) -> None:
        if self._process is None:
            return
        self.thaw()
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
