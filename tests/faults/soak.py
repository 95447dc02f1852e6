"""
Hours of a normal day: players, screens, visitors and moderators, first with a fault a minute, then
without.

While processes are killed each lives too short to show a leak; so a second phase of the same length
has the same load and no fault, and what grows in it is judged. The oracle looks every ten minutes.
"""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from random import choice, uniform
from uuid import uuid4

import aiohttp
import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError
from rich.console import Console

from libs.devstack import state
from libs.devstack.stack import SERVICES
from tests.faults import vitals
from tests.faults.lives import GROWING, MEMORY, Lives, table
from tests.faults.report import Row
from tests.faults.visitor import visiting
from tests.oracle.client import TOKEN_SECONDS
from tests.oracle.screens import watching
from tests.oracle.trial import AWAY, Places, Trial, trial
from tests.stack import UNLIMITED, RunningStack, running_stack

ABOUT = "a mixed load for so many minutes with a fault in each, and as long without"
COUNT = 30
"""Minutes of each phase."""

ENVIRONMENT = UNLIMITED | {"AUDIT_SECONDS": "10", "MAX_CONNECTIONS_PER_ADDRESS": "10000"}
USERS, SCREENS, INCREMENTS_PER_SECOND = 200, 3, 150
VISITORS = 2
GUESTS, SHORTEST_STAY_SECONDS, LONGEST_STAY_SECONDS = 10, 5.0, 30.0
MINUTE_SECONDS = 60.0
STALL_SECONDS = 5.0
SAMPLE_SECONDS = 10.0
RETRY_SECONDS = 1.0
RECENT = 1000
"""Increments of which one is taken back."""
VERDICT_MINUTES = 10
VERDICT_PATIENCE_SECONDS = 120

Fault = Callable[[RunningStack], Awaitable[str]]


async def run(count: int, console: Console) -> list[Row]:
    with running_stack(ENVIRONMENT) as stack:
        places = Places.of(stack)
        async with (
            trial(places, users=USERS, screens=SCREENS, rate=INCREMENTS_PER_SECOND) as work,
            _traffic(places),
        ):
            soak = Soak(stack, work, console)
            broken = await soak.phase(count, with_faults=True)
            quiet = await soak.phase(count, with_faults=False)
    leaks = [leak for life in quiet.longest for leak in life.leaks()]
    for name, lives in (("with faults", broken), ("without", quiet)):
        console.print(f"{name}, the longest life of each process:")
        console.print(table(lives.longest))
    grew = max(
        life.trend(MEMORY)[2] for life in quiet.longest if (life.process, MEMORY) not in GROWING
    )
    return [
        Row(f"increments in {2 * count} minutes", len(work.history.acked), soak.violations,
            f"{soak.reversals} reversals; {_said(work.history.answers)}"),
        Row("faults, one a minute", soak.faults.total(), 0, _said(soak.faults)),
        Row("processes without a leak", len(quiet.longest), len(leaks),
            ", ".join(leaks) or f"memory at most {grew:+.1f} MB/h without faults"),
    ]  # fmt: skip


class Soak:
    """One stack and one trial through both phases."""

    def __init__(self, stack: RunningStack, work: Trial, console: Console) -> None:
        self._stack = stack
        self._work = work
        self._console = console
        token = stack.token("mara", ["moderator"], ttl_seconds=TOKEN_SECONDS)
        self._moderator = {"Authorization": f"Bearer {token}"}
        self._urls = stack.urls
        self.violations = 0
        self.reversals = 0
        self.faults: Counter[str] = Counter()

    async def phase(self, minutes: int, *, with_faults: bool) -> Lives:
        """So many minutes of load, a reversal in each; the oracle's verdict every ten of them."""
        lives = Lives()
        sampling = asyncio.ensure_future(self._sample(lives))
        for minute in range(1, minutes + 1):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(asyncio.sleep(MINUTE_SECONDS))
                tasks.create_task(self._reverse_one())
                if with_faults:
                    tasks.create_task(self._break_one(minute))
            if minute % VERDICT_MINUTES == 0 or minute == minutes:
                verdict = await self._work.verdict(patience_seconds=VERDICT_PATIENCE_SECONDS)
                self._console.print(f"minute {minute}: {verdict}", *verdict.violations[:5])
                self.violations = len(verdict.violations)
                self._work.resume()
            if sampling.done():
                sampling.result()
        sampling.cancel()
        return lives

    async def _break_one(self, minute: int) -> None:
        await asyncio.sleep(uniform(MINUTE_SECONDS / 6, MINUTE_SECONDS / 2))
        fault = choice((kill, kill, stall, flush))
        what = await fault(self._stack)
        self.faults[what] += 1
        self._console.print(f"minute {minute}: {what}")

    async def _reverse_one(self) -> None:
        """Take an increment back, as a moderator does who tries until it is done."""
        await asyncio.sleep(uniform(MINUTE_SECONDS / 6, MINUTE_SECONDS / 2))
        taken = choice(self._work.history.acked[-RECENT:])
        case = f"soak-{uuid4().hex}"
        selector = {"user_id": taken.user, "idempotency_keys": [taken.key]}
        order = {"case_id": case, "reason": "soak", "selector": selector}
        url = f"{self._work.places.gateway}/api/admin/reversals"
        async with aiohttp.ClientSession(headers=self._moderator) as session:
            while not await _asked(session, "POST", url, order):
                await asyncio.sleep(RETRY_SECONDS)
            while (await _asked(session, "GET", f"{url}/{case}")).get("state") != "applied":
                await asyncio.sleep(RETRY_SECONDS)
        self.reversals += 1

    async def _sample(self, lives: Lives) -> None:
        now = asyncio.get_running_loop().time
        while True:
            connections = await _connections(self._work.places)
            for name, pid in vitals.pids(self._stack).items():
                seen = vitals.read(pid)
                figures = {MEMORY: seen.megabytes, "descriptors": seen.descriptors}
                figures |= {"threads": seen.threads, **await self._tasks(name)}
                figures |= {"connections": connections[name]} if name in connections else {}
                lives.note(name, pid, now(), figures)
            await asyncio.sleep(SAMPLE_SECONDS)

    async def _tasks(self, name: str) -> Mapping[str, float]:
        if name not in SERVICES:
            return {}
        try:
            said = await vitals.metrics(self._urls[name], ["event_loop_tasks"])
        except AWAY:
            return {}
        return {"tasks": said["event_loop_tasks"]}


async def kill(stack: RunningStack) -> str:
    """SIGKILL, and wait until the supervisor has started another in its place."""
    name, pid = choice(list(vitals.pids(stack).items()))
    os.kill(pid, signal.SIGKILL)
    await asyncio.to_thread(stack.wait_until_replaced, name, pid)
    return f"{name} killed"


async def stall(stack: RunningStack) -> str:
    """SIGSTOP for 5 s."""
    name, pid = choice(list(vitals.pids(stack).items()))
    stopped = list(vitals.family(pid))
    for member in stopped:
        os.kill(member, signal.SIGSTOP)
    await asyncio.sleep(STALL_SECONDS)
    for member in stopped:
        os.kill(member, signal.SIGCONT)
    return f"{name} stopped for {STALL_SECONDS:g} s"


async def flush(stack: RunningStack) -> str:
    """FLUSHALL: board, sessions and limits are gone."""
    async with Redis.from_url(state.running(stack.data_dir).urls["valkey"]) as redis:
        await redis.flushall()
    return "FLUSHALL"


@asynccontextmanager
async def _traffic(places: Places) -> AsyncIterator[None]:
    """Visitors that read, sign in and watch, and screens that come and go."""

    async def guest() -> None:
        while True:
            async with watching(places.notification, 1):
                await asyncio.sleep(uniform(SHORTEST_STAY_SECONDS, LONGEST_STAY_SECONDS))

    async with AsyncExitStack() as stack:
        for _ in range(VISITORS):
            await stack.enter_async_context(visiting(places))
        guests = [asyncio.ensure_future(guest()) for _ in range(GUESTS)]
        try:
            yield
        finally:
            for task in guests:
                task.cancel()
            await asyncio.wait(guests)


async def _connections(places: Places) -> Mapping[str, float]:
    """Of the servers' clients; those of one that is away are not known."""
    found: dict[str, float] = {}
    try:
        connection = await asyncpg.connect(places.postgres, timeout=SAMPLE_SECONDS)
        try:
            found["postgres"] = await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            )
        finally:
            await connection.close()
        async with Redis.from_url(places.valkey, socket_timeout=SAMPLE_SECONDS) as redis:
            found["valkey"] = (await redis.info("clients"))["connected_clients"]
    except (*AWAY, RedisError):
        pass
    return found


async def _asked(
    session: aiohttp.ClientSession, method: str, url: str, body: object = None
) -> Mapping[str, str]:
    """What was answered with a 2xx; nothing else, whatever went wrong."""
    try:
        async with session.request(method, url, json=body) as answer:
            return await answer.json() if answer.ok else {}
    except AWAY:
        return {}


def _said(counted: Counter[str]) -> str:
    return ", ".join(f"{number:,} x {what}" for what, number in counted.most_common())
