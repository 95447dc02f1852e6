"""
One node of a cluster, as a container: where there is Docker, and no Java or no jars.

It shares the host's network, so that its ports are those of a process (Docker on Linux).
"""

from pathlib import Path
from typing import Any

from testcontainers.core.container import DockerContainer

from tests.kafka.installation import release
from tests.kafka.nodes import CLUSTER_ID, HEAP_MB, LOG_TAIL_CHARACTERS, STOP_SECONDS

RUN = "/opt/kafka/bin/kafka-run-class.sh"


class ContainerNode:
    """A container of the release that would be fetched."""

    def __init__(self, folder: Path, properties: Path) -> None:
        self._folder = folder
        self._properties = str(properties)
        self._container: DockerContainer | None = None

    @property
    def pid(self) -> int | None:
        if self._container is None:
            return None
        docker = self._docker
        docker.reload()
        return docker.attrs["State"]["Pid"] or None

    @property
    def log(self) -> str:
        return str(self._docker.logs().decode("utf-8", "replace"))[-LOG_TAIL_CHARACTERS:]

    def format(self) -> None:
        wipe = f"rm -rf {self._folder}/data"
        tool = f"{RUN} kafka.tools.StorageTool format -t {CLUSTER_ID} -c {self._properties}"
        with self._of(["sh", "-c", f"{wipe} && {tool}"]) as once:
            code = once.get_wrapped_container().wait(timeout=STOP_SECONDS)["StatusCode"]
        assert code == 0

    def launch(self) -> None:
        if self._container is None:
            self._container = self._of([RUN, "kafka.Kafka", self._properties])
            self._container.start()
        else:
            self._docker.start()

    def stop(self) -> None:
        self._docker.stop(timeout=STOP_SECONDS)

    def kill(self) -> None:
        if self.pid is not None:
            self._docker.kill()
            self._docker.wait()

    def freeze(self) -> None:
        self._docker.pause()

    def thaw(self) -> None:
        self._docker.unpause()

    @property
    def _docker(self) -> Any:
        assert self._container is not None
        return self._container.get_wrapped_container()

    def _of(self, command: list[str]) -> DockerContainer:
        folder = str(self._folder)
        return DockerContainer(
            f"apache/kafka:{release()}",
            command=command,
            env={"KAFKA_HEAP_OPTS": f"-Xms{HEAP_MB}m -Xmx{HEAP_MB}m"},
            volumes=[(folder, folder, "rw")],
            entrypoint="",
            network_mode="host",
            user="root",
        )
