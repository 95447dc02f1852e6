"""The pool's troubles, against a server that only says no."""

import asyncio
import struct
from collections.abc import AsyncIterator

import pytest

from libs.common.errors import Unavailable
from libs.devstack.ports import HOST
from services.auth.store.database import Database

# CannotConnectNow, which PostgreSQL says while it recovers from a crash.
STARTING_UP = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"


@pytest.fixture
async def database() -> AsyncIterator[Database]:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (size,) = struct.unpack(">i", await reader.readexactly(4))
        await reader.readexactly(size - 4)
        writer.write(b"E" + struct.pack(">i", len(STARTING_UP) + 4) + STARTING_UP)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, HOST, 0) as server:
        port = server.sockets[0].getsockname()[1]
        database = Database(f"postgresql://somebody:secret@{HOST}:{port}/any?ssl=disable")
        yield database
        await database.close()


async def test_a_database_that_is_starting_up_is_unavailable(database: Database) -> None:
    for opening in (database.reading, database.transaction):
        with pytest.raises(Unavailable):
            async with opening():
                pass
