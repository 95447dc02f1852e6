"""Servers that the load generator is tried on: what they are asked is written down."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from http import HTTPStatus
from typing import cast

from websockets.asyncio.server import Server, ServerConnection, broadcast, serve
from websockets.http11 import Request, Response

from bench.load import heads
from libs.common.tasks import background

HOST = "127.0.0.1"
THROTTLE_SECONDS = 0.02


class Scores:
    """
    Takes increments. A user's token is their id.

    `delay_seconds` holds each answer back, `held_until` (the loop's time) all of them, `answer`
    makes other bytes of the usual ones, None for a connection that breaks. Answers go out in
    pieces of `piece_bytes`.
    """

    def __init__(self) -> None:
        self.delay_seconds = 0.0
        self.held_until = 0.0
        self.piece_bytes = 1 << 16
        self.answer: Callable[[int, bytes], bytes | None] = lambda _number, answer: answer
        self.totals: dict[str, int] = {}
        self.keys: list[str] = []
        self.points: list[int] = []
        self.connections = 0

    def take(self, head: bytes, body: bytes) -> bytes | None:
        assert head.startswith(b"post /api/scores http/1.1\r\nhost: 127.0.0.1:")
        assert heads.field(head, b"content-type") == b"application/json"
        user = heads.field(head, b"authorization").decode().removeprefix("bearer ")
        points = json.loads(body)["score_increment"]
        self.keys.append(heads.field(head, b"idempotency-key").decode())
        self.points.append(points)
        self.totals[user] = self.totals.get(user, 0) + points
        text = json.dumps({"user_id": user, "new_score": self.totals[user]}).encode()
        return self.answer(len(self.points), http_answer(text))

    def frame(self, rev: int) -> str:
        top = sorted(self.totals.items(), key=lambda entry: -entry[1])[:10]
        entries = [{"user_id": user, "score": score} for user, score in top]
        return json.dumps({"type": "snapshot", "epoch": 1, "rev": rev, "top_10": entries})


class _Connection(asyncio.Protocol):
    def __init__(self, scores: Scores) -> None:
        self._scores = scores
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._scores.connections += 1

    def data_received(self, data: bytes) -> None:
        self._rest += data
        parts = heads.split(self._rest)
        if parts is None or len(parts[1]) < int(heads.field(parts[0], b"content-length")):
            return
        self._rest = b""
        answer = self._scores.take(*parts)
        loop = asyncio.get_running_loop()
        wait = max(self._scores.delay_seconds, self._scores.held_until - loop.time())
        if answer is None:
            self._transport.abort()
        elif wait > 0:
            loop.call_later(wait, self._send, answer)
        else:
            self._send(answer)

    def _send(self, answer: bytes) -> None:
        size = self._scores.piece_bytes
        piece, rest = answer[:size], answer[size:]
        if self._transport.is_closing():
            return
        self._transport.write(piece)
        if rest:
            asyncio.get_running_loop().call_later(0.001, self._send, rest)
        elif b"connection: close" in answer:
            self._transport.close()


def http_answer(body: bytes, *, status: int = 200, fields: bytes = b"") -> bytes:
    head = b"HTTP/1.1 %d Whatever\r\n%bcontent-length: %d\r\n\r\n" % (status, fields, len(body))
    return head + body


@asynccontextmanager
async def taking(scores: Scores) -> AsyncGenerator[str, None]:
    """The URL to post to."""
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: _Connection(scores), HOST, 0) as server:
        yield f"http://{HOST}:{server.sockets[0].getsockname()[1]}/api/scores"


class Stream:
    """
    A WebSocket server that sends everybody the same, and one frame to who comes.

    As many of those who come next are refused as `refusals` says.
    """

    refusals = 0

    def __init__(self, server: Server, greeting: str) -> None:
        self._server = server
        self.greeting = greeting
        self.url = f"ws://{HOST}:{next(iter(server.sockets)).getsockname()[1]}/api/stream"

    @property
    def clients(self) -> set[ServerConnection]:
        return set(self._server.connections)

    def send(self, text: str) -> None:
        broadcast(self._server.connections, text)


@asynccontextmanager
async def streaming(
    greeting: str = '{"top_10":[]}', *, compression: str | None = None
) -> AsyncGenerator[Stream, None]:
    async def attend(client: ServerConnection) -> None:
        await client.send(stream.greeting)
        await client.wait_closed()

    def refused(client: ServerConnection, _request: Request) -> Response | None:
        if not stream.refusals:
            return None
        stream.refusals -= 1
        return client.respond(HTTPStatus.SERVICE_UNAVAILABLE, "")

    async with serve(
        attend, HOST, 0, compression=compression, ping_interval=None, process_request=refused
    ) as server:
        stream = Stream(server, greeting)
        yield stream


@asynccontextmanager
async def scoreboard() -> AsyncGenerator[tuple[Scores, str, str], None]:
    """Scores, and their boards at most every 20 ms; with the URLs of POST and of the stream."""
    scores = Scores()

    async def show(stream: Stream) -> None:
        shown, rev = "", 0
        while True:
            if (text := scores.frame(0)) != shown:
                shown, rev = text, rev + 1
                stream.greeting = scores.frame(rev)
                stream.send(stream.greeting)
            await asyncio.sleep(THROTTLE_SECONDS)

    async with AsyncExitStack() as opened:
        url = await opened.enter_async_context(taking(scores))
        stream = await opened.enter_async_context(streaming())
        await opened.enter_async_context(background(show(stream), name="show"))
        yield scores, url, stream.url


@asynccontextmanager
async def sending_events(pieces: list[bytes]) -> AsyncGenerator[str, None]:
    """A server of one chunked event stream, written in exactly these pieces."""

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.005)
        with suppress(ConnectionResetError):  # a crowd leaves abruptly
            await reader.read()
        writer.close()

    async with await asyncio.start_server(attend, HOST, 0) as server:
        yield f"http://{HOST}:{server.sockets[0].getsockname()[1]}/api/stream/sse"
