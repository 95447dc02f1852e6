"""
What a server sends on a stream, taken apart as it arrives, at whatever boundaries.

RFC 6455 as a server may speak it to a client that offers to inflate (RFC 7692), as browsers do;
server-sent events as in the HTML standard, as chunks of HTTP/1.1 or plain.
"""

from typing import Protocol

from bench.load.heads import Broken

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
DEFLATED = 0x41  # a text with the bit of RFC 7692
MAX_FRAME_BYTES = 1 << 20

_FIN = 0x80
_WHOLE = frozenset(_FIN | opcode for opcode in (TEXT, CLOSE, PING, PONG))
_WHOLE_OR_DEFLATED = _WHOLE | {_FIN | DEFLATED}
_MASK = _FIN  # the first bit of the second byte
_LENGTH_BYTES = {126: 2, 127: 8}
_NO_KEY = bytes(4)  # masks nothing: proxies that a mask protects are not between us and the server

Frame = tuple[int, bytes]
"""An opcode and its payload; an event's data is a text."""


class Reader(Protocol):
    """Takes a stream apart."""

    def feed(self, data: memoryview) -> list[Frame]:
        """The frames that are complete with this. Raises `Broken`."""
        ...


class WebSocketReader:
    """Frames of a WebSocket; a deflated text stays as it is."""

    __slots__ = ("_kinds", "_rest")

    def __init__(self, *, deflated: bool = False) -> None:
        self._kinds = _WHOLE_OR_DEFLATED if deflated else _WHOLE
        self._rest = b""

    def feed(self, data: memoryview) -> list[Frame]:
        view: bytes | memoryview = self._rest + data if self._rest else data
        at, end = 0, len(view)
        frames: list[Frame] = []
        while end - at >= 2:
            length, body = view[at + 1], at + 2
            if length & _MASK or view[at] not in self._kinds:
                raise Broken("a frame in parts, masked, or of a kind that was not agreed")
            if width := _LENGTH_BYTES.get(length, 0):
                if end - body < width:
                    break
                length = int.from_bytes(view[body : body + width], "big")
                body += width
            if length > MAX_FRAME_BYTES:
                raise Broken(f"a frame of {length} bytes")
            if body + length > end:
                break
            frames.append((view[at] & ~_FIN, bytes(view[body : body + length])))
            at = body + length
        self._rest = bytes(view[at:])
        return frames


class EventReader:
    """Server-sent events; the end of the body is a CLOSE."""

    __slots__ = ("_chunked", "_rest", "_text")

    def __init__(self, *, chunked: bool) -> None:
        self._chunked = chunked
        self._rest = b""
        self._text = b""

    def feed(self, data: memoryview) -> list[Frame]:
        piece, ended = self._unchunk(data) if self._chunked else (bytes(data), False)
        text = (self._text + piece).replace(b"\r\n", b"\n")
        *events, self._text = text.split(b"\n\n")
        if len(self._text) > MAX_FRAME_BYTES:
            raise Broken("an event without end")
        frames = [(TEXT, found) for event in events if (found := _data_of(event))]
        return [*frames, (CLOSE, b"")] if ended else frames

    def _unchunk(self, data: memoryview) -> tuple[bytes, bool]:
        """The body in these bytes, and whether it ends with them."""
        raw, at, ended = self._rest + data, 0, False
        pieces = []
        while not ended and (line := raw.find(b"\r\n", at)) >= 0:
            size = int(raw[at:line].partition(b";")[0], 16)
            if size > MAX_FRAME_BYTES:
                raise Broken(f"a chunk of {size} bytes")
            begin, end = line + 2, line + 2 + size
            if end + 2 > len(raw):
                break
            pieces.append(raw[begin:end])
            at, ended = end + 2, not size
        self._rest = raw[at:]
        return b"".join(pieces), ended


def pong(payload: bytes) -> bytes:
    """The frame that answers a ping."""
    return bytes((_FIN | PONG, _MASK | len(payload))) + _NO_KEY + payload


def close_code(payload: bytes) -> int:
    """Of a close frame; 1005 if it names none."""
    return int.from_bytes(payload[:2], "big") or 1005


def _data_of(event: bytes) -> bytes:
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line[:5] == b"data:"]
    return b"\n".join(lines)
