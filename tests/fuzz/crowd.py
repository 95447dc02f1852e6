"""A crowd of senders that never finish (slowloris): each has its time, and is then sent away."""

import asyncio
from contextlib import suppress
from itertools import cycle

from libs.common.server import HEAD_SECONDS
from tests.fuzz.raw import Line, Piece
from tests.fuzz.senders import DRIP_SECONDS

# On a busy machine the server may be late to look.
SLACK_SECONDS = 10.0
ABREAST = 100
WAYS: tuple[tuple[Piece, ...], ...] = (
    (),
    (b"GET /livez HTTP/1.1\r\n",),
    (b"GET /livez HTTP/1.1\r\n", *(DRIP_SECONDS, b"X: y\r\n") * 100),
    (b"POST /api/auth/login HTTP/1.1\r\nContent-Length: 9", *(DRIP_SECONDS, b"9") * 100),
)


async def crowd(url: str, count: int) -> list[str]:
    """Come with so many at once; complaints about those that are still there after their time."""
    arriving = asyncio.Semaphore(ABREAST)
    ways = cycle(WAYS)

    async def one(pieces: tuple[Piece, ...]) -> str:
        async with arriving:
            line = await Line.to(url)
        sending = asyncio.ensure_future(line.send(pieces))
        try:
            ending = await line.ending(seconds=HEAD_SECONDS + SLACK_SECONDS)
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
        return "" if ending.cut else f"still open after {ending.seconds:.1f} s"

    return [told for told in await asyncio.gather(*(one(next(ways)) for _ in range(count))) if told]
