"""Tasks of the product that never end, taken one turn at a time."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Generic, TypeVar

Turn = TypeVar("Turn")


class Actor(Generic[Turn]):
    """
    A task that waits for its turn in a port that it passes in every round.

    The port calls `wait`. Whoever holds the actor gives it a turn, and has it back when it waits
    again; what the task dies of is raised there.
    """

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    async def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it up to its first wait."""
        loop = asyncio.get_running_loop()
        self._back = loop.create_future()
        self._task = loop.create_task(work)
        self._task.add_done_callback(self._ended)
        await self._back

    async def wait(self) -> Turn:
        """Called by the port: wait for a turn, and for what it brings."""
        self._next: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        self._back.set_result(None)
        return await self._next

    async def turn(self, brings: Turn) -> None:
        """Let the task do one round."""
        self._back = asyncio.get_running_loop().create_future()
        self._next.set_result(brings)
        await self._back

    async def kill(self) -> None:
        """End it where it waits; safe to repeat."""
        task, self._task = self._task, None
        if task is not None:
            task.remove_done_callback(self._ended)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._back.set_exception(task.exception() or AssertionError("an endless task ended"))
