"""A visitor who goes round the doors that increments and public screens leave alone."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from secrets import token_hex

import aiohttp

from tests.oracle.beside import beside
from tests.oracle.client import said, tokens
from tests.oracle.trial import Places

# The longest that any of them may take, an answer's own limits and a busy machine counted in.
DOOR_SECONDS = 10.0
PAUSE_SECONDS = 0.2
RETRY_SECONDS = 0.2

READS = ("/api/leaderboard?limit=10", "/api/leaderboard/me", "/api/scores/me/history")
TICKET = "/api/stream/ticket"
LOGIN = "/api/auth/login"


class Visitor:
    """Reads, signs in, and keeps a private stream open; logs what each door answered."""

    def __init__(self, session: aiohttp.ClientSession, places: Places) -> None:
        self._session = session
        self._places = places
        self.answers: Counter[str] = Counter()

    async def walk(self) -> None:
        """Round and round."""
        nobody = {"login": f"nobody-{token_hex(4)}", "password": token_hex(16)}
        while True:
            for path in READS:
                await self._ask("GET", path)
            await self._ask("POST", LOGIN, nobody)
            await asyncio.sleep(PAUSE_SECONDS)

    async def watch(self) -> None:
        """A private stream, with a new ticket after each end."""
        stream = self._places.notification.replace("http://", "ws://") + "/api/stream"
        while True:
            ticket = json.loads(await self._ask("POST", TICKET) or "{}").get("ticket")
            with suppress(aiohttp.ClientError, OSError):
                if ticket:
                    async with self._session.ws_connect(stream, params={"ticket": ticket}) as own:
                        async for _ in own:
                            pass
            await asyncio.sleep(RETRY_SECONDS)

    async def _ask(self, method: str, path: str, body: Mapping[str, str] | None = None) -> bytes:
        timeout = aiohttp.ClientTimeout(total=DOOR_SECONDS)
        url = self._places.gateway + path
        try:
            async with self._session.request(method, url, json=body, timeout=timeout) as answer:
                self.answers[said(answer)] += 1
                return await answer.read() if answer.ok else b""
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.answers[type(error).__name__] += 1
            return b""


@asynccontextmanager
async def visiting(places: Places) -> AsyncIterator[Visitor]:
    """A visitor with an account of its own, who goes round while the block runs."""
    name = f"visitor-{token_hex(4)}"
    held = await tokens(places.auth, places.operator_secret, [name])
    headers = {"Authorization": f"Bearer {held[name]}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        visitor = Visitor(session, places)
        async with beside((visitor.walk(), visitor.watch())):
            yield visitor
