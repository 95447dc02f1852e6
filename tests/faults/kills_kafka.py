"""
Kills on real Apache Kafka: three nodes, each record on all of them, acknowledged by two.

A node that was killed is started again at once, as the supervisor does with everything else.
"""

from collections.abc import Sequence
from random import Random, getrandbits

from aiokafka.admin import AIOKafkaAdminClient
from rich.console import Console

from libs.common.contracts.topics import LEADERBOARD_UPDATED
from tests.embedded import temporary_folder
from tests.faults.arming import Armory
from tests.faults.kill_rows import rows
from tests.faults.kills import ENVIRONMENT, Campaign
from tests.faults.report import Row
from tests.faults.victims import Death, Victims, Ways
from tests.kafka.cluster import Cluster, cluster
from tests.kafka.installation import NoKafka, fetch
from tests.servers import docker_answers
from tests.stack import RunningStack, running_stack

ABOUT = "the same on Apache Kafka: three nodes, of which one is killed, also the leader"
COUNT = 100

NODES = 3
BROKER = "kafka"
LEADER = "kafka, the leader"


class VictimsWithNodes(Victims):
    """The processes of a stack, and the nodes of its Kafka."""

    def __init__(self, stack: RunningStack, armory: Armory, nodes: Cluster, chance: Random) -> None:
        super().__init__(stack, armory)
        self._nodes = nodes
        self._chance = chance

    @property
    def ways(self) -> Ways:
        return {**super().ways, BROKER: [BROKER, LEADER]}

    async def kill(self, way: str) -> Sequence[Death]:
        if way == LEADER:
            return [self._kill_node(await _leader(self._nodes.bootstrap))]
        return await super().kill(way)

    def kill_now(self, process: str) -> Death:
        if process == BROKER:
            return self._kill_node(self._chance.choice(sorted(self._nodes.pids)))
        return super().kill_now(process)

    async def replaced(self, death: Death) -> None:
        if death.process.startswith(BROKER):
            node = int(death.process.removeprefix(f"{BROKER}-"))
            self._nodes.launch(node)
            await self._nodes.ready(node)
        else:
            await super().replaced(death)

    def _kill_node(self, node: int) -> Death:
        pid = self._nodes.pids[node]
        self._nodes.kill(node)
        return Death(f"{BROKER}-{node}", pid)


async def run(count: int, console: Console) -> list[Row]:
    """Fetches Kafka once. Nothing is run where there is no way to it: no Docker, Java or Maven."""
    chance = Random(getrandbits(32))
    try:
        if not docker_answers():
            fetch()
        with cluster(NODES) as nodes, temporary_folder() as folder:
            armory = Armory(folder)
            environment = {
                **ENVIRONMENT,
                **armory.environment,
                "KAFKA_BOOTSTRAP_SERVERS": nodes.bootstrap,
                "TOPIC_REPLICATION": str(NODES),
            }
            with running_stack(environment) as stack:
                victims = VictimsWithNodes(stack, armory, nodes, chance)
                chapters = await Campaign(stack, victims, chance, console).run(count)
    except NoKafka as reason:
        console.print(f"skipped: {reason}", soft_wrap=True)
        return []
    return rows(chapters, "kills on Kafka")


async def _leader(bootstrap: str) -> int:
    """The node that leads the partition on which every screen depends."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        (topic,) = await admin.describe_topics([LEADERBOARD_UPDATED.name])
        return int(topic["partitions"][0]["leader"])
    finally:
        await admin.close()
