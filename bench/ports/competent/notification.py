"""
Notification: sends every new board to everybody who watches, by WebSocket or Server-Sent Events.

Encoded once, by scoreboard; sent to all at a time. Who takes nothing for a second holds the next
board up for that long, once: it gets no more, and is closed when it reads again. The queue of an
event stream holds the newest board only.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer
from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from pydantic_settings import BaseSettings

LEADERBOARD_UPDATED = "leaderboard_updated"
SEND_SECONDS = 1.0
TRY_AGAIN_LATER = 1013


class Settings(BaseSettings):
    """From the environment."""

    kafka_bootstrap_servers: str


class Watchers:
    """Everybody who watches, and the newest board for who comes."""

    def __init__(self) -> None:
        self.board = ""
        self.connections: set[WebSocket] = set()
        self.queues: set[asyncio.Queue[str]] = set()

    async def broadcast(self, board: str) -> None:
        self.board = board
        event = as_event(board)
        for queue in self.queues:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)
        sends = {asyncio.ensure_future(self._send(each, board)): each for each in self.connections}
        if sends:
            _, late = await asyncio.wait(sends, timeout=SEND_SECONDS)
            self.connections -= {sends[each] for each in late}

    async def _send(self, websocket: WebSocket, board: str) -> None:
        try:
            await websocket.send_text(board)
            if websocket not in self.connections:
                await websocket.close(TRY_AGAIN_LATER)
        except (WebSocketDisconnect, RuntimeError):
            self.connections.discard(websocket)


def as_event(board: str) -> str:
    return f"data: {board}\n\n"


async def follow(consumer: AIOKafkaConsumer, watchers: Watchers) -> None:
    async for message in consumer:
        await watchers.broadcast(message.value.decode())


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any], None]:
    watchers = Watchers()
    async with (
        # Without a group: every instance is to hear of every board, the last one included.
        AIOKafkaConsumer(
            LEADERBOARD_UPDATED,
            bootstrap_servers=Settings().kafka_bootstrap_servers,
            auto_offset_reset="earliest",
        ) as consumer,
        asyncio.TaskGroup() as tasks,
    ):
        following = tasks.create_task(follow(consumer, watchers))
        yield {"watchers": watchers}
        following.cancel()


app = FastAPI(title="notification", lifespan=lifespan)


@app.websocket("/api/stream")
async def stream(websocket: WebSocket) -> None:
    """The newest board at once, then each new one."""
    watchers: Watchers = websocket.state.watchers
    await websocket.accept()
    watchers.connections.add(websocket)
    try:
        if watchers.board:
            await websocket.send_text(watchers.board)
        while True:
            await websocket.receive_text()
    except WebSocketDisconnect:
        pass
    finally:
        watchers.connections.discard(websocket)


@app.get("/api/stream/sse")
async def events(request: Request) -> StreamingResponse:
    """The same boards as Server-Sent Events."""
    return StreamingResponse(
        boards(request.state.watchers),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


async def boards(watchers: Watchers) -> AsyncGenerator[str, None]:
    queue: asyncio.Queue[str] = asyncio.Queue(maxsize=1)
    watchers.queues.add(queue)
    try:
        if watchers.board:
            yield as_event(watchers.board)
        while True:
            yield await queue.get()
    finally:
        watchers.queues.discard(queue)
