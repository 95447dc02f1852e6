"""
What a rollback costs, and what players notice of it.

    python -m bench.reversals

1,000 users with 100,000 increments on a stack of its own; then one user's recent take, a
fingerprint's take over 300 users, one entry a second time (refused), 100,000 more entries at once
while increments go on at a steady rate, and every case reverted. Prints how long each took until
every screen showed it, the latency of increments with and without a case at work, and the verdict
of `live-scoreboard ledger verify`. The board must equal SQL's top 100 after each step.
"""

import argparse
import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import asyncpg
from rich.console import Console
from rich.table import Table

from services.score.domain.increments import Entry
from services.score.store.ledger import LedgerLane
from tests.oracle import client
from tests.oracle.screens import watching
from tests.oracle.trial import Places, until_converged
from tests.stack import UNLIMITED, RunningStack, running_stack

USERS, FARM = 1000, 300
FINGERPRINT = bytes.fromhex("b0" * 16)
BULK = bytes.fromhex("cc" * 16)
LIMITS = UNLIMITED | {"APPROVAL_ENTRIES": "1000000", "APPROVAL_POINTS": str(2**53 - 1)}
PATIENCE_SECONDS = 180
BATCH = 200

Ask = Callable[[], Awaitable[tuple[int, dict[str, Any]]]]

console = Console()


@dataclass
class Players:
    """Send increments at a steady rate, and time each from when it should have been sent."""

    gateway_url: str
    tokens: Sequence[str]
    per_second: float
    seconds: list[float] = field(default_factory=list)
    failures: int = 0
    playing: bool = False

    @asynccontextmanager
    async def at_play(self) -> AsyncIterator[None]:
        async with aiohttp.ClientSession() as session:
            task = asyncio.ensure_future(self._play(session))
            self.playing = True
            try:
                yield
            finally:
                self.playing = False
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _play(self, session: aiohttp.ClientSession) -> None:
        async with asyncio.TaskGroup() as tasks:
            due = time.perf_counter()
            while True:
                tasks.create_task(self._post(session, due))
                due += 1 / self.per_second
                await asyncio.sleep(max(0.0, due - time.perf_counter()))

    async def _post(self, session: aiohttp.ClientSession, due: float) -> None:
        headers = {"Authorization": f"Bearer {random.choice(self.tokens)}"}
        url = f"{self.gateway_url}/api/scores"
        async with session.post(url, json={"score_increment": 1}, headers=headers) as answer:
            self.failures += answer.status != 200
        self.seconds.append(time.perf_counter() - due)

    def taken(self) -> list[float]:
        """What was timed since the last call."""
        timed, self.seconds = self.seconds, []
        return timed


class Moderator:
    """Calls the gateway as the page would."""

    def __init__(self, session: aiohttp.ClientSession, gateway_url: str, token: str) -> None:
        self._session = session
        self._url = f"{gateway_url}/api/admin"
        self._headers = {"Authorization": f"Bearer {token}"}

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        async with self._session.request(
            method, self._url + path, json=body, headers=self._headers
        ) as answer:
            return answer.status, await answer.json(content_type=None)

    async def reverse(self, case_id: str, **selector: Any) -> tuple[int, dict[str, Any]]:
        order = {"case_id": case_id, "reason": "bench", "selector": selector}
        return await self.call("POST", "/reversals", order)

    async def finished(self, case_id: str, state: str) -> dict[str, Any]:
        pause = 0.02
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                _, case = await self.call("GET", f"/reversals/{case_id}")
                if case["state"] == state:
                    return case
                await asyncio.sleep(pause)
                # A case of 1,000 users is 100 kB: to ask often would be what is measured.
                pause = min(2 * pause, 1)


async def seed(
    database_url: str, increments: int, name: str, everybody: bytes | None = None
) -> None:
    """100 increments a user; of the farm's every second one, or everybody's, has a fingerprint."""
    lane = LedgerLane(database_url)
    entries = [
        Entry(
            f"user-{n % USERS:04}",
            f"{name}-{n}",
            random.randint(1, 99),
            everybody or (FINGERPRINT if n % USERS < FARM and n // USERS % 2 else None),
        )
        for n in range(increments)
    ]
    for first in range(0, len(entries), BATCH):
        await lane.append(entries[first : first + BATCH])
    await lane.close()


async def top_100(gateway_url: str) -> bytes:
    """The board's first page without its position, as bytes."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{gateway_url}/api/leaderboard?limit=100") as answer,
    ):
        return json.dumps((await answer.json())["entries"]).encode()


async def middle_of(database_url: str, user: str, seq: int) -> str:
    """When the ledger accepted the user's entry `seq`."""
    connection = await asyncpg.connect(database_url)
    try:
        moment = await connection.fetchval(
            "SELECT created_at FROM score.score_entry WHERE user_id = $1 AND seq = $2", user, seq
        )
    finally:
        await connection.close()
    return str(moment.isoformat())


async def measure(stack: RunningStack, *, increments: int, rate: float, watchers: int) -> None:
    urls, places = stack.urls, Places.of(stack)
    console.print(f"Appending {increments} increments of {USERS} users …")
    started = time.perf_counter()
    await seed(urls["postgres"], increments, "seed")
    console.print(f"  {increments / (time.perf_counter() - started):.0f}/s; publishing them …")
    players = [f"player-{n}" for n in range(50)]
    tokens = await client.tokens(places.auth, places.operator_secret, players)
    moderator_token = stack.token("mara", ["moderator"])
    table = Table(title="Cases", title_justify="left")
    for column in ("what", "entries", "users", "answered, s", "done, s", "every screen right, s"):
        table.add_column(column, justify="left" if column == "what" else "right")
    latencies: dict[str, list[float]] = {"quiet": [], "a case at work": []}

    async with (
        watching(urls["notification"], watchers) as screens,
        aiohttp.ClientSession() as session,
    ):
        work = Players(urls["gateway"], list(tokens.values()), rate)
        desk = Moderator(session, urls["gateway"], moderator_token)

        async def settled() -> float:
            return await until_converged(places, screens, patience_seconds=PATIENCE_SECONDS)

        async def step(what: str, case_id: str, state: str, ask: Ask) -> None:
            started = time.perf_counter()
            # After a 503 it may have begun all the same; the same request again is safe.
            while (status := (await ask())[0]) == 503:
                await asyncio.sleep(1)
            assert status in (200, 202), status
            chosen = time.perf_counter() - started
            case = await desk.finished(case_id, state)
            worked = time.perf_counter() - started
            shown = ""
            if not work.playing:  # a board that moves on is never the one that was just read
                await settled()
                shown = f"{time.perf_counter() - started:.2f}"
            users = str(case["preview"]["users"])
            times = (f"{chosen:.2f}", f"{worked:.2f}", shown)
            table.add_row(what, str(case["entries"]), users, *times)

        def reverse(case_id: str, **selector: Any) -> Ask:
            return lambda: desk.reverse(case_id, **selector)

        def revert(case_id: str) -> Ask:
            path = f"/reversals/{case_id}/revert"
            return lambda: desk.call("POST", path, {"reason": "bench"})

        await settled()
        before = await top_100(urls["gateway"])
        leader = json.loads(before)[0]["user_id"]
        half = increments // USERS // 2
        since = await middle_of(urls["postgres"], leader, half)
        recent = {"user_id": leader, "from": since}
        await step("the leader's recent take", "recent", "applied", reverse("recent", **recent))
        status, refused = await desk.reverse("again", user_id=leader, seqs=[half + 1])
        assert status == 409, refused
        farm = {"fingerprint": FINGERPRINT.hex()}
        await step("a fingerprint's take", "farm", "applied", reverse("farm", **farm))
        await step("  its revert", "farm", "reverted", revert("farm"))
        await step("  the leader's revert", "recent", "reverted", revert("recent"))
        assert await top_100(urls["gateway"]) == before, "the board is not what it was"

        console.print(f"{increments} more, to reverse, with {rate:g} increments a second beside …")
        await seed(urls["postgres"], increments, "bulk", BULK)
        await settled()
        bulk = {"fingerprint": BULK.hex()}
        async with work.at_play():
            await asyncio.sleep(3)
            for act, state in (("reverse", "applied"), ("revert", "reverted")):
                work.taken()
                await asyncio.sleep(15)
                latencies["quiet"] += work.taken()
                ask = reverse("bulk", **bulk) if act == "reverse" else revert("bulk")
                await step(f"{act} everything", "bulk", state, ask)
                latencies["a case at work"] += work.taken()
            await asyncio.sleep(15)
            latencies["quiet"] += work.taken()
        assert work.failures == 0
        await settled()
    console.print(table)
    for name, seconds in latencies.items():
        p50, p99 = (percentile(seconds, q) * 1000 for q in (0.5, 0.99))
        console.print(f"POST, {name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, n {len(seconds)}")
    verdict = await asyncio.to_thread(stack.run, "ledger", "verify")
    console.print(verdict.stdout, verdict.stderr, highlight=False)
    console.print("the board equals SQL after every step; the revert gave every byte back")


def percentile(values: Sequence[float], q: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * q))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--increments", type=int, default=100_000)
    parser.add_argument("--rate", type=float, default=100, help="increments a second beside it")
    parser.add_argument("--watchers", type=int, default=20)
    arguments = parser.parse_args()
    console.print("Starting a stack of its own …")
    with running_stack(LIMITS) as stack:
        asyncio.run(
            measure(
                stack,
                increments=arguments.increments,
                rate=arguments.rate,
                watchers=arguments.watchers,
            )
        )


if __name__ == "__main__":
    main()
