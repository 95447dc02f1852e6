"""Self-clocked batching."""

import asyncio
from collections.abc import Sequence

import pytest

from libs.common.batching import Lane, Lanes
from libs.common.errors import Unavailable
from libs.common.tasks import background


class Worker:
    """Doubles numbers, a batch at a time, when it is let."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.let = asyncio.Event()
        self.let.set()

    async def send(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        await self.let.wait()
        if 13 in items:
            raise Unavailable("thirteen")
        return [2 * item for item in items]


async def test_an_idle_lane_sends_at_once() -> None:
    worker = Worker()
    lane: Lane[int, int] = Lane(worker.send, max_batch=10, max_waiting=10)
    async with background(lane.run(), name="lane"):
        assert await lane.submit(1) == 2
        assert await lane.submit(2) == 4
    assert worker.batches == [[1], [2]]


async def test_what_arrives_meanwhile_is_the_next_batch_in_order() -> None:
    worker = Worker()
    worker.let.clear()
    lane: Lane[int, int] = Lane(worker.send, max_batch=3, max_waiting=10)
    async with background(lane.run(), name="lane"):
        futures = [lane.submit(1)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        futures += [lane.submit(item) for item in (2, 3, 4, 5)]
        worker.let.set()
        assert await asyncio.gather(*futures) == [2, 4, 6, 8, 10]
    assert worker.batches == [[1], [2, 3, 4], [5]]


async def test_a_lane_that_gathers_lets_the_first_go_and_the_next_wait_for_company() -> None:
    worker = Worker()
    lane: Lane[int, int] = Lane(worker.send, max_batch=10, max_waiting=10, gather_seconds=0.05)
    clock = asyncio.get_running_loop().time
    async with background(lane.run(), name="lane"):
        started = clock()
        await lane.submit(1)
        futures = [lane.submit(2)]
        await asyncio.sleep(0.01)
        futures.append(lane.submit(3))
        await asyncio.gather(*futures)
        assert clock() - started >= 0.05
    assert worker.batches == [[1], [2, 3]]


async def test_a_failed_batch_fails_for_its_own_items_only() -> None:
    worker = Worker()
    lane: Lane[int, int] = Lane(worker.send, max_batch=1, max_waiting=10)
    async with background(lane.run(), name="lane"):
        bad, good = lane.submit(13), lane.submit(1)
        with pytest.raises(Unavailable):
            await bad
        assert await good == 2


async def test_a_caller_that_went_away_changes_nothing_for_the_others() -> None:
    worker = Worker()
    lane: Lane[int, int] = Lane(worker.send, max_batch=10, max_waiting=10)
    async with background(lane.run(), name="lane"):
        gone, here = lane.submit(1), lane.submit(2)
        gone.cancel()
        assert await here == 4


async def test_a_full_lane_refuses() -> None:
    lane: Lane[int, int] = Lane(Worker().send, max_batch=10, max_waiting=1)
    lane.submit(1)
    with pytest.raises(Unavailable):
        lane.submit(2)


async def test_a_key_always_takes_the_same_lane() -> None:
    workers = [Worker() for _ in range(4)]
    async with Lanes([w.send for w in workers], max_batch=10, max_waiting=100) as lanes:
        for item in range(20, 40):
            await lanes.submit("alice", item)
    assert sorted(len(w.batches) for w in workers) == [0, 0, 0, 20]
