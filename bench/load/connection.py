"""One keep-alive connection: a request goes out, its answer comes in, then the next."""

import asyncio
from typing import Protocol, cast

from bench.load import heads


class Owner(Protocol):
    """Who has the connection send."""

    def answered(self, connection: "Connection", answer: heads.Answer) -> None:
        """To what it sent last; it is free again."""
        ...

    def lost(self, connection: "Connection") -> None:
        """It is gone; if it is `busy`, without an answer to its request."""
        ...


class Connection(asyncio.Protocol):
    """`intended` (ns of the monotonic clock) and `points` are those of the request under way."""

    __slots__ = ("_owner", "_rest", "_transport", "busy", "intended", "points", "retired")

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._rest = b""
        self.busy = False
        self.retired = False
        self.intended = 0
        self.points = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes, *, points: int, intended: int) -> None:
        self.busy = True
        self.points = points
        self.intended = intended
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        try:
            answer = heads.answer(data)
        except ValueError:
            self.abort()
            return
        if answer is None:
            self._rest = data
            return
        self._rest = b""
        if not self.busy:  # nobody asked
            self.abort()
            return
        self.busy = False
        self.retired = answer.last
        if answer.last:
            self._transport.close()
        self._owner.answered(self, answer)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._owner.lost(self)

    def abort(self) -> None:
        self._transport.abort()
