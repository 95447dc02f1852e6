"""uvicorn and Starlette: what they do when left alone, and that our services do not."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import pytest
import uvicorn
from fastapi import APIRouter, FastAPI, Request
from starlette.middleware.base import BaseHTTPMiddleware

from libs.common import app as module
from libs.common.app import create_service
from libs.common.health import Readiness
from libs.devstack.ports import HOST
from libs.devstack.stack import SERVICES, _service

SILENCE_SECONDS = 1.5
BODY_DEADLINE_SECONDS = 0.3
HALF_A_BODY = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345"
A_SECRET = b"GET /echo?ticket=only-for-us HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def echo() -> APIRouter:
    router = APIRouter()

    @router.api_route("/echo", methods=["GET", "POST"])
    async def answer(request: Request) -> int:
        return len(await request.body())

    return router


@asynccontextmanager
async def nothing(_: FastAPI, __: Readiness) -> AsyncGenerator[dict[str, Any], None]:
    yield {}


@asynccontextmanager
async def served(app: FastAPI, **options: Any) -> AsyncIterator[int]:
    """The port that it listens at."""
    config = uvicorn.Config(app, HOST, 0, timeout_graceful_shutdown=1, **options)
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server.serve())
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await serving


async def test_half_a_body_is_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """P6: uvicorn has no deadline for what a client sends (uvicorn 157)."""
    monkeypatch.setattr(module, "BODY_DEADLINE_SECONDS", BODY_DEADLINE_SECONDS)
    alone = FastAPI()
    alone.include_router(echo())
    async with served(alone) as port:
        assert await answer_to(HALF_A_BODY, port) == b""
    async with served(create_service("trap", nothing, [echo()])) as port:
        assert (await answer_to(HALF_A_BODY, port)).startswith(b"HTTP/1.1 408 ")


async def test_a_query_is_written_to_the_access_log(caplog: pytest.LogCaptureFixture) -> None:
    """P7: with whatever secret is in it; a stream's ticket is."""
    alone = FastAPI()
    alone.include_router(echo())
    async with served(alone, log_config=None) as port:
        await answer_to(A_SECRET, port)
    assert "ticket=only-for-us" in caplog.text
    caplog.clear()
    async with served(alone, log_config=None, access_log=False) as port:
        await answer_to(A_SECRET, port)
    assert "only-for-us" not in caplog.text


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_runs_without_the_traps(name: str) -> None:
    """P5: `BaseHTTPMiddleware` cancels what it should not. P7: 16 MiB messages, and the log."""
    command = " ".join(_service(name, 1, {}, after=()).command)
    for option in ("--no-access-log", "--ws-max-size 4096", "--ws-per-message-deflate false"):
        assert option in command
    app: FastAPI = import_module(f"services.{name}.main").app
    used = [middleware.cls for middleware in app.user_middleware]
    assert used
    assert not any(isinstance(c, type) and issubclass(c, BaseHTTPMiddleware) for c in used)


async def answer_to(request: bytes, port: int) -> bytes:
    """What comes, in a while."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(request)
        async with asyncio.timeout(SILENCE_SECONDS):
            return await reader.read(65536)
    except TimeoutError:
        return b""
    finally:
        writer.close()
