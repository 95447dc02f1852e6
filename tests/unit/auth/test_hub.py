"""Long polls for revocations."""

import asyncio

from libs.common.clock import system_clock
from libs.common.contracts.identities import RevocationList
from services.auth.hub import MAX_LISTED, RevocationHub
from tests.fakes_auth import MemoryRevocationStore

NOW = system_clock.now()


async def a_hub(store: MemoryRevocationStore) -> tuple[RevocationHub, RevocationList]:
    hub = RevocationHub(store)
    await hub.look()
    known = await hub.after("", wait_seconds=0)
    assert known is not None
    return hub, known


async def test_everyone_who_waits_hears_the_whole_list() -> None:
    store = MemoryRevocationStore()
    hub, known = await a_hub(store)
    async with asyncio.TaskGroup() as tasks:
        polls = [tasks.create_task(hub.after(known.etag, wait_seconds=5)) for _ in range(3)]
        await asyncio.sleep(0)
        await store.add("alice", "j1", NOW, matters_until=NOW)
        await hub.look()

    for poll in polls:
        heard = poll.result()
        assert heard is not None
        assert [revocation.jti for revocation in heard.revocations] == ["j1"]


async def test_who_was_away_hears_at_once() -> None:
    store = MemoryRevocationStore()
    hub, known = await a_hub(store)
    await store.add("alice", "j1", NOW, matters_until=NOW)
    await hub.look()

    heard = await hub.after(known.etag, wait_seconds=5)

    assert heard is not None
    assert heard.etag != known.etag


async def test_a_change_that_changes_nothing_wakes_nobody() -> None:
    store = MemoryRevocationStore()
    await store.add("alice", "j1", NOW, matters_until=NOW)
    hub, known = await a_hub(store)
    await store.add("alice", "j1", NOW, matters_until=NOW)
    await hub.look()

    assert await hub.after(known.etag, wait_seconds=0.01) is None


async def test_two_replicas_give_the_same_list_the_same_name() -> None:
    store = MemoryRevocationStore()
    await store.add("alice", "j1", NOW, matters_until=NOW)

    (_, one), (_, other) = await a_hub(store), await a_hub(store)

    assert one == other


async def test_the_list_is_bounded_and_holds_the_newest() -> None:
    store = MemoryRevocationStore()
    for number in range(MAX_LISTED + 10):
        await store.add("alice", f"j{number}", NOW, matters_until=NOW)

    _, known = await a_hub(store)

    assert len(known.revocations) == MAX_LISTED
    assert known.revocations[0].jti == f"j{MAX_LISTED + 9}"


async def test_a_closing_hub_keeps_nobody() -> None:
    hub, known = await a_hub(MemoryRevocationStore())
    async with asyncio.timeout(2), asyncio.TaskGroup() as tasks:
        poll = tasks.create_task(hub.after(known.etag, wait_seconds=20))
        await asyncio.sleep(0)
        hub.close()

    assert poll.result() is None
    async with asyncio.timeout(2):
        assert await hub.after(known.etag, wait_seconds=20) is None
