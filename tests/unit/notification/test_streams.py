"""Who is let in, how many, and when a stream must end."""

from dataclasses import replace
from datetime import timedelta

import pytest

from libs.common.contracts.streams import CloseCode
from libs.common.errors import InvalidRequest, RateLimited, Unauthenticated, Unavailable
from services.notification.domain import Position, Viewer
from services.notification.hub import Hub
from services.notification.usecases.ports import Limits, Over, Session
from services.notification.usecases.standings import Standings
from services.notification.usecases.streams import Streams
from services.notification.usecases.tickets import Tickets
from tests.notification_fakes import (
    START,
    FakeClient,
    ManualClock,
    MemorySessions,
    MemoryTickets,
    a_viewer,
)

LIMITS = Limits(per_user=2, per_address=3)
NEW = Position(-1, -1)


class Revoked:
    def __init__(self) -> None:
        self.users: set[str] = set()

    def covers(self, *, user_id: str, jti: str, issued_at: object) -> bool:
        return user_id in self.users


class World:
    """A node with its parts."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = MemorySessions(LIMITS, self.clock, ttl_seconds=90)
        self.tickets = MemoryTickets()
        self.revoked = Revoked()
        self.streams = Streams(
            Hub(self.clock, stall_seconds=30),
            Tickets(None, self.tickets, self.revoked),  # type: ignore[arg-type]
            self.store,
            self.register,
            self.revoked,
            self.clock,
            limits=LIMITS,
            node="n1",
            ttl_seconds=90,
        )

    async def register(self, session: Session) -> Over:
        return (await self.store.open([session]))[0]

    async def admit(self, viewer: Viewer | None = None, *, address: str = "a1") -> Session:
        ticket = (await self.tickets.issue(viewer))[0] if viewer else ""
        return await self.streams.admit(address=address, transport="websocket", ticket=ticket)

    async def open(self, viewer: Viewer | None = None, *, address: str = "a1") -> FakeClient:
        session = await self.admit(viewer, address=address)
        client = FakeClient()
        self.streams.begin(session, client, NEW)
        return client


@pytest.fixture
def world() -> World:
    return World()


async def test_a_ticket_makes_a_stream_private(world: World) -> None:
    client, _ = await world.open(a_viewer("alice")), await world.open()
    assert [(c, v.user_id) for c, v in world.streams.viewers()] == [(client, "alice")]


async def test_a_used_or_revoked_or_broken_ticket_opens_nothing(world: World) -> None:
    world.revoked.users.add("mallory")
    with pytest.raises(Unauthenticated):
        await world.admit(a_viewer("mallory"))
    with pytest.raises(Unauthenticated):
        await world.streams.admit(address="a1", transport="websocket", ticket="A" * 22)
    with pytest.raises(InvalidRequest):
        await world.streams.admit(address="a1", transport="websocket", ticket="A")
    assert await world.store.count() == 0


async def test_limits_hold_and_are_given_back(world: World) -> None:
    clients = [await world.open(a_viewer("alice")) for _ in range(LIMITS.per_user)]
    with pytest.raises(RateLimited):
        await world.open(a_viewer("alice"), address="a2")
    await world.open()
    with pytest.raises(RateLimited):
        await world.open()
    world.streams.closed(clients[0])
    world.streams.closed(clients[0])
    await world.streams.flush()
    await world.open(a_viewer("alice"))


async def test_other_nodes_count_too(world: World) -> None:
    elsewhere = [replace(await world.admit(), id=str(n), node="n2") for n in range(3)]
    await world.streams.flush()
    await world.store.open(elsewhere)
    with pytest.raises(RateLimited):
        await world.open()


async def test_without_the_store_the_own_limits_hold(world: World) -> None:
    world.store.down = True
    clients = [await world.open() for _ in range(LIMITS.per_address)]
    with pytest.raises(RateLimited):
        await world.open()
    world.streams.closed(clients[0])
    await world.streams.flush()
    await world.open()


async def test_a_refused_or_failed_admission_leaves_no_count(world: World) -> None:
    async def fail(session: Session) -> Over:
        raise RuntimeError("a bug")

    good, world.streams._register = world.streams._register, fail
    for _ in range(LIMITS.per_address + 1):
        with pytest.raises(RuntimeError):
            await world.admit()
    world.streams._register = good
    world.streams.abandon(await world.admit())
    await world.streams.flush()
    assert await world.store.count() == 0
    assert not world.streams._per_address
    assert not world.streams._sessions


async def test_revoked_and_ended_sign_ins_are_closed(world: World) -> None:
    alice = await world.open(a_viewer("alice"))
    bob = await world.open(a_viewer("bob", expires_at=START + timedelta(seconds=10)))
    public = await world.open()
    world.streams.enforce()
    assert (alice.closed, bob.closed) == (None, None)
    world.revoked.users.add("alice")
    world.clock.seconds = 10
    world.streams.enforce()
    assert alice.closed is CloseCode.REVOKED
    assert bob.closed is CloseCode.SESSION_EXPIRED
    assert public.closed is None


async def test_who_is_revoked_between_ticket_and_stream_is_closed(world: World) -> None:
    session = await world.admit(a_viewer("alice"))
    world.revoked.users.add("alice")
    client = FakeClient()
    world.streams.begin(session, client, NEW)
    assert client.closed is CloseCode.REVOKED


class FakeRanks:
    def __init__(self) -> None:
        self.standings = {"alice": (3, 50)}
        self.down = False

    async def of(self, user_ids: object) -> dict[str, tuple[int, int]]:
        if self.down:
            raise Unavailable("down, as the test says")
        return self.standings


async def test_a_standing_is_sent_when_it_changed_and_could_be_sent(world: World) -> None:
    ranks = FakeRanks()
    standings = Standings(ranks, world.streams.viewers)
    one, two = await world.open(a_viewer("alice")), await world.open(a_viewer("alice"))
    two.writable = False
    await standings.tell()
    await standings.tell()
    standing = {"type": "standing", "rank": 3, "score": 50, "user_id": "alice"}
    assert (one.messages(), two.messages()) == ([standing], [])
    two.writable = True
    ranks.down = True
    with pytest.raises(Unavailable):
        await standings.tell()
    ranks.down = False
    await standings.tell()
    ranks.standings["alice"] = (2, 50)
    await standings.tell()
    assert [m["rank"] for m in one.messages()] == [m["rank"] for m in two.messages()] == [3, 2]
    world.streams.closed(one)
    await standings.tell()
    assert set(standings._told) == {two}
