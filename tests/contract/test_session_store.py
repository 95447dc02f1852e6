"""What the stores of sessions and tickets promise, held by the fakes and the real ones."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from libs.common.contracts.sessions import StreamSession
from libs.common.errors import Unavailable
from services.notification.domain import new_session_id
from services.notification.store.connection import open_redis
from services.notification.store.sessions import RedisSessions
from services.notification.store.tickets import RedisTickets
from services.notification.usecases.ports import Limits, TicketStore
from tests.embedded import free_port
from tests.notification_fakes import (
    START,
    ManualClock,
    MemorySessions,
    MemoryTickets,
    a_session,
    a_viewer,
)

LIMITS = Limits(per_user=2, per_address=3)
TTL_SECONDS = 0.4


@dataclass
class Store:
    sessions: Any
    tickets: TicketStore
    wait: Callable[[float], Awaitable[None]]


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncGenerator[Store, None]:
    if request.param == "memory":
        clock = ManualClock()

        async def wait(seconds: float) -> None:
            clock.seconds += seconds

        yield Store(MemorySessions(LIMITS, clock, ttl_seconds=TTL_SECONDS), MemoryTickets(), wait)
        return
    redis = open_redis(request.getfixturevalue("redis_url"))
    sessions = RedisSessions(redis, LIMITS, ttl_seconds=TTL_SECONDS)
    yield Store(sessions, RedisTickets(redis), asyncio.sleep)
    await redis.aclose()


async def test_each_session_is_listed_with_its_user(store: Store) -> None:
    alice, public = a_session("alice", address="a1"), a_session(address="a2")
    assert await store.sessions.open([alice, public]) == ["", ""]
    assert await store.sessions.count() == 2
    expected = StreamSession(
        session_id=alice.id,
        user_id="alice",
        node="n1",
        address="a1",
        since=alice.since,
        transport="websocket",
    )
    assert await store.sessions.of_user("alice") == [expected]
    assert await store.sessions.of_user("bob") == []
    assert await store.sessions.find(alice.id) == expected
    found = await store.sessions.find(public.id)
    assert (found.session_id, found.user_id) == (public.id, None)
    assert await store.sessions.find("unknown") is None


async def test_all_sessions_come_in_pages_in_the_order_in_which_they_began(store: Store) -> None:
    sessions = [
        replace(
            a_session(f"u{n}", address=f"a{n}"), id=new_session_id(START + timedelta(seconds=n))
        )
        for n in range(5)
    ]
    ids = [session.id for session in sessions]
    await store.sessions.open(list(reversed(sessions)))
    first = await store.sessions.page(after="", limit=2)
    assert [s.session_id for s in first.sessions] == ids[:2]
    assert (first.total, first.next) == (5, ids[1])
    await store.sessions.close(sessions[1:3])  # the cursor need not be there any more
    second = await store.sessions.page(after=first.next, limit=2)
    assert [s.session_id for s in second.sessions] == ids[3:]
    assert (second.total, second.next) == (3, "")
    assert (await store.sessions.page(after=ids[-1], limit=2)).sessions == []


async def test_what_expired_is_on_no_page(store: Store) -> None:
    kept, lost = a_session(), a_session()
    await store.sessions.open([kept, lost])
    for _ in range(2):
        await store.wait(TTL_SECONDS * 0.6)
        await store.sessions.keep([kept])
    page = await store.sessions.page(after="", limit=1)
    assert [s.session_id for s in page.sessions] == [kept.id]
    assert (page.total, page.next) == (1, "")
    await store.wait(TTL_SECONDS * 1.1)
    page = await store.sessions.page(after="", limit=1)
    assert (page.total, page.sessions) == (0, [])


async def test_a_user_has_so_many_from_wherever(store: Store) -> None:
    sessions = [a_session("alice", address=f"a{n}", node=f"n{n}") for n in range(3)]
    assert await store.sessions.open(sessions) == ["", "", "user"]
    assert await store.sessions.open([a_session("bob")]) == [""]
    assert await store.sessions.count() == 3


async def test_an_address_has_so_many_whoever_they_are(store: Store) -> None:
    for user in ("", "alice", "bob"):
        assert await store.sessions.open([a_session(user)]) == [""]
    assert await store.sessions.open([a_session(), a_session("carol")]) == ["address"] * 2
    assert await store.sessions.open([a_session(address="a2")]) == [""]


async def test_opening_once_more_changes_nothing(store: Store) -> None:
    sessions = [a_session("alice") for _ in range(2)]
    for _ in range(2):
        assert await store.sessions.open(sessions) == ["", ""]
    assert await store.sessions.count() == 2


async def test_what_is_closed_no_longer_counts(store: Store) -> None:
    sessions = [a_session("alice", address=f"a{n}") for n in range(2)]
    await store.sessions.open(sessions)
    await store.sessions.close([sessions[0], a_session()])
    assert await store.sessions.count() == 1
    assert await store.sessions.open([a_session("alice")]) == [""]


async def test_what_is_not_kept_is_gone(store: Store) -> None:
    kept, lost = a_session("alice"), a_session("alice")
    await store.sessions.open([kept, lost])
    for _ in range(3):
        await store.wait(TTL_SECONDS / 2)
        await store.sessions.keep([kept])
    assert [s.session_id for s in await store.sessions.of_user("alice")] == [kept.id]
    assert await store.sessions.count() == 1
    assert await store.sessions.open([a_session("alice"), a_session("alice")]) == ["", "user"]


async def test_keeping_brings_back_what_was_forgotten_whatever_the_limits(store: Store) -> None:
    sessions = [a_session("alice") for _ in range(5)]
    await store.sessions.keep(sessions)
    assert await store.sessions.count() == 5
    assert await store.sessions.open([a_session("alice")]) == ["user"]


async def test_a_ticket_is_good_once(store: Store) -> None:
    viewer = a_viewer("alice")
    ticket, seconds = await store.tickets.issue(viewer)
    assert (len(ticket), seconds) == (22, 30)
    assert await store.tickets.redeem(ticket) == viewer
    assert await store.tickets.redeem(ticket) is None
    assert await store.tickets.redeem("A" * 22) is None


async def test_of_many_who_redeem_a_ticket_at_once_one_does(store: Store) -> None:
    ticket, _ = await store.tickets.issue(a_viewer())
    redeemed = await asyncio.gather(*(store.tickets.redeem(ticket) for _ in range(20)))
    assert sum(viewer is not None for viewer in redeemed) == 1


async def test_of_many_who_open_at_once_so_many_do_as_the_limit_says(store: Store) -> None:
    answers = await asyncio.gather(*(store.sessions.open([a_session()]) for _ in range(20)))
    assert sum(answer == [""] for answer in answers) == LIMITS.per_address


async def test_redis_holds_no_ticket_that_could_be_used(redis_url: str) -> None:
    redis = open_redis(redis_url)
    ticket, _ = await RedisTickets(redis).issue(a_viewer())
    async with Redis.from_url(redis_url, decode_responses=True) as other:
        (key,) = await other.keys("*")
        assert ticket not in key
        assert 0 < await other.ttl(key) <= 30
    await redis.aclose()


async def test_a_store_that_does_not_answer_says_so() -> None:
    redis = open_redis(f"redis://127.0.0.1:{free_port()}")
    sessions = RedisSessions(redis, LIMITS, ttl_seconds=TTL_SECONDS)
    for asking in (
        sessions.open([a_session()]),
        sessions.keep([a_session()]),
        sessions.close([a_session()]),
        sessions.page(after="", limit=1),
        sessions.find("x"),
        RedisTickets(redis).redeem("A" * 22),
    ):
        with pytest.raises(Unavailable):
            await asking
    await redis.aclose()
