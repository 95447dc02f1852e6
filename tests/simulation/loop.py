"""
An event loop whose time is virtual: when nothing is ready, it is the time of the next timer.

Callbacks run in the order in which they were asked for, as asyncio promises; nothing here is
random. It has no sockets, threads, files or signals: `AbstractEventLoop` refuses all of them. It
also refuses to wait for ever, and to turn for ever without time passing.
"""

import asyncio
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from heapq import heappop, heappush
from itertools import count
from typing import Any, TypeVar

MAX_TURNS_PER_INSTANT = 10_000

T = TypeVar("T")
Spawned = Callable[[asyncio.Task[Any], Context | None], None]


class Stalled(Exception):
    """Nothing is ready and no timer runs: the world would wait for ever."""


class Spinning(Exception):
    """The loop turned very often, and time did not pass."""


class Handle:
    """A callback that waits for its turn; a light twin of `asyncio.TimerHandle`."""

    __slots__ = ("_when", "args", "callback", "context")

    def __init__(
        self, when: float, callback: Callable[..., Any], args: tuple[Any, ...], context: Context
    ) -> None:
        self._when = when
        self.callback: Callable[..., Any] | None = callback
        self.args = args
        self.context = context

    def cancel(self) -> None:
        """It stays in its queue until its time comes, and does nothing then."""
        self.callback = None
        self.args = ()

    def cancelled(self) -> bool:
        return self.callback is None

    def when(self) -> float:
        return self._when


class VirtualLoop(asyncio.AbstractEventLoop):
    """Runs one coroutine, and whatever it starts, in virtual seconds from 0."""

    def __init__(self) -> None:
        self._now = 0.0
        self._ready: deque[Handle] = deque()
        self._timers: list[tuple[float, int, Handle]] = []
        self._numbers = count()
        self._turns = 0
        self.on_task: Spawned = lambda _task, _context: None
        self.unhandled: list[dict[str, Any]] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run until `work` is done; what it left stands still."""
        events._set_running_loop(self)
        try:
            task = self.create_task(work)
            self._turn_until(task)
            return task.result()
        finally:
            events._set_running_loop(None)

    def end(self) -> None:
        """Cancel whatever is left, until nothing is."""
        events._set_running_loop(self)
        try:
            while left := asyncio.all_tasks(self):
                for task in left:
                    task.cancel()
                self._turn()
        finally:
            events._set_running_loop(None)

    def time(self) -> float:
        return self._now

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> "Handle":
        handle = Handle(self._now, callback, args, context or copy_context())
        self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> "Handle":
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> "Handle":
        timer = Handle(when, callback, args, context or copy_context())
        heappush(self._timers, (when, next(self._numbers), timer))
        return timer

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self,
        coro: Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self.on_task(task, context)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.unhandled.append(context)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def _turn_until(self, task: asyncio.Task[Any]) -> None:
        while not task.done():
            self._turn()

    def _turn(self) -> None:
        timers, ready = self._timers, self._ready
        while timers and timers[0][2].callback is None:
            heappop(timers)
        if not ready:
            if not timers:
                raise Stalled(f"at {self._now:.3f} s")
            if timers[0][0] > self._now:
                self._now = timers[0][0]
                self._turns = 0
        while timers and timers[0][0] <= self._now:
            ready.append(heappop(timers)[2])
        self._turns += 1
        if self._turns > MAX_TURNS_PER_INSTANT:
            raise Spinning(f"at {self._now:.3f} s: {ready[0].callback}")
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle.callback is not None:
                handle.context.run(handle.callback, *handle.args)
