"""
`asyncio.wait_for` of Python 3.11 can forget that its task was cancelled (python/cpython 86296).

It does if what it waits for comes in the same turn of the loop. redis-py and aiokafka wait that
way, so a task that should end goes on for ever, and with it a process that should.
"""

import asyncio
import sys

import pytest

from libs.common import tasks
from libs.common.tasks import background

FORGETS = sys.version_info < (3, 12)
PATIENCE_SECONDS = 10


class Worker:
    """Waits for one thing after the other, for ever, as a client of Redis does."""

    def __init__(self) -> None:
        self.waiting = asyncio.get_running_loop().create_future()
        self.turns = 0

    async def run(self) -> None:
        while True:
            await asyncio.wait_for(self.waiting, PATIENCE_SECONDS)
            self.waiting = asyncio.get_running_loop().create_future()
            self.turns += 1

    def answer(self) -> None:
        self.waiting.set_result(None)


@pytest.mark.skipif(not FORGETS, reason="Python 3.12 remembers")
async def test_a_task_that_is_cancelled_as_its_answer_comes_goes_on() -> None:
    worker = Worker()
    task = asyncio.ensure_future(worker.run())
    await asyncio.sleep(0)
    worker.answer()
    task.cancel()
    await asyncio.sleep(0.05)
    assert not task.done()
    assert worker.turns == 1
    task.cancel()
    await asyncio.wait([task])


async def test_work_in_the_background_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "CANCEL_AGAIN_SECONDS", 0.05)
    worker = Worker()
    async with asyncio.timeout(PATIENCE_SECONDS), background(worker.run(), name="test") as task:
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(worker.answer)
        worker.answer = lambda: None  # type: ignore[method-assign]
    assert task.cancelled()
