"""Fan-outs leave the process time for all else: how long is waited, and what is shown then."""

import asyncio
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from libs.common.kafka import Message
from libs.common.tasks import background
from services.notification import consumer
from services.notification.consumer import BoardConsumer
from services.notification.domain import MAX_SHARE, MAX_WINDOW_SECONDS, Pace, Snapshot
from services.notification.hub import Hub
from tests.notification_fakes import FakeClient, ManualClock, an_event

COST_SECONDS = 0.01
STORM_SECONDS = 0.1

Counts = st.integers(1, 1_000_000)
Costs = st.floats(0, 10)


def test_before_the_first_fan_out_nobody_waits() -> None:
    assert Pace().window_seconds(1_000_000) == 0


def test_who_serves_nobody_waits_for_nothing_and_learns_nothing() -> None:
    pace = Pace(0.001)
    assert pace.window_seconds(0) == 0
    assert pace.after(0, 5.0) == pace


@given(Counts, Costs)
def test_a_steady_cost_takes_its_share_or_the_longest_window(clients: int, cost: float) -> None:
    window = Pace().after(clients, cost).window_seconds(clients)
    assert 0 <= window <= MAX_WINDOW_SECONDS
    if window < MAX_WINDOW_SECONDS:
        assert cost == pytest.approx(window * MAX_SHARE)


@given(Counts, Counts, Costs)
def test_the_more_watch_the_longer_the_window(some: int, more: int, each: float) -> None:
    fewest, most = sorted((some, more))
    assert Pace(each).window_seconds(fewest) <= Pace(each).window_seconds(most)


@given(st.lists(st.tuples(Counts, Costs), min_size=1))
def test_the_pace_stays_between_what_was_measured(fan_outs: list[tuple[int, float]]) -> None:
    pace = Pace()
    for clients, cost in fan_outs:
        pace = pace.after(clients, cost)
    measured = [cost / clients for clients, cost in fan_outs]
    assert min(measured) <= pace.seconds_each * (1 + 1e-9)
    assert pace.seconds_each <= max(measured) * (1 + 1e-9)


def test_one_slow_fan_out_is_not_believed_at_once() -> None:
    usual = Pace(0.001)
    assert usual.after(10, 1.0).seconds_each < 0.1 / 2


class Topic:
    """What the consumer reads: a snapshot, more of them at even intervals, and silence after."""

    def __init__(self, revs: int, *, every_seconds: float) -> None:
        self._last = revs
        self._every = every_seconds
        self._read = 0
        self._began = 0.0
        self.over = asyncio.Event()

    async def open(self, **_: object) -> None: ...

    async def close(self) -> None: ...

    async def read(self, **_: object) -> list[Message]:
        """All that has come, as from a client's buffer."""
        clock = asyncio.get_running_loop().time
        if self._read == 0:
            self._began = clock()
        elif self._read == self._last:
            self.over.set()
            await asyncio.Event().wait()
        else:
            await asyncio.sleep(self._began + self._read * self._every - clock())
        come = 1 + int((clock() - self._began) / self._every)
        first, self._read = self._read, min(max(come, self._read + 1), self._last)
        return [_message(rev) for rev in range(first + 1, self._read + 1)]


class LoopClock(ManualClock):
    """The loop's own time."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def costly_hub(clock: ManualClock) -> Hub:
    """A hub where a slice of a fan-out costs `COST_SECONDS`."""
    readings = count()
    return Hub(clock, stall_seconds=30, cpu_seconds=lambda: next(readings) * COST_SECONDS)


def _message(rev: int) -> Message:
    value = an_event(rev=rev).model_dump_json().encode()
    return Message(0, rev, None, value)


async def test_what_comes_within_the_window_is_one_snapshot_the_newest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    topic = Topic(100, every_seconds=STORM_SECONDS / 100)
    monkeypatch.setattr(consumer, "BroadcastReader", lambda *_, **__: topic)
    clock = LoopClock()
    hub = costly_hub(clock)
    client = FakeClient()
    hub.join(client, hub.position)

    async with background(
        BoardConsumer("nowhere", "local", hub, clock, node="n").run(), name="consumer"
    ):
        await topic.over.wait()

    revs = [message["rev"] for message in client.messages()]
    hub.leave(client)
    assert revs[0] == 1  # at once
    assert revs[-1] == 100
    assert len(revs) <= STORM_SECONDS / (COST_SECONDS / MAX_SHARE) + 2


async def test_an_idle_process_publishes_at_once(clock: ManualClock) -> None:
    hub = costly_hub(clock)
    client = FakeClient()
    hub.join(client, hub.position)
    async with asyncio.timeout(1):
        await hub.rest()
        await hub.publish(Snapshot.of(an_event(rev=1)))
        clock.seconds += COST_SECONDS / MAX_SHARE
        await hub.rest()
    hub.leave(client)


async def test_the_window_is_a_metric(clock: ManualClock) -> None:
    hub = costly_hub(clock)
    client = FakeClient()
    hub.join(client, hub.position)
    await hub.publish(Snapshot.of(an_event(rev=1)))
    clock.seconds += 1
    await hub.rest()
    hub.leave(client)
    exported = REGISTRY.get_sample_value("notification_fanout_window_seconds")
    assert exported == pytest.approx(COST_SECONDS / MAX_SHARE)
