"""
Requests that arrive whole: read in one go, and answered without a task and without ASGI.

httptools reads them, as it does for uvicorn; what uvicorn makes of them for ASGI is not made.
"""

import asyncio
from typing import NamedTuple, Protocol

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

# What a lifespan may yield beside its parts: an `AtOnce`.
AT_ONCE = "at_once"

Fields = list[tuple[bytes, bytes]]
"""Names in lower case and values, in their order."""


class Read(NamedTuple):
    """What was read; `upgrades`: it asks for another protocol."""

    target: bytes
    fields: Fields
    body: bytes
    upgrades: bool


class Whole(NamedTuple):
    """A request that is all there; `client` is the address that it comes from."""

    target: bytes
    fields: Fields
    body: bytes
    client: str
    scheme: str


class Connection(Protocol):
    """What a request came over; one of these is to be called, once."""

    def answer(self, status: int, fields: Fields, body: bytes) -> None:
        """Send this; no field may hold a line break, and they say the length of the body."""
        ...

    def switch(self, fields: Fields) -> tuple[asyncio.Transport, bytes]:
        """
        Answer 101, and give up the transport, with what arrived early.

        Raises `ConnectionResetError`: the client has gone away, or the server is about to.
        """
        ...

    def pass_on(self) -> None:
        """Have the application answer after all."""
        ...


class AtOnce(Protocol):
    """Takes requests of one kind, and answers each now or later."""

    line: bytes
    """How they begin."""
    upgrades: bool
    """Whether they ask for another protocol."""

    def __call__(self, request: Whole, connection: Connection) -> bool:
        """False: it is no ordinary one, nothing was done, and the application is to answer."""
        ...


class Reader:
    """
    Reads requests out of pieces of what arrived, each out of one.

    It remembers nothing from piece to piece, so one is enough for all connections.
    """

    def __init__(self) -> None:
        self._begin_anew()

    def read(self, data: bytes) -> Read | None:
        """
        What `data` says, if it is exactly one request and the connection may stay open.

        None: it is more or less than that, or not HTTP/1.1.
        """
        self._target = self._body = b""
        self._fields: Fields = []
        self._open = self._complete = False
        self._unusual = False
        upgrades = False
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            upgrades = True
            self._unusual |= upgrade.args[0] != len(data)
        except HttpParserError:
            self._unusual = True
        ordinary = self._complete and self._open and not self._unusual
        if upgrades or not ordinary:
            self._begin_anew()
        return Read(self._target, self._fields, self._body, upgrades) if ordinary else None

    def _begin_anew(self) -> None:
        self._parser = HttpRequestParser(self)

    # What follows is called by the parser.

    def on_message_begin(self) -> None:
        self._unusual |= self._complete  # the beginning of another

    def on_url(self, target: bytes) -> None:
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._open = self._parser.should_keep_alive()
        self._unusual |= self._parser.get_http_version() != "1.1"

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_chunk_header(self) -> None:
        self._unusual = True  # it may have fields after its body, too

    def on_message_complete(self) -> None:
        self._complete = True
