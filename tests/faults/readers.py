"""
Slow and stuck readers among many: nobody else waits for them, and nothing is kept for them.

A board that changes at a steady rate is watched twice, by readers that all keep up, and with some
that read slowly or not at all. The stuck must be dropped in time, the slow be shown the newest.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from time import monotonic

import aiohttp
from rich.console import Console

from tests.faults import vitals
from tests.faults.crowd import EVENTS, WEBSOCKET, Pace, Race, Reader
from tests.faults.report import Row
from tests.faults.vitals import MEGABYTE
from tests.oracle.beside import beside
from tests.oracle.client import tokens
from tests.oracle.trial import Places
from tests.stack import UNLIMITED, running_stack

ABOUT = "streams that are read slowly or not at all, among many that keep up"
COUNT = 400
"""Streams; a quarter of them SSE."""

STALL_SECONDS = 30
FILL_SECONDS = 15
"""For the kernel's buffers to fill, from when on a stream takes nothing."""
PULSE_SECONDS = 5
"""How often the hub looks; a stall is seen at one look, and judged at another."""
DROPPED_SECONDS = FILL_SECONDS + STALL_SECONDS + 2 * PULSE_SECONDS
LIMITS = UNLIMITED | {
    "MAX_CONNECTIONS_PER_ADDRESS": "100000",
    "STALL_SECONDS": str(STALL_SECONDS),
}
CHANGES_PER_SECOND = 20
QUIET_SECONDS = 20
SLOW_IN_100, STUCK_IN_100 = 5, 5
GROWTH_BYTES = 16 * MEGABYTE
"""By which notification may grow for all of the slow and stuck together."""
DROPPED = 'notification_closes_total{code="4001"}'
FIRST_POINTS = 1000


async def run(count: int, console: Console) -> list[Row]:
    with running_stack(LIMITS) as stack:
        places, pid = Places.of(stack), stack.pid("notification")
        race = Race("leader")
        passes = await tokens(places.auth, places.operator_secret, [race.leader])
        async with _running(places.gateway, race, passes[race.leader]):
            async with _watching(places.notification, race, [Pace.STEADY] * count) as alike:
                await asyncio.sleep(QUIET_SECONDS)
                lone = vitals.read(pid)
            paces = [_pace(number) for number in range(count)]
            async with _watching(places.notification, race, paces) as mixed:
                stuck = paces.count(Pace.STUCK)
                most, dropped, seconds = await _until_dropped(places.notification, pid, stuck)
    steady = [reader for reader in mixed if reader.pace is Pace.STEADY]
    slow = [reader for reader in mixed if reader.pace is Pace.SLOW]
    without, among = _wait(alike), _wait(steady)
    grew = most - lone.memory_bytes
    console.print(f"p99 {without:.3f} s without, {among:.3f} s with them")
    return [
        Row(
            f"steady streams beside {len(slow)} slow and {stuck} stuck ones",
            len(steady),
            sum(not reader.open for reader in steady),
            f"from POST to screen p99 {1000 * without:.0f} ms without them, {1000 * among:.0f} ms "
            f"with (x {among / without:.2f})",
        ),
        Row(
            "stuck streams dropped (4001)",
            stuck,
            stuck - dropped,
            f"after {seconds:.0f} s; they may take nothing for {STALL_SECONDS} s",
        ),
        Row(
            "slow streams that never went back",
            len(slow),
            sum(not reader.open or _went_back(reader) for reader in slow),
            f"{_shown(slow):.0f} frames each, the others {_shown(steady):.0f}",
        ),
        Row(
            "memory kept for slow and stuck streams",
            len(slow) + stuck,
            int(grew > GROWTH_BYTES),
            f"notification {lone.megabytes:.1f} MB without, at most {most / MEGABYTE:.1f} MB with",
        ),
    ]


def _pace(number: int) -> Pace:
    """Of each hundred the same share; slow and stuck ones of both kinds of stream."""
    if number % 100 < SLOW_IN_100:
        return Pace.SLOW
    return Pace.STUCK if number % 100 < SLOW_IN_100 + STUCK_IN_100 else Pace.STEADY


@asynccontextmanager
async def _watching(url: str, race: Race, paces: Sequence[Pace]) -> AsyncIterator[list[Reader]]:
    readers = [
        Reader(url, EVENTS if number % 4 == 0 else WEBSOCKET, race, pace)
        for number, pace in enumerate(paces)
    ]
    async with beside(reader.watch() for reader in readers):
        yield readers


@asynccontextmanager
async def _running(gateway_url: str, race: Race, token: str) -> AsyncIterator[None]:
    """Have the leader score, a point at a time, while the block runs."""
    score = 0

    async def one(session: aiohttp.ClientSession, points: int) -> None:
        nonlocal score
        race.sent[score + points] = asyncio.get_running_loop().time()
        headers = {"Authorization": f"Bearer {token}"}
        url, body = f"{gateway_url}/api/scores", {"score_increment": points}
        async with session.post(url, json=body, headers=headers) as answer:
            answer.raise_for_status()
            score = (await answer.json())["new_score"]

    async def play() -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                due = monotonic() + 1 / CHANGES_PER_SECOND
                await one(session, 1 if score else FIRST_POINTS)
                await asyncio.sleep(due - monotonic())

    playing = asyncio.ensure_future(play())
    try:
        yield
    finally:
        playing.cancel()
        await asyncio.wait({playing})
        if not playing.cancelled():
            playing.result()


async def _until_dropped(url: str, pid: int, stuck: int) -> tuple[int, int, float]:
    """The most memory until all were dropped, how many were in time, and the seconds it took."""

    async def count() -> int:
        return int((await vitals.metrics(url, [DROPPED]))[DROPPED])

    before, started = await count(), monotonic()
    most = dropped = 0
    while (seconds := monotonic() - started) < DROPPED_SECONDS and dropped < stuck:
        await asyncio.sleep(1)
        most = max(most, vitals.read(pid).memory_bytes)
        dropped = await count() - before
    return most, dropped, seconds


def _wait(readers: Sequence[Reader]) -> float:
    waits = sorted(wait for reader in readers for wait in reader.waits)
    return waits[int(len(waits) * 0.99)]


def _went_back(reader: Reader) -> bool:
    return any(after < before for before, after in pairwise(reader.scores))


def _shown(readers: Sequence[Reader]) -> float:
    """Frames with a score that one of them was shown, on average."""
    return sum(len(reader.scores) for reader in readers) / max(1, len(readers))
