"""
Server-sent events after the response's head: chunks of an HTTP/1.1 body that has no end.

The client has nothing to say any more; if it does, the stream ends.
"""

import asyncio
from collections.abc import Callable

from libs.common.contracts.streams import CloseCode, Reconnect
from services.notification.connections.stream import Stream, Watcher
from services.notification.domain import Variant, chunk, encode

_LAST_CHUNK = b"0\r\n\r\n"


class EventStream(Stream):
    """A stream to an `EventSource`."""

    __slots__ = ()

    def __init__(
        self,
        transport: asyncio.Transport,
        watcher: Watcher,
        on_lost: Callable[[Stream], None],
    ) -> None:
        super().__init__(transport, Variant.SSE, watcher, on_lost)

    def data_received(self, _data: bytes) -> None:
        self.close(CloseCode.PROTOCOL_ERROR, "nothing more was asked")

    def say_goodbye(self, code: CloseCode, reason: str) -> None:
        """End the body. The browser comes back by itself, and is refused if it must not."""
        self.write(chunk(f": {code:d} {reason}\n\n".encode()) + _LAST_CHUNK)
        self.half_close()

    def shut_down(self, *, after_ms: int) -> None:
        if self._closing is None:
            self.write(encode(Reconnect(after_ms=after_ms), retry_ms=after_ms).sse)
        self.close(CloseCode.DRAINING, "this server is restarting")
