"""A service whose broker is away ends when it is told to (K8): aiokafka alone would not."""

import asyncio
import signal
import time
from collections.abc import Mapping
from pathlib import Path

from libs.common.clock import system_clock
from libs.common.contracts.topics import LEADERBOARD_UPDATED
from libs.common.contracts.values import GLOBAL_BOARD
from libs.common.kafka import end_offsets
from libs.devstack.ports import HOST
from services.scoreboard.store.board import Keys, RedisBoard, open_redis
from services.scoreboard.usecases.rebuild import Rebuild
from tests import embedded
from tests.fakes import MemoryLedger
from tests.replicas import Replica
from tests.servers import mortal_kafka

# A supervisor kills after this (`libs.devstack.supervisor.STOP_SECONDS`).
STOP_SECONDS = 10
PATIENCE_SECONDS = 30
REGION = "trap"
# By then a heartbeat is in the producer's hands.
HEARTBEATS_SECONDS = 1.5


async def test_sigterm_ends_a_service_in_ten_seconds_while_kafka_is_away(
    redis_url: str, tmp_path: Path
) -> None:
    with mortal_kafka() as broker:
        nowhere = f"http://{HOST}:{embedded.free_port()}"
        environment = {
            "REDIS_URL": redis_url,
            "KAFKA_BOOTSTRAP_SERVERS": broker.address,
            "AUTH_URL": nowhere,
            "SCORE_URL": nowhere,
            "SCOREBOARD_URL": nowhere,
            "SERVICE_SECRET": "only-for-tests",
            "HEARTBEAT_SECONDS": "0.5",
            "REGION": REGION,
            "REPLICA": "one",
        }
        service = Replica("scoreboard", environment, tmp_path / "log")
        try:
            await service.ready()
            await build_board(redis_url)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not (await end_offsets(broker.address, LEADERBOARD_UPDATED.name))[0]:
                    await asyncio.sleep(0.1)
            broker.kill()
            await asyncio.sleep(HEARTBEATS_SECONDS)
            service.send(signal.SIGTERM)
            deadline = time.monotonic() + STOP_SECONDS
            while service.exit_code is None and time.monotonic() < deadline:
                await asyncio.sleep(0.05)
            assert service.exit_code is not None, service.log.read_text()
        finally:
            service.kill()
        broker.start()


class NoLog:
    """No broker answers."""

    async def ends(self) -> Mapping[int, int]:
        return {}


async def build_board(redis_url: str) -> None:
    """An empty board is enough to be announced."""
    redis = open_redis(redis_url)
    board = RedisBoard(redis, Keys(REGION, GLOBAL_BOARD))
    await Rebuild(board, MemoryLedger(), NoLog(), system_clock).run("missing", 0)
    await redis.aclose()
