"""
Apache Kafka 4 for a test: one node or several, each broker and controller (KRaft).

Three nodes keep every record three times and acknowledge it when two have it, as in production.
Ports and data stay a node's own while it is down.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient

from libs.common.kafka import ensure_topics
from libs.devstack.ports import HOST, is_free
from libs.devstack.probes import tcp_open
from tests import servers
from tests.embedded import temporary_folder
from tests.kafka import containers, installation
from tests.kafka.nodes import Node, ProcessNode
from tests.stack import FIRST_PORT, LAST_PORT

READY_SECONDS = 180
POLL_SECONDS = 0.1
ASK_MS = 2_000
# A node that is silent so long leads nothing any more. Kafka's default is 9 s.
NODE_SESSION_MS = 6_000
# The only node has nobody to take over, and after a crash waits so long for its own ghost.
ONLY_NODE_SESSION_MS = 3_000
NODE_HEARTBEAT_MS = 400

MakeNode = Callable[[Path, Path], Node]
"""From a folder of its own, and the file with its properties in it."""


class Cluster:
    """Nodes are numbered from 1."""

    def __init__(self, nodes: Sequence[Node], addresses: Sequence[str]) -> None:
        self._nodes = dict(enumerate(nodes, 1))
        self._addresses = dict(enumerate(addresses, 1))
        self._frozen: set[int] = set()

    @property
    def bootstrap(self) -> str:
        """What clients are given: the addresses of all nodes."""
        return ",".join(self._addresses.values())

    @property
    def pids(self) -> dict[int, int]:
        """The processes of those nodes that are not down."""
        return {number: node.pid for number, node in self._nodes.items() if node.pid is not None}

    def start(self, number: int) -> None:
        """Start a node and wait until it works. Blocks; in a coroutine `launch` and `ready`."""
        self.launch(number)
        servers.run(self.ready(number))

    def launch(self, number: int) -> None:
        """Start a node, and do not wait."""
        self._nodes[number].launch()

    async def ready(self, number: int) -> None:
        """Wait until a node knows of all the others that run; fail with its log if it does not."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            expected = self.pids.keys() - self._frozen
            try:
                if await _known_to(self._addresses[number]) >= expected >= {number}:
                    return
            except Exception as error:
                if number not in self.pids or time.monotonic() > deadline:
                    raise AssertionError(self._nodes[number].log) from error
            assert time.monotonic() < deadline, self._nodes[number].log
            await asyncio.sleep(POLL_SECONDS)

    def stop(self, number: int) -> None:
        """SIGTERM, and wait for its end."""
        self._nodes[number].stop()
        self._frozen.discard(number)

    def kill(self, number: int) -> None:
        """SIGKILL, and wait for its end."""
        self._nodes[number].kill()
        self._frozen.discard(number)

    def freeze(self, number: int) -> None:
        """SIGSTOP: its connections stay open, and nobody answers."""
        self._nodes[number].freeze()
        self._frozen.add(number)

    def thaw(self, number: int) -> None:
        """SIGCONT."""
        self._nodes[number].thaw()
        self._frozen.discard(number)

    def forget(self) -> None:
        """Delete all data; every node must be down."""
        assert not self.pids
        for node in self._nodes.values():
            node.format()

    def begin(self) -> None:
        """Start all nodes, on whatever data they have, and make the topics that are missing."""
        for number in self._nodes:
            self.launch(number)
        for number in self._nodes:
            servers.run(self.ready(number))
        servers.run(ensure_topics(self.bootstrap, replication=len(self._nodes)))

    def end(self) -> None:
        """Kill all: what they hold is of no use any more."""
        for node in self._nodes.values():
            node.kill()


@contextmanager
def cluster(nodes: int = 1) -> Iterator[Cluster]:
    """A cluster of one's own, with the product's topics. Raises `NoKafka`."""
    make = source()
    ports = _free_ports(2 * nodes)
    brokers, controllers = ports[:nodes], ports[nodes:]
    with temporary_folder() as folder:
        made = []
        for index in range(nodes):
            own = folder / f"node-{index + 1}"
            own.mkdir()
            file = own / "server.properties"
            file.write_text(properties(index + 1, brokers, controllers, own / "data"), "utf-8")
            made.append(make(own, file))
        running = Cluster(made, [f"{HOST}:{port}" for port in brokers])
        try:
            running.forget()
            running.begin()
            yield running
        finally:
            running.end()


def source() -> MakeNode:
    """What nodes are made of here. Raises `NoKafka`."""
    try:
        found = installation.find()
    except installation.NoKafka:
        if not servers.docker_answers():
            raise
        return containers.ContainerNode
    return lambda folder, file: ProcessNode(found, folder, file)


def properties(number: int, brokers: Sequence[int], controllers: Sequence[int], data: Path) -> str:
    """A node's configuration; ports by node."""
    size = len(brokers)
    broker, controller = brokers[number - 1], controllers[number - 1]
    voters = (f"{n}@{HOST}:{port}" for n, port in enumerate(controllers, 1))
    settings = {
        "process.roles": "broker,controller",
        "node.id": number,
        "controller.quorum.voters": ",".join(voters),
        "listeners": f"PLAINTEXT://{HOST}:{broker},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{broker}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": data,
        "auto.create.topics.enable": "false",
        "min.insync.replicas": max(1, size - 1),
        "offsets.topic.replication.factor": size,
        "offsets.topic.num.partitions": 4,
        "group.initial.rebalance.delay.ms": 0,
        "broker.session.timeout.ms": NODE_SESSION_MS if size > 1 else ONLY_NODE_SESSION_MS,
        "broker.heartbeat.interval.ms": NODE_HEARTBEAT_MS,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _free_ports(count: int) -> list[int]:
    """Below those that the kernel hands out: a node that is down must find its own again."""
    while True:
        ports = random.sample(range(FIRST_PORT, LAST_PORT), count)
        if all(map(is_free, ports)):
            return ports


async def _known_to(address: str) -> set[int]:
    """The numbers of the nodes that the one at this address believes to be alive."""
    host, _, port = address.partition(":")
    await tcp_open(host, int(port))  # aiokafka would write an error into the log
    admin = AIOKafkaAdminClient(bootstrap_servers=address, request_timeout_ms=ASK_MS)
    try:
        await admin.start()
        described = await admin.describe_cluster()
        return {broker["node_id"] for broker in described["brokers"]}
    finally:
        await admin.close()
