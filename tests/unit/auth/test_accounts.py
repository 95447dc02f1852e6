"""Registering and signing in, with everything in memory."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from argon2 import PasswordHasher as Argon2
from pwdlib.hashers.argon2 import Argon2Hasher

from libs.common.clock import system_clock
from libs.common.errors import Conflict, Forbidden, RateLimited, Unauthenticated, Unavailable
from libs.common.tokens import TokenType
from services.auth.credentials import passwords
from services.auth.credentials.passwords import Argon2Passwords
from services.auth.domain.people import User
from services.auth.usecases.accounts import Accounts
from services.auth.usecases.limits import LOGIN_PER_ACCOUNT, LOGIN_PER_ADDRESS
from services.auth.usecases.sessions import Sessions
from tests.fakes_auth import (
    MemoryRevocationStore,
    MemorySessionStore,
    MemoryThrottle,
    MemoryUserStore,
)

PASSWORD = "correct horse battery"
QUICK = Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1)


class Desk:
    """An `Accounts` and what it stands on."""

    def __init__(self, *, registration: bool = True) -> None:
        self.signed: list[Mapping[str, Any]] = []
        self.users = MemoryUserStore()
        self.throttle = MemoryThrottle()
        self.passwords = Argon2Passwords(QUICK)
        sessions = Sessions(
            MemorySessionStore(MemoryRevocationStore()),
            self.users,
            self._sign,
            self.throttle,
            system_clock,
            access_seconds=900,
            refresh_seconds=3600,
        )
        self.accounts = Accounts(
            self.users, sessions, self.passwords, self.throttle, registration=registration
        )

    def _sign(self, claims: Mapping[str, Any], token_type: TokenType) -> str:
        self.signed.append(claims)
        return f"{token_type} for {claims['sub']}"

    async def register(self, login: str = "alice", *, address: str = "192.0.2.1") -> str:
        signed_in = await self.accounts.register(
            login=login, password=PASSWORD, display_name=None, address=address
        )
        return signed_in.user.user_id

    async def log_in(
        self, login: str = "alice", password: str = PASSWORD, *, address: str = "192.0.2.1"
    ) -> str:
        signed_in = await self.accounts.log_in(login=login, password=password, address=address)
        return signed_in.user.user_id


async def test_who_registered_can_sign_in() -> None:
    desk = Desk()
    user_id = await desk.register()

    assert await desk.log_in() == user_id
    assert await desk.log_in(" ALICE ") == user_id


async def test_without_a_name_the_login_is_shown_but_no_mail_address() -> None:
    desk = Desk()

    user_id = await desk.register("alice@example.com")

    assert await desk.accounts.names([user_id, "u_unknown"]) == {user_id: "alice"}


async def test_ids_are_not_made_of_logins() -> None:
    desk = Desk()

    first, second = await desk.register("alice"), await desk.register("bob")

    assert first != second
    assert "alice" not in first


async def test_a_login_is_taken_once() -> None:
    desk = Desk()
    await desk.register()

    with pytest.raises(Conflict):
        await desk.register("Alice")


async def test_registration_may_be_off() -> None:
    with pytest.raises(Forbidden):
        await Desk(registration=False).register()


async def test_an_unknown_login_takes_a_hash_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    checked: list[str | None] = []
    check = desk.passwords.check

    async def noted(password: str, known: str | None) -> tuple[bool, str | None]:
        checked.append(known)
        return await check(password, known)

    monkeypatch.setattr(desk.passwords, "check", noted)

    with pytest.raises(Unauthenticated):
        await desk.log_in("nobody")
    assert checked == [None]


async def test_a_hash_of_old_parameters_is_renewed_at_login() -> None:
    desk = Desk()
    user_id = await desk.register()
    old = Argon2(time_cost=2, memory_cost=16, parallelism=1).hash(PASSWORD)
    await desk.users.change(user_id, password_hash=old)

    await desk.log_in()

    (user,) = await desk.users.by_ids([user_id])
    assert user.password_hash != old
    assert await desk.log_in() == user_id


async def test_a_token_has_the_roles_of_when_its_session_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()
    user_id = await desk.register()
    (user,) = await desk.users.by_ids([user_id])

    async def changed_meanwhile(_: Sequence[str]) -> list[User]:
        return [replace(user, roles=frozenset({"ops"}))]

    monkeypatch.setattr(desk.users, "by_ids", changed_meanwhile)
    await desk.log_in()

    assert desk.signed[-1]["roles"] == ["ops"]


async def test_guesses_are_counted_before_they_are_checked() -> None:
    desk = Desk()
    await desk.register()
    guesses = LOGIN_PER_ACCOUNT.attempts + 5

    results = await asyncio.gather(
        *(desk.log_in(password="wrong password") for _ in range(guesses)), return_exceptions=True
    )

    kinds = [type(result) for result in results]
    assert kinds.count(Unauthenticated) == LOGIN_PER_ACCOUNT.attempts
    assert kinds.count(RateLimited) == 5


async def test_who_signs_in_is_not_throttled_by_it() -> None:
    desk = Desk()
    await desk.register()

    for _ in range(LOGIN_PER_ACCOUNT.attempts + 1):
        await desk.log_in()


async def test_guessing_many_logins_is_throttled_by_address() -> None:
    desk = Desk()
    for number in range(LOGIN_PER_ADDRESS.attempts):
        with pytest.raises(Unauthenticated):
            await desk.log_in(f"user{number}")

    with pytest.raises(RateLimited):
        await desk.log_in("one-more")
    with pytest.raises(Unauthenticated):
        await desk.log_in("one-more", address="192.0.2.2")


async def test_few_hashes_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "MAX_WAITING", 3)
    hasher = Argon2Passwords()

    results = await asyncio.gather(
        *(hasher.hash(PASSWORD) for _ in range(8)), return_exceptions=True
    )

    assert sum(isinstance(result, Unavailable) for result in results) == 8 - 2 - 3
