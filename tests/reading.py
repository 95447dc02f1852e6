"""Reading a topic in a test."""

import asyncio

from libs.common.kafka import GroupReader

PATIENCE_SECONDS = 30


async def values(reader: GroupReader, count: int) -> list[bytes | None]:
    """The next values, at least so many."""
    got: list[bytes | None] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(got) < count:
            got += [m.value for m in await reader.read(max_records=500, timeout_ms=100)]
    return got
