"""The ledger and the boards, in figures that can be compared."""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import aiohttp
import asyncpg

from tests import replicas
from tests.oracle import truth
from tests.proxy import FROZEN, BrokerProxy
from tests.replicas import Region, Replica

LEADERS = 100
PATIENCE_SECONDS = 120.0
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class State:
    """How many users, their sums, and who leads."""

    users: int
    points: int
    versions: int
    top: tuple[tuple[str, int], ...]


async def ledger(database: str) -> State:
    """What PostgreSQL holds."""
    connection = await asyncpg.connect(database)
    try:
        sums = await connection.fetchrow(
            "SELECT count(*), sum(score)::bigint, sum(version)::bigint FROM score.user_score"
        )
    finally:
        await connection.close()
    top = (await truth.totals(database)).shown[:LEADERS]
    return State(sums[0], sums[1] or 0, sums[2] or 0, tuple(top))


async def board(region: Region) -> State:
    """What the region's Redis holds."""
    async with region.board() as shown:
        epoch = await shown.current()
        digest = await shown.digest(epoch)
        top = tuple(await shown.leaders(epoch, LEADERS))
    return State(digest.users, digest.points, digest.versions, top)


async def seconds_until_equal(regions: Sequence[Region], database: str) -> float:
    """How long until all boards are the ledger; the whole patience, if one is not."""
    started = time.monotonic()
    while (passed := time.monotonic() - started) < PATIENCE_SECONDS:
        held = await ledger(database)
        if all([await board(region) == held for region in regions]):
            return passed
        await asyncio.sleep(POLL_SECONDS)
    return PATIENCE_SECONDS


async def cut_off(
    way: BrokerProxy, far: Region, database: str, *, after: float, seconds: float
) -> tuple[int, float]:
    """Cut a region off; the updates that came meanwhile, and the seconds in which it had them."""
    await asyncio.sleep(after)
    before = (await ledger(database)).versions
    way.requests = way.answers = FROZEN
    await asyncio.sleep(seconds)
    wanted = (await ledger(database)).versions
    await way.heal()
    restored = time.monotonic()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await board(far)).versions < wanted:
            await asyncio.sleep(POLL_SECONDS)
    return wanted - before, time.monotonic() - restored


def rebuilds(region: Region) -> Counter[str]:
    """Boards that were begun, by the reason that the replicas' logs give."""
    logs = {replica.log for replica in region.replicas}
    lines = [line for log in logs for line in log.read_text("utf-8", "replace").splitlines()]
    return Counter(json.loads(line)["reason"] for line in lines if "rebuild_started" in line)


async def audited(running: Iterable[Replica]) -> Counter[str]:
    """What replicas count after the next audit: `drift`, and their audits by result."""
    found: Counter[str] = Counter()
    await asyncio.sleep(2 * replicas.AUDIT_SECONDS + 1)
    async with aiohttp.ClientSession() as session:
        for replica in running:
            async with session.get(f"{replica.url}/metrics") as answer:
                text = await answer.text()
            for drift, result, value in re.findall(
                r'^scoreboard_(?:(drift)_users|audits_total\{result="(\w+)"\}) (\S+)', text, re.M
            ):
                found[drift or result] += int(float(value))
    return found
