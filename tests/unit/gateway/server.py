"""The gateway behind a real HTTP server, and how its answers are read. Fixtures: `fixtures`."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from libs.common.server import BoundedHttp
from services.gateway import main

ORIGIN = "https://games.example"
STREAMS = "http://127.0.0.1:8004"
MAX_INCREMENT = 1000

Answer = aiohttp.ClientResponse


@asynccontextmanager
async def running(http: type[HttpToolsProtocol] = BoundedHttp) -> AsyncGenerator[str, None]:
    """The URL of a gateway that was told by the environment where the others are."""
    server = uvicorn.Server(
        uvicorn.Config(
            main.app,
            host="127.0.0.1",
            port=0,
            log_config=None,
            http=http,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
    )
    serving = asyncio.ensure_future(server.serve())
    while not server.started:
        assert not serving.done(), "the gateway did not start"
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


async def send(client: aiohttp.ClientSession, method: str, path: Any, **options: Any) -> Answer:
    """One request, its answer read whole."""
    async with client.request(method, path, **options) as answer:
        await answer.read()
    return answer


async def get(client: aiohttp.ClientSession, path: str, **headers: str) -> Answer:
    return await send(client, "GET", path, headers=headers)


async def assert_problem(answer: Answer, status: int) -> dict[str, Any]:
    """The answer is a problem as RFC 9457 has it, and tells nothing of what is behind us."""
    problem: dict[str, Any] = await answer.json(content_type="application/problem+json")
    assert answer.status == problem["status"] == status, problem
    assert set(problem) == {"type", "status", "title", "detail", "request_id"}
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["detail"]
    assert "secret" not in problem["detail"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    return problem
