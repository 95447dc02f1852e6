"""
A load client, a watcher, and the questions that both must agree on with the ledger.

The client sends every increment until it has a verdict, always under the same key, as a careful
client does; so what was sent is exactly what the ledger must hold.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import uuid4

import aiohttp
import asyncpg
from pydantic import SecretStr
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from libs.common.identity import ServiceIdentity
from libs.devstack.tokens import OPERATOR

RETRY_SECONDS = 0.1
GIVE_UP_SECONDS = 90
TOKEN_SECONDS = 3600


async def tokens(auth_url: str, secret: str, users: Sequence[str]) -> dict[str, str]:
    """An access token for each user."""
    async with aiohttp.ClientSession() as session:
        identity = ServiceIdentity(session, auth_url, OPERATOR, SecretStr(secret))
        headers = await identity.headers()
        gate = asyncio.Semaphore(16)

        async def one(user: str) -> tuple[str, str]:
            order = {"user_id": user, "roles": ["player"], "ttl_seconds": TOKEN_SECONDS}
            url = f"{auth_url}/internal/access-tokens"
            async with gate, session.post(url, json=order, headers=headers) as answer:
                return user, (await answer.json())["access_token"]

        return dict(await asyncio.gather(*(one(user) for user in users)))


@dataclass
class Load:
    """Sends increments from many connections, and knows what it sent."""

    gateway_url: str
    tokens: Mapping[str, str]
    connections: int = 64
    sent: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    stopped: bool = False

    async def run(self, count: int) -> None:
        """Send `count` increments, or as many as come before `stopped`; each to a verdict."""
        users = list(self.tokens)
        left = iter(range(count))

        async def worker(session: aiohttp.ClientSession) -> None:
            for _ in left:
                if self.stopped:
                    return
                await self._send(session, random.choice(users), random.randint(1, 9))

        connector = aiohttp.TCPConnector(limit=self.connections)
        async with aiohttp.ClientSession(connector=connector) as session:
            await asyncio.gather(*(worker(session) for _ in range(self.connections)))

    async def _send(self, session: aiohttp.ClientSession, user: str, points: int) -> None:
        headers = {
            "Authorization": f"Bearer {self.tokens[user]}",
            "Idempotency-Key": uuid4().hex,
        }
        async with asyncio.timeout(GIVE_UP_SECONDS):
            while True:
                status = await self._try(session, headers, points)
                self.statuses[status] += 1
                if status == "200":
                    self.sent[user] += points
                    return
                await asyncio.sleep(RETRY_SECONDS)

    async def _try(
        self, session: aiohttp.ClientSession, headers: dict[str, str], points: int
    ) -> str:
        try:
            async with session.post(
                f"{self.gateway_url}/api/scores",
                json={"score_increment": points},
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=10),
            ) as answer:
                await answer.read()
                return str(answer.status)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return type(error).__name__


@dataclass
class Watcher:
    """A screen: every snapshot it was sent, over all its reconnects."""

    url: str
    snapshots: list[dict[str, object]] = field(default_factory=list)

    async def watch(self) -> None:
        while True:
            with suppress(OSError, TimeoutError, WebSocketException):
                async with connect(self.url, max_size=65536) as socket:
                    async for message in socket:
                        frame = json.loads(message)
                        if frame["type"] == "snapshot" and self._is_news(frame):
                            self.snapshots.append(frame)
            await asyncio.sleep(RETRY_SECONDS)

    @property
    def top(self) -> list[tuple[str, int]]:
        """What it shows now."""
        if not self.snapshots:
            return []
        return [(e["user_id"], e["score"]) for e in self.snapshots[-1]["top_10"]]  # type: ignore[attr-defined]

    def _is_news(self, frame: dict[str, object]) -> bool:
        # A reconnect may bring the newest again; that is for a screen to drop.
        last = self.snapshots[-1] if self.snapshots else None
        return last is None or position(frame) != position(last)


def position(frame: Mapping[str, object]) -> tuple[int, int]:
    """Where a frame stands among others."""
    return (int(str(frame["epoch"])), int(str(frame["rev"])))


@asynccontextmanager
async def watching(notification_url: str, count: int = 1) -> AsyncIterator[list[Watcher]]:
    """Screens that watch while the block runs."""
    url = notification_url.replace("http://", "ws://") + "/api/stream"
    watchers = [Watcher(url) for _ in range(count)]
    tasks = [asyncio.ensure_future(watcher.watch()) for watcher in watchers]
    try:
        yield watchers
    finally:
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):  # a frame that no screen could have read
                raise ended


@dataclass(frozen=True)
class Truth:
    """What PostgreSQL holds."""

    entries: int
    ledger_points: int
    total_points: int
    totals: Mapping[str, int]
    balances: frozenset[tuple[str, int]]
    top: Sequence[tuple[str, int]]
    outbox: int


async def truth(database_url: str) -> Truth:
    """Read the ledger as its administrator."""
    connection = await asyncpg.connect(database_url)
    try:
        entries, points = await connection.fetchrow(
            "SELECT count(*), coalesce(sum(delta), 0)::bigint FROM score.score_entry"
        )
        rows = await connection.fetch(
            "SELECT user_id, score FROM score.user_score WHERE version > 0"
            " ORDER BY score DESC, reached_at, user_id"
        )
        balances = await connection.fetch("SELECT user_id, balance_after FROM score.score_entry")
        outbox = await connection.fetchval("SELECT count(*) FROM score.outbox")
    finally:
        await connection.close()
    top = [(row["user_id"], row["score"]) for row in rows]
    return Truth(
        entries=entries,
        ledger_points=points,
        total_points=sum(score for _, score in top),
        totals=dict(top),
        balances=frozenset((row[0], row[1]) for row in balances),
        top=top,
        outbox=outbox,
    )


async def board(gateway_url: str) -> list[tuple[str, int]]:
    """Everybody on the board, in order; empty while it cannot be read."""
    entries: list[tuple[str, int]] = []
    async with aiohttp.ClientSession() as session:
        while True:
            url = f"{gateway_url}/api/leaderboard?limit=100&offset={len(entries)}"
            async with session.get(url) as answer:
                if answer.status != 200:
                    return []
                page = (await answer.json())["entries"]
            entries += [(entry["user_id"], entry["score"]) for entry in page]
            if len(page) < 100:
                return entries


async def seconds_until_converged(
    gateway_url: str, database_url: str, watchers: Sequence[Watcher], *, patience: float
) -> float:
    """How long until board and screens show the ledger; fails after `patience`, and says why."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    while True:
        ledger = await truth(database_url)
        shown = [w.top for w in watchers]
        missing = {
            "outbox": ledger.outbox,
            "screens": sum(screen != ledger.top[:10] for screen in shown),
            "board": int(await board(gateway_url) != ledger.top),
        }
        if not any(missing.values()):
            return loop.time() - started
        assert loop.time() - started < patience, f"not converged after {patience:.1f} s: {missing}"
        await asyncio.sleep(0.1)


def check(load: Load, ledger: Truth, watchers: Sequence[Watcher]) -> None:
    """The oracle: nothing lost, nothing twice, and no screen ever saw what never was."""
    assert ledger.totals == {user: points for user, points in load.sent.items() if points}
    assert ledger.ledger_points == ledger.total_points == load.sent.total()
    for watcher in watchers:
        positions = [position(frame) for frame in watcher.snapshots]
        assert positions == sorted(set(positions)), "a screen went back"
        for frame in watcher.snapshots:
            for entry in frame["top_10"]:  # type: ignore[attr-defined]
                pair = (entry["user_id"], entry["score"])
                assert pair in ledger.balances, f"{pair} was shown, but never held"
