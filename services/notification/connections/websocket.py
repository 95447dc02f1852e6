"""
A WebSocket after the upgrade (RFC 6455); the parsing is `websockets`' sans-I/O protocol.

A client may send `{"type":"ping"}` and gets a pong; anything else ends the stream, and so does
more than 4 kB in a message, or more than 10 messages and control frames in 10 s.
"""

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import Any

from websockets.exceptions import PayloadTooBig
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import SERVER, Protocol, State

from libs.common import metrics
from libs.common.contracts.streams import CloseCode, Pong, Reconnect
from services.notification.connections.stream import Stream, Watcher
from services.notification.domain import Variant, encode

MAX_MESSAGE_BYTES = 4096
MAX_MESSAGES = 10
MAX_FRAMES = 50  # fragments count too: they cost as much to parse as messages
WINDOW_SECONDS = 10.0

_PING = {"type": "ping"}
_PONG = encode(Pong()).websocket


class WebSocketStream(Stream):
    """A stream to a WebSocket client."""

    __slots__ = ("_begun", "_fragments", "_frames", "_messages", "_window_ends")

    def __init__(
        self,
        transport: asyncio.Transport,
        watcher: Watcher,
        on_lost: Callable[[Stream], None],
        begun: Protocol | None = None,
    ) -> None:
        """`begun`: who has read of it so far."""
        super().__init__(transport, Variant.WEBSOCKET, watcher, on_lost)
        if begun is not None:
            begun.max_message_size = MAX_MESSAGE_BYTES
        self._begun = begun
        self._fragments = b""
        self._window_ends = 0.0
        self._frames = 0
        self._messages = 0

    @property
    def _conn(self) -> Protocol:
        """Made when it is needed: most who watch never say anything."""
        if self._begun is None:
            self._begun = Protocol(SERVER, max_size=MAX_MESSAGE_BYTES)
        return self._begun

    def data_received(self, data: bytes) -> None:
        if self._conn.eof_sent:  # what still comes was sent before they heard that it is over
            return
        self._conn.receive_data(data)
        for frame in self._conn.events_received():
            assert isinstance(frame, Frame)
            self._received(frame)
        output = b"".join(self._conn.data_to_send())
        if self._conn.parser_exc is not None:
            output = self._refused(self._conn.parser_exc, output)
        if output:
            self.write(output)
        if self._conn.eof_sent:  # the library wants the connection to end here
            self.end_soon()
            self.half_close()

    def resume(self, early: Iterable[str | bytes]) -> None:
        """Handle the messages that came before the stream was taken over."""
        for message in early:
            self._count(fin=True)
            self._message(message)

    def say_goodbye(self, code: CloseCode, reason: str) -> None:
        if self._conn.state is State.OPEN:
            self._conn.send_close(code, reason)
            self.write(b"".join(self._conn.data_to_send()))

    def shut_down(self, *, after_ms: int) -> None:
        if self._closing is None:
            self.write(encode(Reconnect(after_ms=after_ms)).websocket)
        self.close(CloseCode.DRAINING, "this server is restarting")

    def _received(self, frame: Frame) -> None:
        if self._closing is not None or frame.opcode is Opcode.CLOSE:
            return
        self._count(fin=frame.fin)
        if frame.opcode is Opcode.BINARY:
            self._message(b"")
        elif frame.opcode in (Opcode.TEXT, Opcode.CONT):
            self._fragments += frame.data
            if frame.fin:
                text, self._fragments = self._fragments, b""
                self._text(text)

    def _text(self, encoded: bytes) -> None:
        try:
            self._message(encoded.decode())
        except UnicodeDecodeError:
            self.close(CloseCode.INVALID_TEXT, "a text message is not UTF-8")

    def _message(self, message: str | bytes) -> None:
        if self._closing is None:
            if _means(message) == _PING:
                self.write(_PONG)
            else:
                self.close(CloseCode.PROTOCOL_ERROR, "only a ping is understood")

    def _count(self, *, fin: bool) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._window_ends:
            self._window_ends = now + WINDOW_SECONDS
            self._frames = self._messages = 0
        self._frames += 1
        self._messages += fin
        if self._messages > MAX_MESSAGES or self._frames > MAX_FRAMES:
            self.close(CloseCode.PROTOCOL_ERROR, "too many messages")

    def _refused(self, error: Exception, output: bytes) -> bytes:
        """What to send about something that is no WebSocket, or too much of one."""
        code = self._conn.close_sent.code if self._conn.close_sent else CloseCode.PROTOCOL_ERROR
        if isinstance(error, PayloadTooBig):
            # The library says 1009, which would have the client come back and try again.
            code = CloseCode.PROTOCOL_ERROR
            close = Close(code, f"a message is larger than {MAX_MESSAGE_BYTES} bytes")
            output = Frame(Opcode.CLOSE, close.serialize()).serialize(mask=False)
        metrics.CLOSES.labels(int(code)).inc()
        return output


def _means(message: str | bytes) -> Any:
    try:
        return json.loads(message)
    except (ValueError, RecursionError):
        return None
