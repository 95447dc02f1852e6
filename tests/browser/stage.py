"""
A scoreboard that does what a test says: the real web files, and everything behind them played.

It speaks the stream protocol of `docs/` over WebSocket and server-sent events, on a thread of its
own. Nothing is sent but what a test pushes, and the newest snapshot to whoever connects.
"""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from aiohttp import web

from services.gateway import web as web_files

WEB = Path(web_files.__file__).parent
ANSWER_SECONDS = 5
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
# As the gateway's, and no markup made by scripts besides.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)

Frame = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Opened:
    """A stream that was asked for; `transport` is "ws" or "sse"."""

    transport: str
    since: str
    ticket: str


@dataclass(frozen=True)
class _Connection:
    send: Callable[[Frame], Awaitable[None]]
    close: Callable[[int], Awaitable[None]]


@dataclass
class Stage:
    """
    Change a field at any time; what happens next follows it.

    `html` is served in place of the page, by another site for example.
    """

    html: str = ""
    names: dict[str, str] = field(default_factory=dict)
    refuse_websocket: bool = False
    score_status: int = 200
    user_id: str = "alice"
    opened: list[Opened] = field(default_factory=list)
    increments: list[str] = field(default_factory=list)
    newest: Frame | None = None
    port: int = 0

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._connections: set[_Connection] = set()
        self._runner: web.AppRunner | None = None
        self._tickets = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve; on the same port as before, if there was one."""
        self._run(self._start())

    def stop(self) -> None:
        """Go away, and all connections with it."""
        self._run(self._stop())

    def push(self, frame: Frame) -> None:
        """Send a frame to every stream; a snapshot is what later ones begin with."""
        self._run(self._push(frame))

    def show(self, *scores: tuple[str, int], rev: int, epoch: int = 1, **more: Any) -> None:
        """Push a snapshot of this top ten."""
        top = [{"user_id": user_id, "score": score} for user_id, score in scores]
        self.push(
            {"type": "snapshot", "board": "global", "epoch": epoch, "rev": rev, "top_10": top}
            | {"moves": {}, "reason": "scores", "timestamp": "2025-03-01T12:34:00Z"}
            | {"accepted_at": "2025-03-01T12:34:00Z"}
            | more
        )

    def close_streams(self, code: int) -> None:
        """Close every stream; an event stream just ends."""
        self._run(self._close(code))

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self._page),
            web.get("/embed.js", self._file),
            web.get("/web/{path:.+}", self._file),
            web.get("/api/config", self._config),
            web.get("/api/players", self._players),
            web.get("/api/stream", self._socket),
            web.get("/api/stream/sse", self._events),
            web.post("/api/auth/{action}", self._account),
            web.post("/api/stream/ticket", self._ticket),
            web.post("/api/scores", self._scores),
        ]

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(ANSWER_SECONDS)

    async def _start(self) -> None:
        app = web.Application()
        app.add_routes(self.routes())
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        await self._close(1012)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _push(self, frame: Frame) -> None:
        if frame["type"] == "snapshot":
            self.newest = frame
        for connection in list(self._connections):
            await connection.send(frame)

    async def _close(self, code: int) -> None:
        for connection in list(self._connections):
            await connection.close(code)

    async def _page(self, _request: web.Request) -> web.StreamResponse:
        if self.html:
            return web.Response(text=self.html, content_type="text/html")
        return web.Response(
            text=(WEB / "index.html").read_text(),
            content_type="text/html",
            headers={"Content-Security-Policy": POLICY},
        )

    async def _file(self, request: web.Request) -> web.StreamResponse:
        file = WEB / request.match_info.get("path", "embed.js")
        return web.Response(
            text=file.read_text(),
            content_type=TYPES[file.suffix],
            headers={"Access-Control-Allow-Origin": "*", "Cache-Control": "no-store"},
        )

    async def _config(self, _request: web.Request) -> web.StreamResponse:
        return _read({"stream_url": "", "max_increment": 1000, "heartbeat_seconds": 5})

    async def _players(self, request: web.Request) -> web.StreamResponse:
        ids = request.query["ids"].split(",")
        return _read({"names": {id_: self.names[id_] for id_ in ids if id_ in self.names}})

    async def _account(self, request: web.Request) -> web.StreamResponse:
        action = request.match_info["action"]
        sent = await request.json()
        if sent.get("password") == "wrong password":
            return _refusal(401, "login or password is wrong")
        if action == "logout":
            return web.Response(status=204)
        name = self.names.get(self.user_id, self.user_id)
        return web.json_response(
            {"user_id": self.user_id, "display_name": name, "token_type": "Bearer"}
            | {"access_token": "a.b.c", "refresh_token": "r", "expires_in": 900}
        )

    async def _ticket(self, _request: web.Request) -> web.StreamResponse:
        self._tickets += 1
        return web.json_response({"ticket": f"ticket-{self._tickets}", "expires_in": 30})

    async def _scores(self, request: web.Request) -> web.StreamResponse:
        self.increments.append(request.headers["Idempotency-Key"])
        status, self.score_status = self.score_status, 200
        if status != 200:
            return _refusal(status, "not now")
        return web.json_response({"user_id": self.user_id, "new_score": 1234, "version": 2})

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        self._note("ws", request)
        if self.refuse_websocket:
            return _refusal(403, "no WebSocket here")
        socket = web.WebSocketResponse()
        await socket.prepare(request)

        async def close(code: int) -> None:
            await socket.close(code=code)

        await self._join(_Connection(socket.send_json, close), socket.receive)
        return socket

    async def _events(self, request: web.Request) -> web.StreamResponse:
        self._note("sse", request)
        stream = web.StreamResponse(headers={"Access-Control-Allow-Origin": "*"})
        stream.content_type = "text/event-stream"
        await stream.prepare(request)
        over = asyncio.Event()

        async def send(frame: Frame) -> None:
            await stream.write(f"event: {frame['type']}\ndata: {json.dumps(frame)}\n\n".encode())

        async def close(_code: int) -> None:
            over.set()

        await self._join(_Connection(send, close), over.wait)
        return stream

    async def _join(self, connection: _Connection, end: Callable[[], Awaitable[Any]]) -> None:
        self._connections.add(connection)
        try:
            if self.newest is not None:
                await connection.send(self.newest)
            await end()
        finally:
            self._connections.discard(connection)

    def _note(self, transport: str, request: web.Request) -> None:
        query = request.query
        self.opened.append(Opened(transport, query.get("since", ""), query.get("ticket", "")))


def _read(body: Any) -> web.Response:
    return web.json_response(body, headers={"Access-Control-Allow-Origin": "*"})


def _refusal(status: int, detail: str) -> web.Response:
    return web.json_response({"detail": detail}, status=status, headers={"Retry-After": "1"})
