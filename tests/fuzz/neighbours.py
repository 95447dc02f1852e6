"""Who is there at the same time, and behaves: a player who scores, and a screen that watches."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import aiohttp
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from libs.common.tokens import TokenType
from tests.fuzz.callers import Places
from tests.fuzz.tokens import Mint

PAUSE_SECONDS = 0.05
ANSWER_SECONDS = 10
# Two heartbeats that did not come.
SILENCE_SECONDS = 11


@dataclass
class Neighbours:
    """What they saw; `complaints` should stay empty."""

    answers: int = 0
    slowest_seconds: float = 0
    frames: int = 0
    complaints: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"beside it {self.answers:,} answers, slowest {self.slowest_seconds:.2f} s, "
            f"{self.frames:,} frames"
        )


@asynccontextmanager
async def neighbours(places: Places, mint: Mint) -> AsyncIterator[Neighbours]:
    """They go on while the block runs."""
    seen = Neighbours()
    tasks = [
        asyncio.ensure_future(_play(places.urls["gateway"], mint, seen)),
        asyncio.ensure_future(_watch(places.urls["notification"], seen)),
    ]
    try:
        yield seen
    finally:
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                seen.complaints.append(repr(ended))


async def _play(url: str, mint: Mint, seen: Neighbours) -> None:
    loop = asyncio.get_running_loop()
    token = mint.good(TokenType.ACCESS, "fuzz-neighbour").text()
    headers = {"Authorization": f"Bearer {token}"}
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    async with aiohttp.ClientSession(url, headers=headers, timeout=timeout) as http:
        while True:
            started = loop.time()
            try:
                async with http.post(
                    "/api/scores",
                    json={"score_increment": 1},
                    headers={"Idempotency-Key": uuid4().hex},
                ) as answer:
                    if answer.status != 200:
                        seen.complaints.append(f"a score was answered {answer.status}")
            except (aiohttp.ClientError, TimeoutError) as error:
                seen.complaints.append(f"a score was not answered: {error!r}")
            seen.answers += 1
            seen.slowest_seconds = max(seen.slowest_seconds, loop.time() - started)
            await asyncio.sleep(PAUSE_SECONDS)


async def _watch(url: str, seen: Neighbours) -> None:
    async with connect(f"{url.replace('http', 'ws', 1)}/api/stream") as screen:
        while True:
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    await screen.recv()
            except (TimeoutError, WebSocketException) as error:
                seen.complaints.append(f"the screen went dark: {error!r}")
                return
            seen.frames += 1
