"""
uvicorn's HTTP/1.1, with the bounds that it lacks: `uvicorn --http libs.common.server:BoundedHttp`.

uvicorn 0.54 waits for ever for the rest of a request's head, takes a head of any size, reads on
after an answer that did not need the body, and waits for ever for a client that does not read.
A silent connection is ended by its keep-alive; a body that is read is bounded by `app.BodyLimit`.
"""

import asyncio
from itertools import chain
from typing import Any
from uuid import uuid4

from starlette.types import Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from libs.common.at_once import AT_ONCE, AtOnce, Fields, Reader, Whole
from libs.common.problems import problem
from libs.common.proxies import origin_of

HEAD_SECONDS = 5.0
MAX_HEAD_BYTES = 16 * 1024
STALL_SECONDS = 30.0

# An extension of ASGI, in `scope["extensions"]`: see `BoundedHttp.answer_whole`.
WHOLE = "live_scoreboard.whole"

Extensions = dict[str, dict[object, object]]

_NONE: dict[str, Any] = {}
_READER = Reader()


async def answer(scope: Scope, send: Send, status: int, fields: Fields, body: bytes) -> None:
    """Answer in one piece where the server can; the fields must not hold a line break."""
    whole = scope.get("extensions", _NONE).get(WHOLE)
    if whole is None or not whole["answer"](scope, status, fields, body):
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": body})


class HeadTooLarge(Exception):
    """Raised inside the parser, which then reads no further."""


class BoundedHttp(HttpToolsProtocol):
    """
    One connection. It has `HEAD_SECONDS` to bring a head of at most `MAX_HEAD_BYTES`, from its
    beginning or from the first byte after an answer on; and `STALL_SECONDS` to read what waits.

    What the application's `AtOnce` takes never reaches uvicorn's parser.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._in_message = self._in_head = False
        self._arrived_bytes = self._arriving_bytes = self._field_bytes = 0
        self._extensions: Extensions = {WHOLE: {"answer": self.answer_whole}}
        self._at_once: AtOnce | None = self.app_state.get(AT_ONCE)
        self._taken = self._early = b""  # what is being answered, and what came meanwhile
        self._is_ending = False
        self._answered_at = 0.0
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unset_deadline()
        self._unset_stalled()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._taken:
            # HTTP/1.1 answers in the order of the requests.
            self._early += data
            self.flow.pause_reading()
            return
        at_once = self._at_once
        if at_once is None or not data.startswith(at_once.line) or not self._take(at_once, data):
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        """Give what arrived to uvicorn."""
        self._arriving_bytes = len(data)
        super().data_received(data)
        # A head that is not complete, or the rest of a body that nobody waits for any more.
        if self._in_head or (self.cycle is not None and self.cycle.response_complete):
            self._set_deadline()
        if self._in_head:
            # A field that does not end is not shown to us: count what comes, and was not shown.
            self._arrived_bytes += len(data)
            if self._arrived_bytes > MAX_HEAD_BYTES:
                self._too_large()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(STALL_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._unset_stalled()
        super().resume_writing()

    def shutdown(self) -> None:
        if self._taken:
            self._is_ending = True
        else:
            super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        """Answers of an `AtOnce` do not set it anew: that costs as much as reading a request."""
        now = self.loop.time()
        since = now if self._taken else self._answered_at
        if (rest := since + self.timeout_keep_alive - now) > 0:
            self._keep_alive(rest)
        else:
            super().timeout_keep_alive_handler()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_message = self._in_head = True
        self._arrived_bytes = self._field_bytes = 0

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._unset_deadline()
        # Counted only if so many bytes have come at all, which hardly ever is so.
        if self._arrived_bytes + self._arriving_bytes > MAX_HEAD_BYTES:
            self._field_bytes = len(self.url) + sum(map(len, chain.from_iterable(self.headers)))
            if self._field_bytes > MAX_HEAD_BYTES:
                raise HeadTooLarge
        self.scope["extensions"] = self._extensions
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_message = False
        super().on_message_complete()

    def answer_whole(self, scope: Scope, status: int, fields: Fields, body: bytes) -> bool:
        """
        Answer a request in one piece: one write, where uvicorn checks each field and writes twice.

        For fields that cannot hold a line break; their length is said. False: nothing was done,
        because the connection is not in its ordinary state; then send it as ASGI does.
        """
        cycle = self.cycle
        if cycle.scope is not scope or cycle.response_started or not cycle.keep_alive:
            return False
        if cycle.disconnected or self.flow.write_paused:
            return False
        self.transport.write(self._head(status, fields) + body)
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()
        return True

    def _take(self, at_once: AtOnce, data: bytes) -> bool:
        """Have a request answered, if it is whole and nothing else is under way."""
        # Bytes of a body that nobody read may look like a request, and are none.
        busy = self._in_message or (self.cycle is not None and not self.cycle.response_complete)
        if busy or self.flow.write_paused or len(data) > MAX_HEAD_BYTES:
            return False
        read = _READER.read(data)
        if read is None or read.upgrades != at_once.upgrades:
            return False
        self._taken = data
        client, scheme = origin_of(read.fields, self.client, self.scheme or "", self.config)
        if not at_once(Whole(read.target, read.fields, read.body, client, scheme), self):
            self._taken = b""
            return False
        self._unset_deadline()
        return True

    def answer(self, status: int, fields: Fields, body: bytes) -> None:
        """As a `Connection`."""
        self._taken = b""
        if self.transport.is_closing():
            return
        ending = [(b"connection", b"close")] if self._is_ending else []
        self.transport.write(self._head(status, [*fields, *ending]) + body)
        self.server_state.total_requests += 1
        if self._is_ending:
            self.transport.close()
            return
        self._answered_at = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._keep_alive(self.timeout_keep_alive)
        if self._early:
            self.data_received(self._bring_early())

    def switch(self, fields: Fields) -> tuple[asyncio.Transport, bytes]:
        """As a `Connection`."""
        if self._is_ending:
            self.transport.close()
        if self.transport.is_closing():
            raise ConnectionResetError("the client or the server goes away")
        self.transport.write(self._head(101, fields))
        self._unset_keepalive_if_required()
        self.connections.discard(self)
        return self.transport, self._bring_early()

    def pass_on(self) -> None:
        """As a `Connection`."""
        data, self._taken = self._taken, b""
        if self.transport.is_closing():
            return
        self._feed(data + self._bring_early())
        if self._is_ending and self.cycle is not None:
            super().shutdown()

    def _bring_early(self) -> bytes:
        data, self._early = self._early, b""
        self.flow.resume_reading()
        return data

    def _head(self, status: int, fields: Fields) -> bytes:
        content = [STATUS_LINE[status]]
        for name, value in self.server_state.default_headers:
            content += (name, b": ", value, b"\r\n")
        for name, value in fields:
            content += (name, b": ", value, b"\r\n")
        content.append(b"\r\n")
        return b"".join(content)

    def _keep_alive(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls when a request cannot be read."""
        if self._field_bytes > MAX_HEAD_BYTES:
            self._too_large()
        else:
            self._refuse(400, "bad-request", msg)

    def _set_deadline(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self._too_late)

    def _unset_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _unset_stalled(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _too_large(self) -> None:
        self._refuse(431, "request-header-fields-too-large", "the head of the request is too large")

    def _too_late(self) -> None:
        self._deadline = None
        if self._in_head:
            self._refuse(408, "request-timeout", "the head of the request took too long to arrive")
        else:
            self.transport.close()

    def _refuse(self, status: int, code: str, detail: str) -> None:
        if self.transport.is_closing():
            return
        headers = {"Connection": "close"}
        answer = problem(status, code, detail, request_id=uuid4().hex, headers=headers)
        fields = b"".join(b"%b: %b\r\n" % field for field in answer.raw_headers)
        self.transport.write(b"".join((STATUS_LINE[status], fields, b"\r\n", answer.body)))
        self.transport.close()
