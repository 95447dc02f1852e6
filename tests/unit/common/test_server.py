"""What uvicorn's protocol lacks: bounds on the head of a request, and on who does not read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

from libs.common import app as common_app
from libs.common import server
from libs.common.app import create_service
from libs.common.server import MAX_HEAD_BYTES, BoundedHttp
from tests.fuzz.raw import Piece, talk

SHORT_SECONDS = 0.3
BOUND_SECONDS = 10
GET = b"GET /livez HTTP/1.1\r\nHost: here\r\n"
POST = b"POST /body HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
LARGE_BYTES = 32 * 1024 * 1024


@asynccontextmanager
async def running(http: type[asyncio.Protocol]) -> AsyncIterator[str]:
    """A service with nothing but probes, a body to read, and a large answer."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI, _ready: object) -> AsyncIterator[dict[str, object]]:
        yield {}

    app = create_service("bounded", lifespan, [])

    @app.post("/body")
    async def read_body(body: dict[str, int]) -> dict[str, int]:
        return body

    @app.get("/large")
    async def large() -> PlainTextResponse:
        return PlainTextResponse(b"x" * LARGE_BYTES)

    config = uvicorn.Config(app, port=0, http=http, log_config=None, timeout_graceful_shutdown=1)
    running_server = uvicorn.Server(config)
    serving = asyncio.ensure_future(running_server.serve())
    while not running_server.started:
        assert not serving.done()
        await asyncio.sleep(0.01)
    port = running_server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    running_server.should_exit = True
    await serving


@pytest.fixture
async def url(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    monkeypatch.setattr(server, "HEAD_SECONDS", SHORT_SECONDS)
    monkeypatch.setattr(server, "STALL_SECONDS", SHORT_SECONDS)
    monkeypatch.setattr(common_app, "BODY_DEADLINE_SECONDS", SHORT_SECONDS)
    async with running(BoundedHttp) as found:
        yield found


@pytest.mark.parametrize(
    ("pieces", "statuses"),
    [
        ([], []),
        ([b"GET /livez HT"], [408]),
        ([GET, *(SHORT_SECONDS / 4, b"X: y\r\n") * 20], [408]),
        ([b"\r\n", *(SHORT_SECONDS / 4, b"\r\n") * 20], []),
        ([GET + b"X: " + b"y" * MAX_HEAD_BYTES + b"\r\n\r\n"], [431]),
        ([GET + b"X: ", *[b"y" * 1024] * 20], [431]),
        ([b"GET /" + b"y" * MAX_HEAD_BYTES + b" HTTP/1.1\r\n\r\n"], [431]),
        ([b"\0\0"], [400]),
        ([GET + b"\r\n", *(SHORT_SECONDS / 4, b"\r\n") * 20], [200]),
        ([GET + b"Content-Length: 9999\r\n\r\n", *(SHORT_SECONDS / 4, b"y") * 20], [200]),
        ([POST, *(SHORT_SECONDS / 4, b" ") * 20], [408]),
    ],
    ids=[
        "nothing", "half a line", "a slow head", "empty lines", "a large field", "an endless field",
        "a long URL", "no HTTP", "empty lines after the answer", "a body after the answer",
        "a slow body",
    ],
)  # fmt: skip
async def test_who_does_not_come_to_an_end_is_sent_away(
    url: str, pieces: list[Piece], statuses: list[int]
) -> None:
    ending = await talk(url, pieces, seconds=BOUND_SECONDS)

    assert ending.cut
    assert ending.statuses == statuses
    assert all(
        word in ending.received for word in (b"problem+json",) if statuses not in ([], [200])
    )


async def test_who_does_not_read_is_sent_away(url: str) -> None:
    large = b"GET /large HTTP/1.1\r\nHost: here\r\n\r\n"

    ending = await talk(url, [large], seconds=BOUND_SECONDS, reading_after=4 * SHORT_SECONDS)

    assert ending.cut
    assert len(ending.received) < LARGE_BYTES


async def test_who_asks_again_and_again_is_answered(url: str) -> None:
    ending = await talk(
        url, [GET + b"\r\n", SHORT_SECONDS * 2, GET + b"Connection: close\r\n\r\n"],
        seconds=BOUND_SECONDS,
    )  # fmt: skip

    assert ending.statuses == [200, 200]
