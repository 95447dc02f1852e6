"""A consumer that hangs ends its process."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from libs.common.tasks import background
from services.scoreboard import consumer as module
from services.scoreboard.consumer import Consumer, Stuck
from services.scoreboard.usecases.ports import BoardGone


class Reader:
    """Says how much waits, whoever reads it or not."""

    def __init__(self, lag: int) -> None:
        self.waiting = lag
        self.settled = True

    async def lag(self) -> int:
        return self.waiting

    async def commit(self, offsets: dict[int, int]) -> None:
        assert not offsets


def watched(lag: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(module, "WATCH_SECONDS", 0.01)
    monkeypatch.setattr(module, "STUCK_SECONDS", 0.05)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    nothing = cast(Any, SimpleNamespace())
    consumer: Any = Consumer(
        "nowhere:1",
        group="g",
        member="m",
        apply=nothing,
        announcer=nothing,
        audit=nothing,
        rebuild=nothing,
    )
    consumer._reader = Reader(lag)
    return consumer


async def test_records_that_wait_and_are_not_handled_end_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    consumer = watched(5, monkeypatch)
    with pytest.raises(Stuck, match="5 records wait"):
        async with asyncio.timeout(5):
            await consumer.watch()


async def test_a_process_that_was_stopped_did_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = watched(5, monkeypatch)
    async with background(consumer.watch(), name="watch") as watching:
        await asyncio.sleep(0.02)
        time.sleep(0.1)  # noqa: ASYNC251 - the whole process stands still, as by SIGSTOP
        for _ in range(10):
            await asyncio.sleep(0.01)
            consumer._handled += 1
        assert not watching.done()


async def test_a_group_that_is_forming_has_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FORMING_SECONDS", 0.15)
    consumer = watched(5, monkeypatch)
    consumer._reader.settled = False
    with pytest.raises(Stuck, match="5 records wait") as stuck:
        async with asyncio.timeout(5):
            await consumer.watch()
    assert stuck.value.seconds >= 0.15


@pytest.mark.parametrize("reason", ["nothing waits", "it moves", "redis is away"])
async def test_otherwise_it_goes_on(monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    consumer = watched(0 if reason == "nothing waits" else 5, monkeypatch)
    consumer._waiting_for_redis = reason == "redis is away"
    with pytest.raises(TimeoutError):
        await watch_for_a_while(consumer, moves=reason == "it moves")


@pytest.mark.parametrize("builder", ["this one", "another"])
async def test_a_large_board_may_take_its_time(
    monkeypatch: pytest.MonkeyPatch, builder: str
) -> None:
    """A million users take longer to copy than a consumer may hang."""
    consumer = watched(5, monkeypatch)
    built = asyncio.Event()

    async def run(reason: str, epoch: int) -> bool:
        return await built.wait() if builder == "this one" else False

    async def locate() -> None:
        raise BoardGone(1)

    async def handle(*_: object, announce: bool) -> None: ...

    consumer._rebuild.run, consumer._reader.locate = run, locate
    consumer._apply.handle = handle
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(consumer._renew(consumer._reader, "missing", 1))
        with pytest.raises(TimeoutError):
            await watch_for_a_while(consumer, moves=False)
        built.set()
    await consumer._handle([], announce=True)
    with pytest.raises(Stuck):
        await consumer.watch()


async def watch_for_a_while(consumer: Any, *, moves: bool) -> None:
    async with asyncio.timeout(0.3), background(consumer.watch(), name="watch") as watching:
        while not watching.done():
            consumer._handled += moves
            await asyncio.sleep(0.005)
