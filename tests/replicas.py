"""
Regions beside a running stack: more scoreboards and notifications, each a process of its own.

They are what `live-scoreboard up` starts, with a shorter patience of the group: a test has no time
to wait 15 s until a member that is gone counts as gone. Run as a program this file is such a
process.
"""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import uvicorn

from libs.common.contracts.boards import LeaderboardUpdated
from libs.common.contracts.topics import LEADERBOARD_UPDATED
from libs.common.contracts.values import GLOBAL_BOARD
from libs.common.kafka import BroadcastReader, readers
from libs.common.tasks import background
from libs.devstack import credentials
from libs.devstack.ports import HOST
from libs.devstack.probes import http_ok
from libs.devstack.programs import bind_to_parent
from libs.devstack.settings import inherited
from services.scoreboard.store.board import Keys, RedisBoard, open_redis
from services.scoreboard.usecases.audit import Audit
from tests import embedded
from tests.stack import RunningStack

# The least that Kafka allows (group.min.session.timeout.ms).
SESSION_MS = 6_000
HEARTBEAT_MS = 1_000
READY_SECONDS = 60
STOP_SECONDS = 20
POLL_SECONDS = 0.1
AUDIT_SECONDS = 2
LOG_TAIL_CHARACTERS = 4000
WITHOUT_AUDIT = "without-audit"

Announced = dict[tuple[int, int], set[str]]
"""The top tens that were named, by (epoch, rev)."""


class Replica:
    """A process that may be stopped, killed, or held still."""

    def __init__(
        self, service: str, environment: Mapping[str, str], log: Path, *options: str
    ) -> None:
        port = embedded.free_port()
        self.url = f"http://{HOST}:{port}"
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.replicas", service, str(port), *options],
                cwd=Path(__file__).parents[1],
                env={**inherited(), **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=bind_to_parent(signal.SIGKILL),
            )

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    async def ready(self) -> None:
        """Wait until it answers; fail with its log if it does not."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                return await http_ok(f"{self.url}/readyz")
            except Exception as error:
                if self.exit_code is not None or time.monotonic() > deadline:
                    tail = self.log.read_text("utf-8", "replace")[-LOG_TAIL_CHARACTERS:]
                    raise AssertionError(f"{self.url} is not ready:\n{tail}") from error
            await asyncio.sleep(POLL_SECONDS)

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """As a supervisor does: SIGTERM, and SIGKILL when that takes too long."""
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()


class Region:
    """
    A region on the stack's ledger and broker, with a Redis of its own.

    Not `audited`, it has nothing but the log to become equal to the ledger.
    """

    def __init__(
        self, stack: RunningStack, name: str, redis_url: str, folder: Path, *, kafka: str = ""
    ) -> None:
        urls = stack.urls
        self.name = name
        self.audited = True
        self._redis_url = redis_url
        self._folder = folder
        self._secrets = credentials.load(stack.data_dir)
        self._environment = {
            "REGION": name,
            "REDIS_URL": redis_url,
            "KAFKA_BOOTSTRAP_SERVERS": kafka or urls["kafka"],
            "AUTH_URL": urls["auth"],
            "SCORE_URL": urls["score"],
            "SCOREBOARD_URL": urls["scoreboard"],
            "AUDIT_SECONDS": str(AUDIT_SECONDS),
            "ALLOWED_ORIGINS": json.dumps([urls["gateway"]]),
        }
        self.replicas: list[Replica] = []

    def start(self, replica: str, service: str = "scoreboard", **environment: str) -> Replica:
        """Start one more process, `replica` being its stable name."""
        own = {"REPLICA": replica, "SERVICE_SECRET": self._secrets[f"client_{service}"]}
        log = self._folder / f"{self.name}-{service}-{replica}.log"
        options = () if self.audited else (WITHOUT_AUDIT,)
        started = Replica(service, {**self._environment, **own, **environment}, log, *options)
        self.replicas.append(started)
        return started

    @asynccontextmanager
    async def board(self) -> AsyncIterator[RedisBoard]:
        """The region's board, as its Redis holds it."""
        redis = open_redis(self._redis_url)
        try:
            yield RedisBoard(redis, Keys(self.name, GLOBAL_BOARD))
        finally:
            await redis.aclose()

    async def keys(self) -> set[str]:
        """Everything that the region's Redis holds of the board."""
        redis = open_redis(self._redis_url)
        try:
            return {
                key async for key in redis.scan_iter(f"{Keys(self.name, GLOBAL_BOARD).prefix}*")
            }
        finally:
            await redis.aclose()

    def close(self) -> None:
        for replica in self.replicas:
            if replica.exit_code is None:
                replica.kill()


@contextmanager
def region(stack: RunningStack, name: str, *, kafka: str = "") -> Iterator[Region]:
    """A region with its own Valkey, that ends with the block."""
    with embedded.temporary_folder() as folder, embedded.valkey() as redis_url:
        region = Region(stack, name, redis_url, folder, kafka=kafka)
        try:
            yield region
        finally:
            region.close()


@asynccontextmanager
async def listening(bootstrap: str, region: str) -> AsyncIterator[Announced]:
    """Everything that is announced of a region while the block runs."""
    heard: Announced = {}
    reader = BroadcastReader(bootstrap, LEADERBOARD_UPDATED.name, client_id="test")
    await reader.open(partitions=LEADERBOARD_UPDATED.partitions)

    async def listen() -> None:
        while True:
            for message in await reader.read(max_records=500, timeout_ms=200):
                said = LeaderboardUpdated.model_validate_json(message.value or b"")
                if said.region == region:
                    heard.setdefault(said.position, set()).add(repr(said.top_10))

    try:
        async with background(listen(), name="listener"):
            yield heard
    finally:
        await reader.close()


async def _never(self: Audit) -> None:
    await asyncio.Event().wait()


def main() -> None:
    service, port, *options = sys.argv[1:]
    if WITHOUT_AUDIT in options:
        Audit.run = _never  # type: ignore[method-assign]
    readers.SESSION_TIMEOUT_MS = SESSION_MS
    readers.HEARTBEAT_MS = HEARTBEAT_MS
    uvicorn.run(
        f"services.{service}.main:app",
        host=HOST,
        port=int(port),
        access_log=False,
        log_level="warning",
        ws_max_size=4096,
        ws_per_message_deflate=False,
    )


if __name__ == "__main__":
    main()
