"""What every user store promises."""

from collections.abc import AsyncGenerator

import pytest

from libs.devstack import provision
from services.auth.domain.people import User
from services.auth.store.database import Database
from services.auth.store.users import PostgresUserStore
from services.auth.usecases.accounts import UserStore
from tests import servers
from tests.fakes_auth import MemoryUserStore

ALICE = User("u_alice", "alice", "Alice", "hash-a", frozenset({"player"}))
BOB = User("u_bob", "bob", "Bob", "hash-b", frozenset({"player", "ops"}))


@pytest.fixture(params=["memory", "postgres"])
async def users(request: pytest.FixtureRequest) -> AsyncGenerator[UserStore]:
    if request.param == "memory":
        yield MemoryUserStore()
        return
    url = request.getfixturevalue("database_url")
    database = Database(provision.with_login(url, provision.AUTH.role, servers.PASSWORD))
    yield PostgresUserStore(database)
    await database.close()


async def test_a_user_is_found_as_they_were_added(users: UserStore) -> None:
    assert await users.add(ALICE)
    assert await users.by_login("alice") == ALICE
    assert await users.by_ids(["u_alice"]) == [ALICE]


async def test_a_login_is_taken_once(users: UserStore) -> None:
    await users.add(ALICE)

    assert not await users.add(User("u_other", "alice", "Other", "hash", frozenset()))

    assert await users.by_login("alice") == ALICE
    assert await users.by_ids(["u_other"]) == []


async def test_unknown_users_are_left_out(users: UserStore) -> None:
    await users.add(ALICE)
    await users.add(BOB)

    found = await users.by_ids(["u_bob", "u_nobody", "u_alice"])

    assert {user.user_id for user in found} == {"u_alice", "u_bob"}
    assert await users.by_login("nobody") is None
    assert await users.by_ids([]) == []


async def test_a_change_touches_only_what_is_given(users: UserStore) -> None:
    await users.add(ALICE)

    renamed = await users.change("u_alice", display_name="Lady A")
    await users.change("u_alice", password_hash="hash-2")

    assert renamed is not None
    assert renamed.password_hash == "hash-a"
    assert await users.by_ids(["u_alice"]) == [
        User("u_alice", "alice", "Lady A", "hash-2", frozenset({"player"}))
    ]


async def test_nobody_cannot_be_changed(users: UserStore) -> None:
    assert await users.change("u_nobody", display_name="X") is None
