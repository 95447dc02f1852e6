"""
The notification service as a process of its own, and clients that speak to it.

The fixtures are in `notification_fixtures`.
"""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import uuid4

import aiohttp
from aiohttp import web

from libs.common.clock import system_clock
from libs.common.contracts.boards import LeaderboardUpdated, RanksQuery, Reason, TopEntry
from libs.common.contracts.values import GLOBAL_BOARD
from libs.common.kafka import Publisher, Record
from libs.common.tokens import Audience
from tests.embedded import free_port
from tests.fake_auth import FakeAuth

READY_SECONDS = 20
EXIT_SECONDS = 15
ORIGIN = "https://board.example.com"


@dataclass
class Board:
    """What a scoreboard would publish, in a region of the test's own."""

    publisher: Publisher
    region: str = field(default_factory=lambda: f"r-{uuid4().hex[:12]}")
    epoch: int = 1
    rev: int = 0

    async def publish(
        self, *, reason: Reason = "scores", rev: int | None = None, region: str = ""
    ) -> tuple[int, int]:
        """Publish the next snapshot; its score tells its revision."""
        self.rev = self.rev + 1 if rev is None else rev
        now = system_clock.now()
        event = LeaderboardUpdated(
            top_10=[TopEntry(user_id=f"user-{n}", score=self.rev) for n in range(10)],
            timestamp=now,
            accepted_at=now,
            region=region or self.region,
            epoch=self.epoch,
            rev=self.rev,
            reason=reason,
        )
        await self.write(event.model_dump_json(by_alias=True).encode())
        return event.position

    async def write(self, value: bytes) -> None:
        await self.publisher.publish([Record(GLOBAL_BOARD.encode(), value)])


@dataclass
class Service:
    """A running process."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ws(self, **query: str) -> str:
        parameters = "&".join(f"{name}={value}" for name, value in query.items())
        return f"ws://127.0.0.1:{self.port}/api/stream?{parameters}"

    async def stop(self, how: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; how the process exited."""
        self.process.send_signal(how)
        return await asyncio.to_thread(self.process.wait, EXIT_SECONDS)


Start = Callable[..., Awaitable[Service]]


@asynccontextmanager
async def starter(environment: dict[str, str]) -> AsyncGenerator[Start, None]:
    """Starts processes; ends those that the test left running."""
    started: list[Service] = []

    async def start(*arguments: str, **settings: str) -> Service:
        port = free_port()
        process = subprocess.Popen(  # noqa: ASYNC220 - it only starts here
            [
                *(sys.executable, "-m", "uvicorn", "services.notification.main:app"),
                *("--http", "libs.common.server:BoundedHttp"),
                *("--host", "127.0.0.1", "--port", str(port)),
                *(arguments or ("--no-access-log", "--log-level", "warning")),
            ],
            env={"PATH": "/usr/bin:/bin", **environment, **settings},
            stdout=subprocess.PIPE if arguments else None,
        )
        service = Service(process, port)
        started.append(service)
        await _ready(service)
        return service

    try:
        yield start
    finally:
        for service in started:
            service.process.kill()
            service.process.wait()
            if service.process.stdout is not None:
                service.process.stdout.close()


async def _ready(service: Service) -> None:
    async with asyncio.timeout(READY_SECONDS), aiohttp.ClientSession() as session:
        while True:
            assert service.process.poll() is None, "notification ended"
            try:
                async with session.get(f"{service.http}/readyz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)


async def a_ticket(
    service: Service, auth: FakeAuth, user_id: str, *, jti: str = "", seconds: float = 900
) -> str:
    """What the gateway gets for a signed-in user."""
    order = {
        "context": auth.context(user_id, Audience.NOTIFICATION, jti=jti),
        "expires_at": system_clock.now().timestamp() + seconds,
    }
    headers = {"Authorization": f"Bearer {auth.service_token('gateway')}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{service.http}/internal/tickets", json=order, headers=headers) as answer,
    ):
        assert answer.status == 200, await answer.text()
        return str((await answer.json())["ticket"])


@dataclass
class Operator:
    """Someone with permissions, whose calls the gateway passes on; `acts` on any node."""

    auth: FakeAuth
    permissions: tuple[str, ...] = ("users:read", "sessions:write")

    async def acts(
        self, service: Service, method: str, path: str, body: Any = None
    ) -> tuple[int, dict[str, Any]]:
        """The status and the body of the answer."""
        headers = {
            "Authorization": f"Bearer {self.auth.service_token('gateway')}",
            "X-User-Context": self.auth.context(
                "olga", Audience.NOTIFICATION, permissions=self.permissions
            ),
        }
        url = f"{service.http}/internal/admin{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, json=body, headers=headers) as answer,
        ):
            return answer.status, await answer.json()


class Receives(Protocol):
    """A `websockets` client."""

    async def recv(self) -> Any: ...


async def receive(client: Receives, *kinds: str, seconds: float = 10) -> dict[str, Any]:
    """The next message of one of these kinds."""
    async with asyncio.timeout(seconds):
        while True:
            message: dict[str, Any] = json.loads(await client.recv())
            if message["type"] in kinds:
                return message


class FakeScoreboard:
    """Answers where users stand; `asked` counts the calls."""

    def __init__(self) -> None:
        self.url = ""
        self.standings: dict[str, tuple[int, int]] = {}
        self.asked = 0

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator["FakeScoreboard", None]:
        app = web.Application()
        app.add_routes([web.post("/boards/global/ranks", self._ranks)])
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = "http://{}:{}".format(*runner.addresses[0][:2])
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _ranks(self, request: web.Request) -> web.Response:
        self.asked += 1
        query = RanksQuery.model_validate_json(await request.read())
        found = {user: self.standings[user] for user in query.user_ids if user in self.standings}
        return web.json_response(
            {
                "entries": [
                    {"rank": rank, "user_id": user, "score": score}
                    for user, (rank, score) in found.items()
                ]
            }
        )
