"""How a stream begins: what a client asks, and what the server must have answered."""

import base64
import hashlib
import os
from typing import Protocol

from bench.load import heads
from bench.load.frames import EventReader, Reader, WebSocketReader

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3


class Refused(ValueError):
    """The server opened no stream."""


class Handshake(Protocol):
    """Of one connection."""

    request: bytes

    def reader(self, head: bytes) -> Reader:
        """For what follows the answer's head. Raises `Refused`."""
        ...


class WebSocketHandshake:
    """An upgrade, RFC 6455 section 4, with the offer that every browser makes (RFC 7692)."""

    def __init__(self, address: heads.Address) -> None:
        key = base64.b64encode(os.urandom(16))
        digest = hashlib.sha1(key + _GUID, usedforsecurity=False).digest()
        self._proof = base64.b64encode(digest).lower()  # as all of the head is
        self.request = _get(address) + (
            b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: %b\r\n"
            b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n" % key
        )

    def reader(self, head: bytes) -> Reader:
        _expect(head, 101)
        if heads.field(head, b"sec-websocket-accept") != self._proof:
            raise Refused("not the answer to this key")
        extensions = heads.field(head, b"sec-websocket-extensions")
        return WebSocketReader(deflated=extensions.startswith(b"permessage-deflate"))


class EventsHandshake:
    """A `GET` whose body does not end."""

    def __init__(self, address: heads.Address) -> None:
        self.request = _get(address) + b"Accept: text/event-stream\r\n\r\n"

    def reader(self, head: bytes) -> Reader:
        _expect(head, 200)
        if not heads.field(head, b"content-type").startswith(b"text/event-stream"):
            raise Refused("no event stream")
        return EventReader(chunked=heads.field(head, b"transfer-encoding") == b"chunked")


def handshake(url: str) -> Handshake:
    """WebSocket for `ws://`, server-sent events for `http://`."""
    address = heads.Address.of(url)
    return WebSocketHandshake(address) if url.startswith("ws:") else EventsHandshake(address)


def _get(address: heads.Address) -> bytes:
    return f"GET {address.target} HTTP/1.1\r\nHost: {address.authority}\r\n".encode()


def _expect(head: bytes, wanted: int) -> None:
    status = heads.status(head)
    if status != wanted:
        raise Refused(f"status {status}")
