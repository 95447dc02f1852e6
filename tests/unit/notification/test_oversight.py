"""What operators see and do, and what a node does about it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from libs.common.contracts.sessions import Closing
from libs.common.contracts.streams import CloseCode
from libs.common.errors import NotFound, Unavailable
from services.notification.domain import Position, new_session_id
from services.notification.hub import Hub
from services.notification.usecases.duty import Duty
from services.notification.usecases.oversight import Oversight
from services.notification.usecases.ports import Limits, Over, Session
from services.notification.usecases.streams import RENEW_RETRY_SECONDS, Streams
from services.notification.usecases.tickets import Tickets
from tests.notification_fakes import (
    START,
    FakeClient,
    ManualClock,
    MemoryNodes,
    MemorySessions,
    MemoryTickets,
    a_session,
    a_viewer,
)

LIMITS = Limits(per_user=5, per_address=9)
NEW = Position(-1, -1)
TTL_SECONDS = 90.0


class Trusting:
    def covers(self, *, user_id: str, jti: str, issued_at: object) -> bool:
        return False


class Node:
    """One of several nodes."""

    def __init__(self, name: str, world: "World") -> None:
        self.name = name
        self.sent_away = 0
        self._world = world
        self.streams = Streams(
            Hub(world.clock, stall_seconds=30),
            Tickets(None, world.tickets, Trusting()),  # type: ignore[arg-type]
            world.sessions,
            self._register,
            Trusting(),
            world.clock,
            limits=LIMITS,
            node=name,
            ttl_seconds=TTL_SECONDS,
        )
        self.duty = Duty(name, world.nodes, self.streams, self._send_away)

    async def admit(self, user_id: str = "") -> Session:
        ticket = (await self._world.tickets.issue(a_viewer(user_id)))[0] if user_id else ""
        return await self.streams.admit(address="a1", transport="websocket", ticket=ticket)

    async def open(self, user_id: str = "") -> tuple[str, FakeClient]:
        session, client = await self.admit(user_id), FakeClient()
        self.streams.begin(session, client, NEW)
        return session.id, client

    async def _register(self, session: Session) -> Over:
        return (await self._world.sessions.open([session]))[0]

    def _send_away(self) -> None:
        self.sent_away += 1


class World:
    """Two nodes and their store."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.sessions = MemorySessions(LIMITS, self.clock, ttl_seconds=TTL_SECONDS)
        self.nodes = MemoryNodes(self.sessions, self.clock)
        self.tickets = MemoryTickets()
        self.oversight = Oversight(self.sessions, self.nodes)
        self.one, self.two = Node("n1", self), Node("n2", self)

    async def report(self) -> None:
        for node in (self.one, self.two):
            await node.duty.report()


@pytest.fixture
def world() -> World:
    return World()


async def test_one_session_is_closed_on_its_node_and_no_other(world: World) -> None:
    session_id, client = await world.two.open()
    others = [(await node.open("alice"))[1] for node in (world.one, world.two)]
    with capture_logs() as lines:
        assert await world.oversight.close_session(session_id, actor="olga") == Closing(sessions=1)
    await world.report()
    assert client.closed is CloseCode.CLOSED_BY_OPERATOR
    assert [other.closed for other in others] == [None, None]
    assert lines == [
        {
            "event": "operator_acted",
            "log_level": "info",
            "actor": "olga",
            "act": "session.close",
            "target": session_id,
        }
    ]
    world.two.streams.closed(client)
    await world.two.streams.flush()
    with pytest.raises(NotFound):
        await world.oversight.close_session(session_id, actor="olga")


async def test_a_session_that_is_not_open_is_not_found_and_nothing_is_logged(world: World) -> None:
    with capture_logs() as lines, pytest.raises(NotFound):
        await world.oversight.close_session("unknown", actor="olga")
    assert lines == []


async def test_a_stream_that_is_only_about_to_begin_is_closed_too(world: World) -> None:
    session, client = await world.one.admit(), FakeClient()
    await world.oversight.close_session(session.id, actor="olga")
    await world.report()
    await world.one.streams.flush()
    world.one.streams.begin(session, client, NEW)
    await world.report()
    assert client.closed is CloseCode.CLOSED_BY_OPERATOR


async def test_an_order_outlives_a_store_that_is_away(world: World) -> None:
    session_id, client = await world.one.open()
    await world.oversight.close_session(session_id, actor="olga")
    world.nodes.down = True
    with pytest.raises(Unavailable):
        await world.one.duty.report()
    world.nodes.down = False
    await world.one.duty.report()
    assert client.closed is CloseCode.CLOSED_BY_OPERATOR


async def test_all_of_a_user_are_closed_on_all_nodes(world: World) -> None:
    alice = [(await node.open("alice"))[1] for node in (world.one, world.two, world.two)]
    bob = (await world.two.open("bob"))[1]
    assert await world.oversight.close_user("alice", actor="olga") == Closing(sessions=3)
    await world.report()
    assert {client.closed for client in alice} == {CloseCode.CLOSED_BY_OPERATOR}
    assert bob.closed is None
    assert await world.oversight.close_user("nobody", actor="olga") == Closing(sessions=0)


async def test_the_sessions_of_a_user_come_in_pages(world: World) -> None:
    sessions = [
        replace(a_session("alice"), id=new_session_id(START + timedelta(seconds=n)))
        for n in range(3)
    ]
    await world.sessions.open([*sessions, a_session("bob")])
    first = await world.oversight.sessions(user_id="alice", after="", limit=2)
    assert ([s.session_id for s in first.sessions], first.total) == (
        [sessions[0].id, sessions[1].id],
        3,
    )
    second = await world.oversight.sessions(user_id="alice", after=first.next, limit=2)
    assert ([s.session_id for s in second.sessions], second.next) == ([sessions[2].id], "")
    assert (await world.oversight.sessions(user_id="", after="", limit=9)).total == 4


async def test_a_drained_node_sends_everyone_away_once_and_takes_nobody(world: World) -> None:
    await world.one.open()
    await world.report()
    await world.one.duty.check()
    for _ in range(2):
        node = await world.oversight.drain("n1", actor="olga", reason="new kernel")
        assert (node.node, node.draining) == ("n1", True)
        await world.report()
    assert (world.one.sent_away, world.two.sent_away) == (1, 0)
    with pytest.raises(Unavailable) as refused:
        await world.one.admit()
    assert refused.value.retry_after_seconds > 0
    with pytest.raises(Unavailable):
        await world.one.duty.check()
    await world.two.admit()
    await world.two.duty.check()
    listed = (await world.oversight.nodes()).nodes
    assert [(n.node, n.sessions, n.draining) for n in listed] == [("n1", 1, True), ("n2", 0, False)]


async def test_who_is_refused_by_a_drained_node_keeps_the_ticket(world: World) -> None:
    world.one.streams.drain()
    ticket, _ = await world.tickets.issue(a_viewer("alice"))
    with pytest.raises(Unavailable):
        await world.one.streams.admit(address="a1", transport="sse", ticket=ticket)
    await world.two.streams.admit(address="a1", transport="sse", ticket=ticket)


async def test_a_node_that_is_not_up_is_not_drained(world: World) -> None:
    await world.report()
    world.clock.seconds += 60
    await world.two.duty.report()
    for name in ("n1", "n3"):
        with pytest.raises(NotFound):
            await world.oversight.drain(name, actor="olga", reason="new kernel")
    await world.report()
    assert world.one.sent_away == 0


async def test_what_the_store_did_not_hear_it_hears_soon(world: World) -> None:
    world.sessions.down = True
    await world.one.open("alice")
    world.sessions.down = False
    assert (await world.oversight.sessions(user_id="alice", after="", limit=9)).total == 0
    world.clock.seconds += RENEW_RETRY_SECONDS
    await world.one.streams.tick()
    assert (await world.oversight.sessions(user_id="alice", after="", limit=9)).total == 1


async def test_a_renewal_that_was_not_heard_is_told_again_soon(world: World) -> None:
    session_id, _ = await world.one.open()
    world.clock.seconds += TTL_SECONDS / 2
    world.sessions.down = True
    await world.one.streams.tick()
    world.sessions.down = False
    world.clock.seconds += RENEW_RETRY_SECONDS
    await world.one.streams.tick()
    world.clock.seconds += TTL_SECONDS - 1
    assert await world.sessions.find(session_id) is not None
