"""Virtual time: it passes when nothing else is to be done, and nothing real gets in."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.simulation.loop import Spinning, Stalled, VirtualLoop


def run(work: Coroutine[Any, Any, Any]) -> Any:
    loop = VirtualLoop()  # type: ignore[abstract] # what it does not have, it refuses
    try:
        return loop.run(work)
    finally:
        loop.end()


def test_an_hour_passes_in_no_time_and_to_the_second() -> None:
    async def sleep() -> float:
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    assert run(sleep()) == 3600


def test_what_is_ready_runs_in_the_order_in_which_it_was_asked_for() -> None:
    async def count() -> list[int]:
        seen: list[int] = []
        loop = asyncio.get_running_loop()
        for number in range(5):
            loop.call_soon(seen.append, number)
        for number in (5, 6, 7):
            loop.call_later(1, seen.append, number)
        await asyncio.sleep(2)
        return seen

    assert run(count()) == list(range(8))


def test_timeouts_and_cancellations_work_as_anywhere() -> None:
    async def wait() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run(wait()) == 5


@pytest.mark.parametrize(
    "touch",
    [
        lambda: asyncio.open_connection("127.0.0.1", 9),
        lambda: asyncio.to_thread(time.sleep, 0),
        lambda: asyncio.create_subprocess_exec("true"),
    ],
    ids=["a socket", "a thread", "a process"],
)
def test_the_machine_is_out_of_reach(touch: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    with pytest.raises(NotImplementedError):
        run(touch())


def test_waiting_for_what_cannot_come_is_an_error() -> None:
    with pytest.raises(Stalled):
        run(asyncio.Event().wait())


def test_turning_while_no_time_passes_is_an_error() -> None:
    async def spin() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(Spinning):
        run(spin())
