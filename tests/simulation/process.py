"""
Processes: tasks that live and die together, and are started again.

A process that is killed stops at whatever it awaits. Its `finally` blocks run (Python offers no
other end), but nothing that they do reaches the world: whoever is dead cannot ask anybody anything.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from contextvars import Context, ContextVar, copy_context
from typing import TYPE_CHECKING, Any

from tests.simulation.clock import WallClock

if TYPE_CHECKING:
    from tests.simulation.world import World

PRUNE_TASKS = 200

_HERE: ContextVar["Process | None"] = ContextVar("process", default=None)


class Process:
    """One incarnation of a program. What it runs finds it by `here()`."""

    def __init__(self, world: "World", name: str, clock: WallClock) -> None:
        self.world = world
        self.name = name
        self.clock = clock
        self.alive = True
        self.mortal = True
        self._resumes_at = 0.0
        self._tasks: list[asyncio.Task[Any]] = []
        self._context: Context = copy_context()
        self._context.run(_HERE.set, self)
        self.on_end: Callable[[], None] = lambda: None

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something in this process."""
        return self.world.loop.create_task(work, context=self._context.copy())

    def pause(self, seconds: float) -> None:
        """SIGSTOP: for so long it neither asks nor hears anything; then it goes on unaware."""
        self._resumes_at = self.world.loop.time() + seconds

    @property
    def stands(self) -> bool:
        """Whether it is dead or stopped."""
        return not self.alive or self.paused

    @property
    def paused(self) -> bool:
        return self.world.loop.time() < self._resumes_at

    async def ready(self) -> None:
        """Return when this process can do something; never, if it is dead."""
        while self.alive and (wait := self._resumes_at - self.world.loop.time()) > 0:
            await asyncio.sleep(wait)
        if not self.alive:
            raise asyncio.CancelledError

    def kill(self, why: str) -> None:
        """SIGKILL."""
        if not (self.alive and self.mortal):
            return
        self.alive = False
        self.world.note(self.name, f"dies: {why}")
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()
        self.on_end()

    def own(self, task: asyncio.Task[Any]) -> None:
        """A task of this process."""
        if len(self._tasks) >= PRUNE_TASKS:
            self._tasks = [kept for kept in self._tasks if not kept.done()]
        self._tasks.append(task)


def here() -> Process:
    """The process whose code is running."""
    process = _HERE.get()
    assert process is not None, "product code runs outside of any process"
    return process


def adopt(task: asyncio.Task[Any], context: Context | None) -> None:
    """Give a new task to the process that started it."""
    process = _HERE.get() if context is None else context.get(_HERE)
    if process is not None:
        process.own(task)


Build = Callable[[Process], AbstractAsyncContextManager[Any]]
"""Puts a program's parts together, as its `main.py` does."""


class Service:
    """A program under a supervisor: it ends, and is started again after a while."""

    def __init__(self, world: "World", name: str, build: Build) -> None:
        self.name = name
        self.clock = WallClock(world.loop)
        self._world = world
        self._build = build
        self._down_until = 0.0
        self.process: Process | None = None
        self.parts: Any = None
        self.starts = 0

    def start(self) -> None:
        """Start it, unless it runs."""
        if self.process is not None and self.process.alive:
            return
        self.starts += 1
        process = Process(self._world, self.name, self.clock)
        process.on_end = self._ended
        self.process = process
        self._world.note(self.name, "starts")
        process.spawn(self._live(process))

    def kill(self, why: str) -> None:
        if self.process is not None:
            self.process.kill(why)

    async def _live(self, process: Process) -> None:
        async with self._build(process) as parts:
            self.parts = parts
            await asyncio.get_running_loop().create_future()

    def _ended(self) -> None:
        self.parts = None
        self._world.loop.call_later(self._world.restart_delay(), self.start)
