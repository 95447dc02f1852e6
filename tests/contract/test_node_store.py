"""What a store of nodes and of the orders to them promises, held by the fake and the real one."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import pytest
from redis.asyncio import Redis

from libs.common.clock import system_clock
from libs.common.contracts.sessions import StreamSession
from libs.common.errors import Unavailable
from services.notification.store.connection import PREFIX, open_redis
from services.notification.store.nodes import SILENT_SECONDS, RedisNodes
from services.notification.store.sessions import RedisSessions
from services.notification.usecases.ports import Limits, NodeStore, Orders
from tests.embedded import free_port
from tests.notification_fakes import (
    START,
    ManualClock,
    MemoryNodes,
    MemorySessions,
    a_session,
)

LIMITS = Limits(per_user=5, per_address=9)
TTL_SECONDS = 60


@dataclass
class Store:
    sessions: Any
    nodes: NodeStore

    async def listed(self, session_id: str) -> StreamSession:
        found = await self.sessions.find(session_id)
        assert isinstance(found, StreamSession)
        return found


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncGenerator[Store, None]:
    if request.param == "memory":
        clock = ManualClock()
        memory = MemorySessions(LIMITS, clock, ttl_seconds=TTL_SECONDS)
        yield Store(memory, MemoryNodes(memory, clock))
        return
    redis = open_redis(request.getfixturevalue("redis_url"))
    yield Store(RedisSessions(redis, LIMITS, ttl_seconds=TTL_SECONDS), RedisNodes(redis))
    await redis.aclose()


def a_listed_session() -> StreamSession:
    return StreamSession(
        session_id="s1", user_id=None, node="n1", since=START, transport="sse", address="a1"
    )


async def test_a_node_is_listed_as_it_reported_last(store: Store) -> None:
    assert await store.nodes.listed() == []
    for node, sessions in (("n2", 1), ("n1", 2), ("n2", 3)):
        assert await store.nodes.report(node, sessions=sessions, draining=False) == Orders()
    found = [(n.node, n.sessions, n.draining) for n in await store.nodes.listed()]
    assert found == [("n1", 2, False), ("n2", 3, False)]


async def test_an_order_to_drain_is_for_one_node_and_stays(store: Store) -> None:
    for node in ("n1", "n2"):
        await store.nodes.report(node, sessions=0, draining=False)
    for _ in range(2):
        await store.nodes.order_drain("n1")
        assert [n.draining for n in await store.nodes.listed()] == [True, False]
        assert (await store.nodes.report("n1", sessions=0, draining=False)).drain
        assert not (await store.nodes.report("n2", sessions=0, draining=False)).drain


async def test_a_node_that_drains_by_itself_says_so(store: Store) -> None:
    await store.nodes.report("n1", sessions=0, draining=True)
    assert [n.draining for n in await store.nodes.listed()] == [True]


async def test_an_order_to_close_reaches_the_session_s_node_until_it_is_closed(
    store: Store,
) -> None:
    here, too, elsewhere = a_session(), a_session(), a_session(node="n2")
    await store.sessions.open([here, too, elsewhere])
    for session in (here, too, elsewhere):
        await store.nodes.order_close([await store.listed(session.id)])
    for _ in range(2):  # an answer may be lost
        orders = await store.nodes.report("n1", sessions=2, draining=False)
        assert orders == Orders(close=frozenset({here.id, too.id}))
    await store.sessions.keep([here])
    await store.sessions.close([too])
    orders = await store.nodes.report("n1", sessions=1, draining=False)
    assert orders == Orders(close=frozenset({here.id}))
    orders = await store.nodes.report("n2", sessions=1, draining=False)
    assert orders == Orders(close=frozenset({elsewhere.id}))


async def test_a_silent_node_is_not_listed_but_its_orders_wait(redis_url: str) -> None:
    redis = open_redis(redis_url)
    nodes = RedisNodes(redis)
    for node in ("n1", "n2"):
        await nodes.report(node, sessions=1, draining=False)
    await nodes.order_drain("n1")
    long_ago = (system_clock.now().timestamp() - SILENT_SECONDS - 2) * 1000
    await redis.zadd(f"{PREFIX}:nodes", {"n1": long_ago})
    assert [n.node for n in await nodes.listed()] == ["n2"]
    assert (await nodes.report("n1", sessions=1, draining=False)).drain
    await redis.aclose()


async def test_nothing_in_redis_stays_for_ever(redis_url: str) -> None:
    redis = open_redis(redis_url)
    sessions, nodes = RedisSessions(redis, LIMITS, ttl_seconds=TTL_SECONDS), RedisNodes(redis)
    session = a_session("alice")
    await sessions.open([session])
    await nodes.report("n1", sessions=1, draining=False)
    await nodes.order_close(await sessions.of_user("alice"))
    await nodes.order_drain("n2")
    async with Redis.from_url(redis_url, decode_responses=True) as other:
        keys = await other.keys("*")
        assert len(keys) == 9
        assert [key for key in keys if await other.ttl(key) < 0] == []
    await redis.aclose()


async def test_a_store_that_does_not_answer_says_so() -> None:
    redis = open_redis(f"redis://127.0.0.1:{free_port()}")
    nodes = RedisNodes(redis)
    for asking in (
        nodes.report("n1", sessions=0, draining=False),
        nodes.listed(),
        nodes.order_close([a_listed_session()]),
        nodes.order_drain("n1"),
    ):
        with pytest.raises(Unavailable):
            await asking
    await redis.aclose()
