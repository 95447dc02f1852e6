"""
Everything that we know about uvicorn's inside: written against 0.54, held by integration tests.

uvicorn passes a bound method as ASGI's `send`; its object is the connection's protocol (WebSocket)
or the request's cycle (HTTP), and both hold the transport.
"""

import asyncio
import socket
from random import randrange
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from services.notification.connections.sse import EventStream
from services.notification.connections.stream import Stream, Watcher
from services.notification.connections.websocket import WebSocketStream

RECONNECT_WITHIN_MS = 5000
DEAD_PEER_SECONDS = 60
UNSENT_BYTES = 16 * 1024

_ENDPOINT = "uvicorn.endpoint"

# Heartbeats are always under way, so an unacknowledged one finds a dead peer without a timer of
# ours. For the kernel a peer that is there and reads nothing is as dead: it must give the hub the
# time to call that a stall, and to say so. The bound on unsent bytes keeps the kernel from hoarding
# snapshots for a slow client.
_SOCKET_OPTIONS = {
    "TCP_KEEPIDLE": DEAD_PEER_SECONDS // 2,
    "TCP_KEEPINTVL": DEAD_PEER_SECONDS // 6,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": DEAD_PEER_SECONDS * 1000,
    "TCP_NOTSENT_LOWAT": UNSENT_BYTES,
}


class Reachable:
    """An application whose routes can reach the connection that they answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[_ENDPOINT] = getattr(send, "__self__", None)
        await self._app(scope, receive, send)
        if getattr(scope[_ENDPOINT], "initial_response", None) is not None:
            # A refused upgrade is complete as well; uvicorn would log an error for each.
            scope[_ENDPOINT].handshake_complete = True


class Connections:
    """
    The streams of this process. uvicorn sees them as one connection, and shuts them down as one.
    """

    def __init__(self) -> None:
        self._streams: set[Stream] = set()
        self._seats: set[Any] = set()  # uvicorn's set of connections, once we know it
        self._draining = False

    def expect(self, scope: Scope) -> None:
        """
        A stream may follow from this request: let uvicorn tell us when it shuts down.

        Raises `RuntimeError` under a server that is not uvicorn with its default protocols.
        """
        endpoint = scope[_ENDPOINT]
        if not hasattr(endpoint, "transport"):
            raise RuntimeError("streams need uvicorn, whose connections they take over")
        if endpoint.transport.is_closing():
            return
        self._seats = endpoint.transport.get_protocol().connections
        if not self._draining:
            self._seats.add(self)
        if scope["type"] == "websocket":
            # Frames are shared and plain; the means to compress would cost 64 kB a client.
            endpoint.conn.extensions = []
            endpoint.response.headers.pop("Sec-WebSocket-Extensions", None)

    def open_websocket(self, scope: Scope, watcher: Watcher) -> Stream:
        """Take a WebSocket over, right after it was accepted. Raises `ConnectionResetError`."""
        old = _still_there(scope)
        stream = WebSocketStream(old.transport, watcher, self._lost, old.conn)
        old.stop_keepalive()
        self._take(old.transport, stream)
        early = []
        while not old.queue.empty():
            event = old.queue.get_nowait()
            early.append(event.get("text") or event.get("bytes") or b"")
        old.transport.resume_reading()
        old.transport = _Released()  # uvicorn closes the transport when the route returns
        stream.resume(early)
        return stream

    def take_websocket(
        self, transport: asyncio.Transport, early: bytes, watcher: Watcher
    ) -> Stream:
        """Take a transport that has just switched to WebSocket, and what arrived early."""
        stream = WebSocketStream(transport, watcher, self._lost)
        self._take(transport, stream)
        if early:
            stream.data_received(early)
        return stream

    def open_events(self, scope: Scope, watcher: Watcher) -> Stream:
        """Take a response over, right after its head was sent. Raises `ConnectionResetError`."""
        old = _still_there(scope)
        stream = EventStream(old.transport, watcher, self._lost)
        self._take(old.transport, stream)
        old.disconnected = True  # so that uvicorn does not miss the end of the body
        return stream

    def shutdown(self) -> None:
        """
        Send everyone away, to return spread over some seconds; repeating it changes nothing.

        uvicorn calls it at SIGTERM, and `Duty` when an operator drains this node.
        """
        self._draining = True
        for stream in list(self._streams):
            _send_away(stream)
        self._leave_if_empty()

    def _take(self, transport: asyncio.Transport, stream: Stream) -> None:
        old: Any = transport.get_protocol()
        self._seats = old.connections
        self._seats.discard(old)
        self._seats.add(self)
        self._streams.add(stream)
        transport.set_protocol(stream)
        transport.set_write_buffer_limits(high=0)
        _set_options(transport.get_extra_info("socket"))
        if self._draining:
            _send_away(stream)

    def _lost(self, stream: Stream) -> None:
        self._streams.discard(stream)
        self._leave_if_empty()

    def _leave_if_empty(self) -> None:
        if self._draining and not self._streams:
            self._seats.discard(self)


class _Released:
    """Stands where a transport was that uvicorn need not close any more."""

    def close(self) -> None:
        """Nothing to close."""


def _still_there(scope: Scope) -> Any:
    endpoint = scope[_ENDPOINT]
    if endpoint.transport.is_closing():
        raise ConnectionResetError("the client went away")
    return endpoint


def _send_away(stream: Stream) -> None:
    # Spreads a crowd, guards nothing.
    stream.shut_down(after_ms=randrange(RECONNECT_WITHIN_MS))  # noqa: S311


def _set_options(sock: Any) -> None:
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _SOCKET_OPTIONS.items():
        option = getattr(socket, name, None)  # not every system has every one
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
