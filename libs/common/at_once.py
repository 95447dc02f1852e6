"""
Requests that arrive whole: read in one go, and answered without a task and without ASGI.

httptools reads them, as it does for uvicorn; what uvicorn makes of them for ASGI is not made.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

# What a lifespan may yield beside its parts: an `AtOnce`.
AT_ONCE = "at_once"

Fields = list[tuple[bytes, bytes]]
"""Names in lower case and values, in their order."""
Answer = Callable[[int, Fields, bytes], None]
"""Status, header fields without line breaks, and the body; the length of it is said by them."""


class Whole(NamedTuple):
    """A request that is all there; `client` is the address that it comes from."""

    fields: Fields
    body: bytes
    client: str


class AtOnce(Protocol):
    """Takes requests of one kind, and answers each now or later."""

    line: bytes
    """Their request line, with its end."""

    def __call__(self, request: Whole, answer: Answer) -> bool:
        """False: it is no ordinary one, nothing was done, and the application is to answer."""
        ...


class Reader:
    """
    Reads requests out of pieces of what arrived, each out of one.

    It remembers nothing from piece to piece, so one is enough for all connections.
    """

    def __init__(self) -> None:
        self._begin_anew()

    def read(self, data: bytes) -> tuple[Fields, bytes] | None:
        """
        Header fields and body, if `data` is exactly one request and the connection may stay open.

        None: it is more or less than that, or not HTTP, or asks for another protocol.
        """
        self._fields: Fields = []
        self._body = b""
        self._open = self._complete = False
        self._unusual = False
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._unusual = True
        if self._complete and self._open and not self._unusual:
            return self._fields, self._body
        self._begin_anew()
        return None

    def _begin_anew(self) -> None:
        self._parser = HttpRequestParser(self)

    # What follows is called by the parser.

    def on_message_begin(self) -> None:
        self._unusual |= self._complete  # the beginning of another

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._open = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_chunk_header(self) -> None:
        self._unusual = True  # it may have fields after its body, too

    def on_message_complete(self) -> None:
        self._complete = True
