"""
Notification: sends every new board to everybody who watches, by WebSocket or Server-Sent Events.

One after the other: who takes nothing holds up those after him. A queue of an event stream grows
as long as its reader is slower than the boards.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer
from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.sse import EventSourceResponse
from pydantic import BaseModel
from pydantic_settings import BaseSettings

LEADERBOARD_UPDATED = "leaderboard_updated"


class Settings(BaseSettings):
    """From the environment."""

    kafka_bootstrap_servers: str


class Entry(BaseModel):
    """A place on the board."""

    user_id: str
    score: int


class Leaderboard(BaseModel):
    """The best ten, best first."""

    top_10: list[Entry]
    timestamp: float


class Watchers:
    """Everybody who watches, and the newest board for who comes."""

    def __init__(self) -> None:
        self.board: Leaderboard | None = None
        self.connections: set[WebSocket] = set()
        self.queues: set[asyncio.Queue[Leaderboard]] = set()

    async def broadcast(self, board: Leaderboard) -> None:
        self.board = board
        for queue in self.queues:
            queue.put_nowait(board)
        message = board.model_dump()
        for websocket in list(self.connections):
            try:
                await websocket.send_json(message)
            except (WebSocketDisconnect, RuntimeError):
                self.connections.discard(websocket)


async def follow(consumer: AIOKafkaConsumer, watchers: Watchers) -> None:
    async for message in consumer:
        await watchers.broadcast(message.value)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any], None]:
    watchers = Watchers()
    async with (
        # Without a group: every instance is to hear of every board, the last one included.
        AIOKafkaConsumer(
            LEADERBOARD_UPDATED,
            bootstrap_servers=Settings().kafka_bootstrap_servers,
            auto_offset_reset="earliest",
            value_deserializer=Leaderboard.model_validate_json,
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
        if watchers.board is not None:
            await websocket.send_json(watchers.board.model_dump())
        while True:
            await websocket.receive_text()
    except WebSocketDisconnect:
        pass
    finally:
        watchers.connections.discard(websocket)


@app.get("/api/stream/sse", response_class=EventSourceResponse)
async def events(request: Request) -> AsyncIterable[Leaderboard]:
    """The same boards as Server-Sent Events."""
    watchers: Watchers = request.state.watchers
    queue: asyncio.Queue[Leaderboard] = asyncio.Queue()
    watchers.queues.add(queue)
    try:
        if watchers.board is not None:
            yield watchers.board
        while True:
            yield await queue.get()
    finally:
        watchers.queues.discard(queue)
