"""What servers can lose, each as a function that has it lost and says what it saw."""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from socket import gethostname
from tempfile import TemporaryDirectory

import asyncpg
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from redis.asyncio import Redis

from libs.common.contracts.topics import SCORE_UPDATES, TOPICS
from libs.common.kafka import EMBEDDED_CONFIG, ensure_topics
from libs.devstack import provision
from tests.faults.outages import down, replace
from tests.faults.restores import restore
from tests.oracle.trial import Trial
from tests.oracle.truth import REGION
from tests.stack import RunningStack

OLDER_SECONDS = 2.0
FULL_SECONDS = 4.0
# Less than an empty Valkey needs.
NO_MEMORY_BYTES = 1

Lose = Callable[[RunningStack, Trial], Awaitable[str]]
"""Returns when the servers answer again; what was seen, for people to read."""


async def valkey_emptied(_: RunningStack, work: Trial) -> str:
    async with _valkey(work) as redis:
        await redis.flushall()
    return ""


async def valkey_put_back(stack: RunningStack, _: Trial) -> str:
    folder = stack.data_dir / "valkey"
    with TemporaryDirectory() as place:
        copy = shutil.copytree(folder, Path(place) / "valkey")
        await asyncio.sleep(OLDER_SECONDS)
        async with down(stack, "valkey"):
            replace(folder, copy)
    return ""


async def valkey_full(_: RunningStack, work: Trial) -> str:
    async with _valkey(work) as redis:
        await redis.config_set("maxmemory", NO_MEMORY_BYTES)
        await asyncio.sleep(FULL_SECONDS)
        await redis.config_set("maxmemory", 0)
    return ""


async def broker_wiped(stack: RunningStack, _: Trial) -> str:
    """The embedded broker forgets everything when it is killed."""
    async with down(stack, "kafka"):
        pass
    return ""


async def broker_put_back(stack: RunningStack, _: Trial) -> str:
    """The tail of the log is gone, and the next records get the offsets of those that were lost."""
    folder = stack.data_dir / "kafka"
    with TemporaryDirectory() as place:
        async with down(stack, "kafka", signal.SIGTERM):  # a clean stop saves its log
            copy = shutil.copytree(folder, Path(place) / "kafka")
        await asyncio.sleep(OLDER_SECONDS)
        async with down(stack, "kafka"):
            replace(folder, copy)
    return ""


async def topics_deleted(_: RunningStack, work: Trial) -> str:
    """And made anew, while the broker lives; a client may be first, and make one by its defaults"""
    admin = AIOKafkaAdminClient(bootstrap_servers=work.places.kafka)
    await admin.start()
    try:
        await admin.delete_topics([topic.name for topic in TOPICS])
    finally:
        await admin.close()
    await ensure_topics(work.places.kafka, replication=1, extra=EMBEDDED_CONFIG)
    return ""


async def group_put_back(stack: RunningStack, work: Trial) -> str:
    """The group's offsets say that nothing was read, when the scoreboard comes back from death."""
    member = f"scoreboard-{REGION}-{gethostname()}"
    # In the dead one's name: others may not commit for a group that has members.
    group = AIOKafkaConsumer(
        SCORE_UPDATES.name,
        bootstrap_servers=work.places.kafka,
        group_id=f"scoreboard-{REGION}",
        group_instance_id=member,
        enable_auto_commit=False,
    )
    async with down(stack, "scoreboard"):
        await group.start()
        try:
            await group.getmany(timeout_ms=0)
            await group.commit(dict.fromkeys(group.assignment(), 0))
        finally:
            await group.stop()
    return ""


async def ledger_put_back(stack: RunningStack, work: Trial) -> str:
    return await restore(stack, work, "new timeline")


async def ledger_files_put_back(stack: RunningStack, work: Trial) -> str:
    return await restore(stack, work, "same timeline")


async def ledger_put_back_valkey_emptied(stack: RunningStack, work: Trial) -> str:
    return await restore(stack, work, "new timeline", valkey_emptied(stack, work))


async def ledger_without_connections(_: RunningStack, work: Trial) -> str:
    """Every connection of the services' is cut, and for some seconds they get no other."""
    connection = await asyncpg.connect(work.places.postgres)
    roles = [provision.AUTH.role, provision.SCORE.role]
    try:
        for role in roles:
            await connection.execute(f"ALTER ROLE {role} CONNECTION LIMIT 0")
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ANY($1)", roles
        )
        await asyncio.sleep(FULL_SECONDS)
    finally:
        for role in roles:
            await connection.execute(f"ALTER ROLE {role} CONNECTION LIMIT -1")
        await connection.close()
    return ""


LOSSES: Mapping[str, Lose] = {
    "FLUSHALL": valkey_emptied,
    "Valkey put back to an older copy": valkey_put_back,
    "Valkey without memory for 4 s": valkey_full,
    "broker wiped": broker_wiped,
    "broker put back to an older copy": broker_put_back,
    "topics deleted and made anew": topics_deleted,
    "the group's offsets set to 0": group_put_back,
    "PostgreSQL recovered from a base backup": ledger_put_back,
    "PostgreSQL put back as copied files": ledger_files_put_back,
    "PostgreSQL recovered, Valkey emptied": ledger_put_back_valkey_emptied,
    "PostgreSQL without connections for 4 s": ledger_without_connections,
}


@asynccontextmanager
async def _valkey(work: Trial) -> AsyncIterator[Redis]:
    redis = Redis.from_url(work.places.valkey)
    try:
        yield redis
    finally:
        await redis.aclose()
