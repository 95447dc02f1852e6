"""A crowd in a process of its own, which is told by signals what to do."""

import asyncio
import signal
from collections.abc import Callable

from bench.load.crowd import Crowd

FIRST_FRAME_SECONDS = 60.0

SHOW, CUT = signal.SIGUSR1, signal.SIGUSR2
_STOP = (signal.SIGTERM, signal.SIGINT)


async def obey(crowd: Crowd, seconds: float, show: Callable[[], None]) -> None:
    """
    Show it now and at each SIGUSR1; at SIGUSR2 cut it off, and show it when all are back.

    Until SIGTERM, or until the time is over. Raises what `Crowd.cut` raises.
    """
    orders: asyncio.Queue[signal.Signals] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in (SHOW, CUT, *_STOP):
        loop.add_signal_handler(number, orders.put_nowait, number)
    show()
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            while (order := await orders.get()) not in _STOP:
                if order is CUT:
                    await crowd.cut(FIRST_FRAME_SECONDS)
                show()
    except TimeoutError:
        if not limit.expired():
            raise
