"""What a stream's connection is, whatever it speaks: flow control, and an orderly end."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from libs.common import metrics
from libs.common.contracts.streams import CloseCode
from services.notification.domain import UNSEEN, Client, Variant

CLOSE_SECONDS = 2.0


class Watcher(Protocol):
    """Who is told what happens to a stream."""

    def drained(self, client: Client) -> None:
        """Its write buffer is empty again."""
        ...

    def closed(self, client: Client) -> None:
        """It is gone; told once."""
        ...


class Stream(Client, asyncio.Protocol):
    """
    A connection that was taken over.

    `writable` is true exactly while the transport's buffer is empty, because its limits are zero.
    """

    __slots__ = ("_closing", "_on_lost", "_transport", "_watcher")

    def __init__(
        self,
        transport: asyncio.Transport,
        variant: Variant,
        watcher: Watcher,
        on_lost: Callable[["Stream"], None],
    ) -> None:
        self.variant = variant
        self.writable = not transport.is_closing() and transport.get_write_buffer_size() == 0
        self.sent = UNSEEN
        self.unwritable_since = None
        self.write = transport.write
        self._transport = transport
        self._watcher = watcher
        self._on_lost = on_lost
        self._closing: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        if self._closing is None:
            self.writable = True
            self._watcher.drained(self)

    def eof_received(self) -> None:
        """The peer sends no more: the transport closes by itself."""

    def connection_lost(self, _exc: Exception | None) -> None:
        self.writable = False
        if self._closing is not None:
            self._closing.cancel()
        self._on_lost(self)
        self._watcher.closed(self)

    def close(self, code: CloseCode, reason: str) -> None:
        if self._closing is None:
            metrics.CLOSES.labels(int(code)).inc()
            self.say_goodbye(code, reason)
            self.end_soon()

    def say_goodbye(self, code: CloseCode, reason: str) -> None:
        """Write the last bytes, in the words of what is spoken here."""
        raise NotImplementedError

    def shut_down(self, *, after_ms: int) -> None:
        """Close because this process ends; the client had better come back after so long."""
        raise NotImplementedError

    def end_soon(self) -> None:
        """No more frames; a peer that has not hung up in 2 s is hung up on."""
        self.writable = False
        if self._closing is None:
            loop = asyncio.get_running_loop()
            self._closing = loop.call_later(CLOSE_SECONDS, self._transport.abort)

    def half_close(self) -> None:
        """
        Send the end of the stream and go on reading until the peer's.

        Closing with something unread would reset the connection, and the peer might never see
        our last bytes.
        """
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()
