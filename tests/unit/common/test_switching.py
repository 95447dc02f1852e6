"""Requests for another protocol that are answered past uvicorn's parser."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import nullcontext

import pytest

from libs.common.at_once import Connection, Whole
from tests.fuzz.raw import Line, Piece
from tests.unit.common.at_once_server import BOUND_SECONDS, KEEP_ALIVE_SECONDS, Served, serving

HEAD = b"GET /live HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\n"
KEY = b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
ASKING = HEAD + b"Upgrade: websocket\r\n" + KEY + b"\r\n"
PLAIN = b"GET /live HTTP/1.1\r\nHost: here\r\n\r\n"
SWITCHED = [(b"connection", b"upgrade"), (b"upgrade", b"websocket")]
OTHER_END = b"\r\n\r\n"
SOON_SECONDS = 0.05
STOPPING_SECONDS = 0.2  # uvicorn looks every 0.1 s


class Echo(asyncio.Protocol):
    """What is spoken after the switch; an exclamation mark ends it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)
        if data.endswith(b"!"):
            self._transport.close()


class Live:
    """Takes whatever asks, and holds it until the test says what to do."""

    line = b"GET /live"
    upgrades = True

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[Connection] = asyncio.Queue()

    def __call__(self, request: Whole, connection: Connection) -> bool:
        assert request.target == b"/live"
        self.waiting.put_nowait(connection)
        return True


@pytest.fixture
def live() -> Live:
    return Live()


@pytest.fixture
async def served(live: Live) -> AsyncGenerator[Served, None]:
    async with serving(live) as found:
        yield found


async def asked(served: Served, live: Live, *pieces: Piece) -> tuple[Line, Connection]:
    line = await Line.to(served.url)
    await line.send([ASKING, *pieces])
    async with asyncio.timeout(BOUND_SECONDS):
        return line, await live.waiting.get()


def switch(connection: Connection) -> None:
    transport, early = connection.switch(SWITCHED)
    echo = Echo(transport)
    transport.set_protocol(echo)
    echo.data_received(early)


async def test_the_transport_is_given_away(served: Served, live: Live) -> None:
    line = await Line.to(served.url)
    await line.send([PLAIN, SOON_SECONDS])
    await line.read_until(b"not-found", seconds=BOUND_SECONDS)
    await line.read_until(b"}", seconds=BOUND_SECONDS)
    await line.send([ASKING])
    connection = await live.waiting.get()
    assert served.connections == 1

    switch(connection)
    await line.send([b"hello", KEEP_ALIVE_SECONDS * 1.5, b"!"])

    ending = await line.ending(seconds=BOUND_SECONDS)
    head, _, spoken = ending.received.partition(OTHER_END)
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert head.endswith(b"connection: upgrade\r\nupgrade: websocket")
    assert spoken == b"hello!"
    assert served.connections == 0


async def test_what_comes_early_is_handed_over_whole(served: Served, live: Live) -> None:
    line, connection = await asked(served, live, SOON_SECONDS, b"ear", SOON_SECONDS, b"ly, ")

    switch(connection)
    await line.send([b"later!"])

    ending = await line.ending(seconds=BOUND_SECONDS)
    assert ending.received.partition(OTHER_END)[2] == b"early, later!"


async def test_what_is_passed_on_is_the_applications(served: Served, live: Live) -> None:
    line, connection = await asked(served, live)

    connection.pass_on()

    ending = await line.ending(seconds=BOUND_SECONDS)
    assert ending.statuses == [409]
    assert ending.received.endswith(b"documented")


async def test_who_asks_for_nothing_else_is_not_taken(served: Served, live: Live) -> None:
    line = await Line.to(served.url)

    await line.send([PLAIN, SOON_SECONDS, HEAD + b"\r\n"])

    ending = await line.ending(seconds=BOUND_SECONDS)
    assert ending.statuses == [404, 404]
    assert live.waiting.empty()


async def test_who_hangs_up_is_gone(served: Served, live: Live) -> None:
    for then in (Connection.pass_on, switch):
        line, connection = await asked(served, live)
        line.hang_up()
        await until_it_knows_nobody(served)
        with pytest.raises(ConnectionResetError) if then is switch else nullcontext():
            then(connection)
        assert served.connections == 0


async def test_a_server_that_stops_switches_nobody(served: Served, live: Live) -> None:
    line, connection = await asked(served, live)
    served.stop()
    await asyncio.sleep(STOPPING_SECONDS)

    with pytest.raises(ConnectionResetError):
        switch(connection)

    ending = await line.ending(seconds=BOUND_SECONDS)
    assert ending.cut
    assert ending.received == b""


async def test_a_server_that_stops_refuses_in_the_applications_words(
    served: Served, live: Live
) -> None:
    line, connection = await asked(served, live)
    served.stop()
    await asyncio.sleep(STOPPING_SECONDS)

    connection.pass_on()

    assert (await line.ending(seconds=BOUND_SECONDS)).statuses == [409]


async def until_it_knows_nobody(served: Served) -> None:
    async with asyncio.timeout(BOUND_SECONDS):
        while served.connections:
            await asyncio.sleep(SOON_SECONDS)
