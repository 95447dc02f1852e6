"""What every store of revocations promises whoever judges tokens."""

from collections.abc import AsyncGenerator, Collection
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Protocol

import asyncpg
import pytest

from libs.devstack import provision
from services.auth.store.database import Database
from services.auth.store.revocations import PostgresRevocationStore, revoke_all
from services.auth.usecases.verdicts import Caller
from tests import servers
from tests.fakes_auth import MemoryRevocationStore

NOW = datetime(2026, 11, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


class Store(Protocol):
    async def add(
        self, user_id: str, jti: str, now: datetime, *, matters_until: datetime
    ) -> None: ...

    async def add_all(self, user_id: str, now: datetime) -> None: ...

    async def ended(self, callers: Collection[Caller]) -> Collection[Caller]: ...


class Postgres(PostgresRevocationStore):
    """The real one; what signs a user out everywhere is a part of other transactions."""

    async def add_all(self, user_id: str, now: datetime) -> None:
        async with self._database.transaction() as connection:
            await revoke_all(connection, user_id, now)


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncGenerator[Store]:
    if request.param == "memory":
        yield MemoryRevocationStore()
        return
    url = request.getfixturevalue("database_url")
    database = Database(provision.with_login(url, provision.AUTH.role, servers.PASSWORD))
    yield Postgres(database)
    await database.close()


def a_caller(user_id: str, jti: str, issued_at: datetime = NOW) -> Caller:
    return Caller(user_id, frozenset({"player"}), jti, "", issued_at, LATER)


async def test_one_question_says_of_each_what_a_question_of_its_own_says(store: Store) -> None:
    await store.add("alice", "one", NOW, matters_until=LATER)
    await store.add("bob", "two", NOW, matters_until=LATER)
    await store.add_all("carol", NOW)
    moments = [NOW + timedelta(microseconds=us) for us in (-1, 0, 1)]
    callers = [
        a_caller(user_id, jti, issued_at)
        for user_id, jti, issued_at in product(
            ("alice", "bob", "carol", "dave"), ("one", "two"), moments
        )
    ]

    ended = set(await store.ended(callers))

    assert ended == {
        caller
        for caller in callers
        if (caller.user_id, caller.jti) in {("alice", "one"), ("bob", "two")}
        or (caller.user_id == "carol" and caller.issued_at <= NOW)
    }
    for caller in callers:
        assert set(await store.ended([caller])) == ended & {caller}
    assert set(await store.ended(callers + callers[::-1])) == ended


async def test_nobody_is_nobody(store: Store) -> None:
    assert not await store.ended([])


async def test_who_is_banned_or_erased_ends_beside_others_who_do_not(database_url: str) -> None:
    admin = await asyncpg.connect(database_url)
    await admin.execute("INSERT INTO auth.ban (user_id, banned_at) VALUES ('alice', now())")
    await admin.execute("INSERT INTO auth.tombstone (user_id, erased_at) VALUES ('bob', now())")
    await admin.close()
    database = Database(provision.with_login(database_url, provision.AUTH.role, servers.PASSWORD))
    alice, bob, carol = (a_caller(user_id, "jti") for user_id in ("alice", "bob", "carol"))

    assert await PostgresRevocationStore(database).ended([carol, bob, alice]) == {alice, bob}

    await database.close()
