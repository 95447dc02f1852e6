"""
Work beside the server: every task has an owner, and its death is the process's death.

A dead consumer behind a live port looks healthy to every probe; a process that ends is restarted.
"""

import asyncio
import signal
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType
from typing import Any

import structlog

from libs.common import metrics

LAG_INTERVAL_SECONDS = 0.25
LAG_WINDOW = 20
# Longer than what a task may need to end well: 5 s to close a client of Kafka's.
CANCEL_AGAIN_SECONDS = 6.0

_log = structlog.get_logger()


@asynccontextmanager
async def background(
    work: Coroutine[Any, Any, None], *, name: str
) -> AsyncGenerator[asyncio.Task[None], None]:
    """Run `work` while the block runs; if it ends by itself first, stop the process (SIGTERM)."""
    task = asyncio.create_task(work, name=name)  # noqa: TID251
    task.add_done_callback(_stop_process)
    try:
        yield task
    finally:
        task.remove_done_callback(_stop_process)
        await _end(task)


def spawn(work: Coroutine[Any, Any, Any], owned: set[asyncio.Task[Any]], *, name: str) -> None:
    """Start short work that reports its own failures; `owned` keeps it alive until it is done."""
    task = asyncio.create_task(work, name=name)  # noqa: TID251
    owned.add(task)
    task.add_done_callback(owned.discard)


@contextmanager
def on_stop(call: Callable[[], None]) -> Generator[None]:
    """
    While the block runs, have the loop `call` when the process is told to stop (SIGTERM, SIGINT).

    That is before uvicorn waits for open requests, and so the moment to let long polls and streams
    go. Outside the main thread there are no signals, and nothing is called.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(call)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)
        elif handler is signal.SIG_DFL:
            signal.signal(number, handler)
            signal.raise_signal(number)

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def watch_loop_lag(service: str) -> None:
    """Measure for ever how late the event loop wakes, the worst of 5 s, and count its tasks."""
    loop = asyncio.get_running_loop()
    recent = [0.0] * LAG_WINDOW
    turn = 0
    while True:
        before = loop.time()
        await asyncio.sleep(LAG_INTERVAL_SECONDS)
        recent[turn % LAG_WINDOW] = max(0.0, loop.time() - before - LAG_INTERVAL_SECONDS)
        turn += 1
        metrics.LOOP_LAG_SECONDS.labels(service).set(max(recent))
        metrics.LOOP_TASKS.labels(service).set(len(asyncio.all_tasks()))


async def _end(task: asyncio.Task[None]) -> None:
    """
    Cancel until it is so: redis-py waits by `wait_for`, which before Python 3.12 forgets that it
    was cancelled if what it waited for came in the same moment.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_AGAIN_SECONDS)
    if not task.cancelled():
        task.exception()  # seen, and of no interest any more


def _stop_process(task: asyncio.Task[None]) -> None:
    if task.cancelled():
        return
    _log.critical("background_task_died", task=task.get_name(), exc_info=task.exception())
    signal.raise_signal(signal.SIGTERM)
