"""
Self-clocked batching: one batch in flight; what arrives meanwhile is the next batch.

An idle lane sends at once, so nothing waits for a timer; a busy one sends as much per trip as
arrived during the last. The order within a lane is the order of arrival. Used for the hop from
gateway to score, and for the group commit of the ledger.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Generic, TypeVar
from zlib import crc32

from libs.common.errors import Unavailable
from libs.common.tasks import background

Item = TypeVar("Item")
Result = TypeVar("Result")

Send = Callable[[Sequence[Item]], Awaitable[Sequence[Result]]]
"""Handles one batch and returns a result per item, in order; raises if none was handled."""


class Lane(Generic[Item, Result]):
    """
    One batch at a time, in order of arrival; at most `max_waiting` items wait.

    After a batch began, the next waits for `gather_seconds`; the first after a silence does not.
    """

    def __init__(
        self,
        send: Send[Item, Result],
        *,
        max_batch: int,
        max_waiting: int,
        gather_seconds: float = 0.0,
    ) -> None:
        self._send = send
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._gather = gather_seconds
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._arrived = asyncio.Event()

    def submit(self, item: Item) -> asyncio.Future[Result]:
        """
        Queue an item. The future carries its result, or the error of its whole batch.

        Cancelling the future does not call the item back. Raises `Unavailable` when full.
        """
        if len(self._waiting) >= self._max_waiting:
            raise Unavailable("too many requests are waiting; try again shortly")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._arrived.set()
        return future

    async def run(self) -> None:
        """Send batches for ever."""
        clock = asyncio.get_running_loop().time
        earliest = clock()
        while True:
            await self._arrived.wait()
            if (early := earliest - clock()) > 0:
                await asyncio.sleep(early)
            earliest = clock() + self._gather
            size = min(len(self._waiting), self._max_batch)
            batch = [self._waiting.popleft() for _ in range(size)]
            if not self._waiting:
                self._arrived.clear()
            await self._settle(batch)

    async def _settle(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._send([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - it belongs to those who wait for this batch
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
                    future.exception()  # a caller that went away must not turn this into a warning
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)


class Lanes(Generic[Item, Result]):
    """Several lanes side by side; items with the same key always take the same lane."""

    def __init__(
        self, sends: Sequence[Send[Item, Result]], *, max_batch: int, max_waiting: int
    ) -> None:
        self._lanes = [Lane(send, max_batch=max_batch, max_waiting=max_waiting) for send in sends]
        self._stack = AsyncExitStack()

    def submit(self, key: str, item: Item) -> asyncio.Future[Result]:
        """Queue an item on its key's lane; see `Lane.submit`."""
        return self._lanes[crc32(key.encode()) % len(self._lanes)].submit(item)

    async def __aenter__(self) -> "Lanes[Item, Result]":
        for number, lane in enumerate(self._lanes):
            await self._stack.enter_async_context(background(lane.run(), name=f"lane-{number}"))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
