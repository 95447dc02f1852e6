"""Fan-out: the newest snapshot for everyone, never an older one, at no cost for the slow."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.contracts.streams import CloseCode
from services.notification.domain import Position, Variant
from services.notification.hub import SLICE, SOURCE_SILENCE_SECONDS, Hub
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
        st.tuples(st.just("pulse"), st.none()),
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
        elif step == "pulse":
            await hub.pulse()
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
    await hub.pulse()
    assert client.taken == []  # nothing is known yet
    await hub.publish(a_snapshot(1, 7))
    await hub.pulse()
    assert client.messages()[1:] == [{"type": "heartbeat", "epoch": 1, "rev": 7}]
    clock.seconds += SOURCE_SILENCE_SECONDS
    await hub.pulse()
    assert len(client.taken) == 2
    hub.heard()
    await hub.pulse()
    assert len(client.taken) == 3


async def test_a_client_that_takes_nothing_for_long_is_closed(hub: Hub, clock: ManualClock) -> None:
    stalled, slow = join(hub, FakeClient()), join(hub, FakeClient())
    stalled.writable = slow.writable = False
    await hub.pulse()
    clock.seconds += STALL_SECONDS - 1
    slow.writable = True
    hub.drained(slow)
    slow.writable = False
    await hub.pulse()
    clock.seconds += 1
    await hub.pulse()
    assert stalled.closed is CloseCode.STALLED
    assert slow.closed is None


@pytest.fixture(autouse=True)
def no_client_is_left(hub: Hub) -> Iterator[None]:
    yield
    for client in list(hub._clients):
        hub.leave(client)
