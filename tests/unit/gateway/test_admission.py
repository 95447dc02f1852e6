"""How many requests may be at work at once."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from libs.common.tasks import spawn
from services.gateway.routes.edge import Admission
from services.gateway.usecases.seats import Seats

MOST = 2


class Work:
    """An application whose requests go on until told otherwise; what a client would send and see"""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.may_end = asyncio.Event()
        self.body = asyncio.Event()
        self._door = Admission(self)
        self._state = {"parts": SimpleNamespace(seats=Seats(MOST))}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun.append(scope["path"])
        if scope["path"] == "/slow-sender":
            await receive()
        await self.may_end.wait()

    async def begin(self, path: str) -> list[Message]:
        """Send a request and let it go as far as it can; what was answered until then."""
        answers: list[Message] = []

        async def receive() -> Message:
            await self.body.wait()
            return {"type": "http.request"}

        async def send(message: Message) -> None:
            answers.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "headers": [],
            "state": self._state,
        }
        spawn(self._door(scope, receive, send), self._tasks, name=path)
        await asyncio.sleep(0.01)
        return answers

    async def end(self) -> None:
        self.may_end.set()
        await asyncio.gather(*self._tasks)


async def test_who_comes_beyond_the_limit_is_told_when_to_come_back() -> None:
    work = Work()
    assert [await work.begin("/api/scores") for _ in range(MOST)] == [[]] * MOST
    start, body = await work.begin("/api/scores")
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    problem = json.loads(body["body"])
    assert start["status"] == problem["status"] == 503
    assert problem["type"] == "urn:live-scoreboard:problem:overloaded"
    assert headers["content-type"] == "application/problem+json"
    assert headers["retry-after"] == "1"
    assert headers["x-request-id"] == problem["request_id"]
    assert len(work.begun) == MOST
    await work.end()


async def test_there_is_room_again_when_the_others_have_ended() -> None:
    work = Work()
    for _ in range(MOST):
        await work.begin("/api/scores")
    await work.end()
    assert await work.begin("/api/scores") == []


async def test_slow_senders_shut_nobody_out() -> None:
    work = Work()
    for _ in range(MOST):
        await work.begin("/slow-sender")
    assert await work.begin("/api/scores") == []
    work.body.set()  # now they are at work, too
    await asyncio.sleep(0.01)
    assert await work.begin("/api/scores") != []
    await work.end()


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_probes_are_always_let_in(path: str) -> None:
    work = Work()
    for _ in range(MOST):
        await work.begin("/api/scores")
    assert await work.begin(path) == []
    await work.end()
