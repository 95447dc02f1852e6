"""A running server whose application has an `AtOnce`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Request, Response, WebSocket

from libs.common.app import create_service
from libs.common.at_once import AT_ONCE, AtOnce
from libs.common.server import BoundedHttp

BOUND_SECONDS = 10
KEEP_ALIVE_SECONDS = 1
SLOW_SECONDS = 0.3


class Served:
    """A running server."""

    def __init__(self, server: uvicorn.Server) -> None:
        self._server = server

    @property
    def url(self) -> str:
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    @property
    def connections(self) -> int:
        """How many uvicorn knows of."""
        return len(self._server.server_state.connections)

    def stop(self) -> None:
        self._server.should_exit = True


@asynccontextmanager
async def serving(at_once: AtOnce) -> AsyncIterator[Served]:
    """The application has routes of its own at the same places, and some more."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI, _ready: object) -> AsyncIterator[dict[str, object]]:
        yield {AT_ONCE: at_once}

    app = create_service("fast", lifespan, [])

    @app.post("/fast")
    async def documented(request: Request) -> Response:
        return Response(b"documented " + await request.body())

    @app.post("/body")
    async def body(_body: dict[str, int]) -> None: ...

    @app.get("/slow")
    async def slow() -> str:
        await asyncio.sleep(SLOW_SECONDS)
        return "slow"

    @app.websocket("/live")
    async def live(websocket: WebSocket) -> None:
        await websocket.send_denial_response(Response(b"documented", 409))

    config = uvicorn.Config(
        app,
        port=0,
        http=BoundedHttp,
        log_config=None,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=BOUND_SECONDS,
    )
    running = uvicorn.Server(config)
    task = asyncio.ensure_future(running.serve())
    while not running.started:
        assert not task.done()
        await asyncio.sleep(0.01)
    yield Served(running)
    running.should_exit = True
    await task
