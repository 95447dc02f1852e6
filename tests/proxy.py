"""
A TCP proxy that does to a connection what networks do: delay, trickle, freeze, tear, forget.

What it does may be changed at any time, for each direction by itself; each byte meets what holds
when it arrives. A message is what one `read` brings; of a broker's answers, exactly one answer.
"""

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

HOST = "127.0.0.1"
READ_BYTES = 1 << 16
POLL_SECONDS = 0.01
# l_onoff, l_linger: closing discards what was not sent, and says so by RST.
LINGER_NOT = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Toxic:
    """
    What becomes of the bytes of one direction; as it is made without arguments, nothing.

    `frozen`: none passes, and the connection stays up. `passes` less than 1: so much of the next
    message passes, then both ends are reset.
    """

    delay_seconds: float = 0.0
    jitter_seconds: float = 0.0
    bytes_per_second: float = float("inf")
    slice_bytes: int = READ_BYTES * READ_BYTES
    frozen: bool = False
    passes: float = 1.0


HARMLESS = Toxic()
FROZEN = Toxic(frozen=True)
LOST = Toxic(passes=0.0)


class Proxy:
    """
    The way to one address.

    `requests` and `answers` say what becomes of the two directions; `hits` counts what suffered:
    messages, and connections that were reset or forgotten.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], _Connection] = {}
        self.port = 0
        self.requests = self.answers = HARMLESS
        self.hits = 0

    async def accept(self) -> None:
        """Listen; at the same port as before."""
        self._server = await asyncio.start_server(self._serve, HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Reset what is up, and every attempt until `accept`."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.reset()

    def reset(self) -> None:
        """Reset what is up."""
        for connection in self._connections.values():
            self.hits += 1
            connection.reset()

    def forget(self) -> None:
        """What is up stays up, and carries nothing any more; new connections do (half-open)."""
        for connection in self._connections.values():
            if connection.forgotten:
                connection.reset()  # at last
            else:
                self.hits += 1
                connection.forgotten = True

    async def heal(self) -> None:
        """Pass everything from now on; what was frozen passes, what was forgotten does not."""
        self.requests = self.answers = HARMLESS
        if self._server is None:
            await self.accept()

    async def hit(self) -> None:
        """Wait until something has suffered."""
        while not self.hits:
            await asyncio.sleep(POLL_SECONDS)

    async def close(self) -> None:
        """End every connection, and wait for it."""
        if self._server is not None:
            self._server.close()
        for task in (tasks := list(self._connections)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection([writer])
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = connection
        try:
            there, back = await asyncio.open_connection(*self._target)
            connection.writers.append(back)
            pumps = (self._pump(connection, reader, back), self._pump(connection, there, writer))
            await asyncio.gather(*pumps)
        except (OSError, asyncio.CancelledError):
            connection.reset()
        finally:
            del self._connections[task]

    async def _pump(
        self, connection: "_Connection", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        answers = writer is connection.writers[0]
        with suppress(OSError, asyncio.IncompleteReadError):
            while data := await self._message(reader, answers=answers):
                toxic = self.answers if answers else self.requests
                self.hits += toxic != HARMLESS
                while toxic.frozen:
                    await asyncio.sleep(POLL_SECONDS)
                    toxic = self.answers if answers else self.requests
                if connection.forgotten:
                    await asyncio.Event().wait()
                await asyncio.sleep(toxic.delay_seconds + random.random() * toxic.jitter_seconds)
                for part in _parts(data, toxic):
                    await asyncio.sleep(len(part) / toxic.bytes_per_second)
                    writer.write(part)
                    await writer.drain()
                if toxic.passes < 1:
                    connection.reset()
                    return
        connection.close()

    async def _message(self, reader: asyncio.StreamReader, *, answers: bool) -> bytes:
        return await reader.read(READ_BYTES)


class BrokerProxy(Proxy):
    """The way to a broker, which tells clients where it is: here, that it is at the proxy."""

    async def _message(self, reader: asyncio.StreamReader, *, answers: bool) -> bytes:
        if not answers:
            return await super()._message(reader, answers=answers)
        size = await reader.readexactly(4)
        answer = await reader.readexactly(int.from_bytes(size))
        # Host and port as they stand in answers to Metadata and FindCoordinator.
        return size + answer.replace(_address(*self._target), _address(HOST, self.port))


@dataclass
class _Connection:
    """Both ends: the client's, and the server's when it has been reached."""

    writers: list[asyncio.StreamWriter]
    forgotten: bool = False

    def reset(self) -> None:
        for writer in self.writers:
            if not writer.transport.is_closing():
                connected = writer.get_extra_info("socket")
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
            writer.transport.abort()

    def close(self) -> None:
        for writer in self.writers:
            writer.close()


P = TypeVar("P", bound=Proxy)


@asynccontextmanager
async def proxy_to(host: str, port: int) -> AsyncIterator[Proxy]:
    """A proxy on a port of its own."""
    async with running(Proxy(host, port)) as proxy:
        yield proxy


@asynccontextmanager
async def broker_proxy(bootstrap: str) -> AsyncIterator[BrokerProxy]:
    """A way of one's own to the broker, at `HOST:<port>`."""
    at = urlsplit(f"//{bootstrap}")
    async with running(BrokerProxy(str(at.hostname), int(at.port or 0))) as proxy:
        yield proxy


@asynccontextmanager
async def running(proxy: P) -> AsyncIterator[P]:
    """Listening while the block runs."""
    await proxy.accept()
    try:
        yield proxy
    finally:
        await proxy.close()


def _parts(data: bytes, toxic: Toxic) -> Iterator[bytes]:
    end = int(len(data) * toxic.passes)
    for start in range(0, end, toxic.slice_bytes):
        yield data[start : min(end, start + toxic.slice_bytes)]


def _address(host: str, port: int) -> bytes:
    return host.encode() + struct.pack(">i", port)
