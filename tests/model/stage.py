"""Where sequences are played: an event loop, and a ledger and a board to begin with."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from contextlib import ExitStack
from typing import Any, Self, TypeVar

from tests.model.ports import Board, Ledger
from tests.model.replica import in_turns

T = TypeVar("T")


class Stage(ABC):
    """A context in which the product's parts take turns."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._stack = ExitStack()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something to its end, on the one loop of this stage."""
        return self._loop.run_until_complete(work)

    @abstractmethod
    async def open(self) -> tuple[Ledger, Board]:
        """An empty ledger and no board."""

    @abstractmethod
    async def close(self) -> None:
        """Give back what `open` has opened."""

    def __enter__(self) -> Self:
        self._stack.enter_context(in_turns())
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self.close())
        self._loop.close()
        self._stack.close()
