"""Fan-out: the newest snapshot for everyone, never an older one, at no cost for the slow."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.contracts.streams import CloseCode
from libs.common.tasks import background
from services.notification.domain import Position, Variant
from services.notification.hub import (
    FRESH_SECONDS,
    HEARTBEAT_SECONDS,
    SLICE,
    SLOTS,
    SOURCE_SILENCE_SECONDS,
    TICK_SECONDS,
    Hub,
)
from tests.notification_fakes import FakeClient, ManualClock, a_snapshot

STALL_SECONDS = 30.0

Positions = st.tuples(st.integers(1, 3), st.integers(0, 6))
Steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), Positions),
        st.tuples(st.just("pause"), st.integers(0, 3)),
        st.tuples(st.just("resume"), st.integers(0, 3)),
        st.tuples(st.just("join"), st.one_of(st.none(), Positions)),
        st.tuples(st.just("leave"), st.integers(0, 3)),
        st.tuples(st.just("tick"), st.none()),
    ),
    max_size=40,
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def hub(clock: ManualClock) -> Hub:
    return Hub(clock, stall_seconds=STALL_SECONDS)


def join(hub: Hub, client: FakeClient, since: tuple[int, int] = (-1, -1)) -> FakeClient:
    hub.join(client, Position(*since))
    return client


async def turn_wheel(hub: Hub) -> None:
    """Once around, so that everyone is served."""
    for _ in range(SLOTS):
        await hub.tick()


def positions(client: FakeClient, *kinds: str) -> list[tuple[int, int]]:
    return [(m["epoch"], m["rev"]) for m in client.messages() if m["type"] in kinds]


@settings(max_examples=300, deadline=None)
@given(Steps)
def test_a_client_never_goes_back_and_ends_with_the_newest(steps: list[tuple[str, Any]]) -> None:
    asyncio.run(play(steps))


async def play(steps: list[tuple[str, Any]]) -> None:
    hub = Hub(ManualClock(), stall_seconds=STALL_SECONDS)
    hub.heard()
    clients: list[FakeClient] = []
    began: dict[FakeClient, tuple[int, int]] = {}
    running = []
    for step, value in steps:
        if step == "publish":
            # Not awaited at once: fan-outs overlap with everything that follows.
            running.append(asyncio.ensure_future(hub.publish(a_snapshot(*value))))
        elif step == "join":
            client = FakeClient(Variant(len(clients) % 2))
            began[client] = value or (-1, -1)
            clients.append(join(hub, client, began[client]))
        elif step == "tick":
            await hub.tick()
        elif value < len(clients):
            turn(hub, clients[value], step)
        await asyncio.sleep(0)
    await asyncio.gather(*running)
    for client in clients:
        seen = positions(client, "snapshot")
        assert seen == sorted(set(seen))
        assert all(position > began[client] for position in seen)
    for member in hub._clients:
        assert member.sent >= hub.position or not member.writable


def turn(hub: Hub, client: FakeClient, step: str) -> None:
    if step == "pause":
        client.writable = False
    elif step == "resume":
        client.writable = True
        hub.drained(client)
    else:
        hub.leave(client)
        client.writable = False


async def test_a_new_client_gets_the_newest_snapshot_from_memory(hub: Hub) -> None:
    await hub.publish(a_snapshot(1, 7))
    client = join(hub, FakeClient())
    assert positions(client, "snapshot") == [(1, 7)]


async def test_who_comes_back_with_the_newest_is_told_so(hub: Hub) -> None:
    await hub.publish(a_snapshot(1, 7))
    client = join(hub, FakeClient(), (1, 7))
    assert client.messages() == [{"type": "current", "epoch": 1, "rev": 7}]


async def test_who_is_ahead_of_us_waits(hub: Hub) -> None:
    await hub.publish(a_snapshot(1, 7))
    client = join(hub, FakeClient(), (1, 9))
    await hub.publish(a_snapshot(1, 8))
    assert client.taken == []
    await hub.publish(a_snapshot(2, 0))
    assert positions(client, "snapshot") == [(2, 0)]


async def test_only_a_newer_snapshot_is_published(hub: Hub) -> None:
    client = join(hub, FakeClient())
    assert await hub.publish(a_snapshot(2, 5))
    assert not await hub.publish(a_snapshot(2, 5))
    assert not await hub.publish(a_snapshot(1, 9))
    assert positions(client, "snapshot") == [(2, 5)]


async def test_all_clients_of_a_kind_share_the_same_bytes(hub: Hub) -> None:
    clients = [join(hub, FakeClient(variant)) for variant in Variant for _ in range(2)]
    await hub.publish(a_snapshot())
    assert clients[0].taken[0] is clients[1].taken[0]
    assert clients[2].taken[0] is clients[3].taken[0]
    assert clients[0].messages() == clients[2].messages()


async def test_a_slow_client_costs_nothing_and_gets_the_newest_when_it_drains(hub: Hub) -> None:
    slow, quick = join(hub, FakeClient()), join(hub, FakeClient())
    slow.writable = False
    for rev in range(1000):
        await hub.publish(a_snapshot(1, rev))
    assert slow.taken == []
    assert len(quick.taken) == 1000
    slow.writable = True
    hub.drained(slow)
    assert positions(slow, "snapshot") == [(1, 999)]


async def test_a_large_fan_out_lets_the_loop_turn(hub: Hub) -> None:
    clients = [join(hub, FakeClient()) for _ in range(SLICE + 1)]
    publishing = asyncio.ensure_future(hub.publish(a_snapshot()))
    await asyncio.sleep(0)
    assert [len(c.taken) for c in (clients[0], clients[-1])] == [1, 0]
    await publishing
    assert len(clients[-1].taken) == 1


async def test_heartbeats_tell_the_position_while_the_source_lives(
    hub: Hub, clock: ManualClock
) -> None:
    client = join(hub, FakeClient())
    hub.heard()
    await turn_wheel(hub)
    assert client.taken == []  # nothing is known yet
    await hub.publish(a_snapshot(1, 7))
    clock.seconds += FRESH_SECONDS
    await turn_wheel(hub)
    assert client.messages()[1:] == [{"type": "heartbeat", "epoch": 1, "rev": 7}]
    clock.seconds += SOURCE_SILENCE_SECONDS
    await turn_wheel(hub)
    assert len(client.taken) == 2
    hub.heard()
    await turn_wheel(hub)
    assert len(client.taken) == 3


async def test_heartbeats_go_to_as_many_at_each_tick(hub: Hub, clock: ManualClock) -> None:
    hub.heard()
    await hub.publish(a_snapshot(1, 7))
    clock.seconds += FRESH_SECONDS
    clients = [join(hub, FakeClient(), (1, 7)) for _ in range(3 * SLOTS)]
    served = []
    for _ in range(2 * SLOTS):
        before = sum(len(positions(client, "heartbeat")) for client in clients)
        await hub.tick()
        served.append(sum(len(positions(client, "heartbeat")) for client in clients) - before)
    assert served == [3] * (2 * SLOTS)
    assert {len(positions(client, "heartbeat")) for client in clients} == {2}


async def test_whoever_left_hears_nothing_more(hub: Hub, clock: ManualClock) -> None:
    hub.heard()
    await hub.publish(a_snapshot(1, 7))
    clock.seconds += FRESH_SECONDS
    client = join(hub, FakeClient(), (1, 7))
    hub.leave(client)
    hub.leave(client)
    await turn_wheel(hub)
    assert positions(client, "heartbeat") == []


async def test_who_was_just_given_a_snapshot_needs_no_heartbeat(
    hub: Hub, clock: ManualClock
) -> None:
    hub.heard()
    served, ahead = join(hub, FakeClient()), join(hub, FakeClient(), (1, 9))
    slow = join(hub, FakeClient())
    slow.writable = False
    await hub.publish(a_snapshot(1, 7))
    slow.writable = True  # drained, and the hub has not heard of it yet
    await turn_wheel(hub)
    assert [len(client.taken) for client in (served, slow)] == [1, 1]
    assert positions(ahead, "heartbeat") == [(1, 7)]
    clock.seconds += FRESH_SECONDS
    await turn_wheel(hub)
    assert [len(positions(client, "heartbeat")) for client in (served, slow, ahead)] == [1, 1, 2]


@given(st.lists(st.floats(0, HEARTBEAT_SECONDS), max_size=20))
@settings(max_examples=30, deadline=None)
def test_nobody_hears_nothing_for_longer_than_promised(pauses: list[float]) -> None:
    """However snapshots come: a page calls 12 s of silence stale."""
    asyncio.run(listen(pauses))


async def listen(pauses: list[float]) -> None:
    clock = ManualClock()
    hub = Hub(clock, stall_seconds=STALL_SECONDS)
    await hub.publish(a_snapshot(1, 0))
    clients = [join(hub, FakeClient()) for _ in range(SLOTS)]
    heard_at = dict.fromkeys(clients, 0.0)
    due = [sum(pauses[: n + 1]) for n in range(len(pauses))]
    for turn in range(round((sum(pauses) + 2 * HEARTBEAT_SECONDS) / TICK_SECONDS)):
        clock.seconds = turn * TICK_SECONDS
        hub.heard()
        if due and due[0] <= clock.seconds:
            due.pop(0)
            await hub.publish(a_snapshot(1, turn))
        await hub.tick()
        for client in clients:
            if client.taken:
                heard_at[client] = clock.seconds
                client.taken.clear()
            assert clock.seconds - heard_at[client] < HEARTBEAT_SECONDS + FRESH_SECONDS


async def test_the_wheel_turns_by_the_clock(hub: Hub) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        ticks += 1

    hub.tick = tick  # type: ignore[method-assign]
    async with background(hub.beat(), name="beat"):
        await asyncio.sleep(5.5 * TICK_SECONDS)
    assert 1 <= ticks <= 6


async def test_a_client_that_takes_nothing_for_long_is_closed(hub: Hub, clock: ManualClock) -> None:
    stalled, slow = join(hub, FakeClient()), join(hub, FakeClient())
    stalled.writable = slow.writable = False
    await turn_wheel(hub)
    clock.seconds += STALL_SECONDS - 1
    slow.writable = True
    hub.drained(slow)
    slow.writable = False
    await turn_wheel(hub)
    clock.seconds += 1
    await turn_wheel(hub)
    assert stalled.closed is CloseCode.STALLED
    assert slow.closed is None


@pytest.fixture(autouse=True)
def no_client_is_left(hub: Hub) -> Iterator[None]:
    yield
    for client in list(hub._clients):
        hub.leave(client)
