"""Bans and signing others out, over HTTP; and what happens to who is just signing in."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import asyncpg
import httpx2
import pytest

from libs.common.clock import system_clock
from libs.devstack import provision
from services.auth.domain.people import User
from services.auth.store.database import Database
from services.auth.store.revocations import PostgresRevocationStore
from services.auth.store.sessions import PostgresSessionStore
from services.auth.store.users import PostgresUserStore
from services.auth.usecases.sessions import Grant
from services.auth.usecases.verdicts import Caller
from tests import servers
from tests.fakes_auth import running, set_environment
from tests.office import Office, locks_awaited

WHY = {"reason": "bought points"}


@pytest.fixture
async def office(
    monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str
) -> AsyncGenerator[Office]:
    set_environment(monkeypatch, database_url, redis_url)
    async with running() as client:
        yield Office(client)


async def test_who_is_banned_can_do_nothing(office: Office) -> None:
    alice = await office.register("alice")
    tokens = office.signed_in[alice]

    banned = await office.post(alice, "ban", WHY)

    assert banned.json()["banned"] is True
    assert await office.statuses(tokens) == {"token": 401, "refresh": 401}
    assert not await office.auth.judge(await office.auth.order_token(alice))
    me = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await office.auth.get("/api/auth/me", headers=me)).status_code == 401


async def test_only_who_proves_the_password_hears_of_the_ban(office: Office) -> None:
    alice = await office.register("alice")
    unknown = await office.log_in("nobody", "not the password")

    await office.post(alice, "ban", WHY)
    guessed = await office.log_in("alice", "not the password")
    proved = await office.log_in("alice")

    assert guessed.status_code == unknown.status_code == 401
    assert guessed.json() | {"request_id": ""} == unknown.json() | {"request_id": ""}
    assert (proved.status_code, proved.json()["detail"]) == (403, "this account is banned")


async def test_whose_ban_is_lifted_signs_in_again(office: Office) -> None:
    alice = await office.register("alice")
    await office.post(alice, "ban", WHY)

    lifted = await office.post(alice, "unban", WHY)

    assert lifted.json()["banned"] is False
    assert await office.statuses(office.signed_in[alice]) == {"token": 401, "refresh": 401}
    again = (await office.log_in("alice")).json()
    assert await office.statuses(again) == {"token": 200, "refresh": 200}


async def test_a_ban_binds_whoever_vouches_for_the_user(office: Office) -> None:
    before = await office.auth.order_token("auth0|5f7c")
    elsewhere = await office.auth.as_service("notification")

    banned = await office.post("auth0|5f7c", "ban", WHY)
    listed = await office.auth.get(
        "/internal/revocations", params={"wait": 5}, headers={**elsewhere, "If-None-Match": '""'}
    )

    assert banned.json() == {
        "user_id": "auth0|5f7c",
        "display_name": "",
        "roles": [],
        "banned": True,
        "created_at": None,
    }
    assert (await office.get("auth0|5f7c")).json() == banned.json()
    after = await office.auth.order_token("auth0|5f7c")
    for token in (before, after):
        assert not await office.auth.judge(token)
    assert await revoked(office, listed) == ["auth0|5f7c"]

    for _ in range(2):
        assert (await office.post("auth0|5f7c", "unban", WHY)).json()["banned"] is False
    fresh = await office.auth.order_token("auth0|5f7c")
    assert await office.auth.judge(fresh)
    assert not await office.auth.judge(before)


async def revoked(office: Office, listed: httpx2.Response) -> list[str]:
    """Whose tokens the list says have ended, once it says anything."""
    async with asyncio.timeout(5):
        while not listed.json()["revocations"]:
            await asyncio.sleep(0.05)
            headers = await office.auth.as_service("notification")
            listed = await office.auth.get("/internal/revocations", headers=headers)
    return [revocation["user_id"] for revocation in listed.json()["revocations"]]


@pytest.mark.parametrize("registered", [True, False])
async def test_signing_somebody_out_ends_all_they_have_and_no_more(
    office: Office, registered: bool
) -> None:
    alice = await office.register("alice") if registered else "auth0|5f7c"
    bob = await office.register("bob")
    token = await office.auth.order_token(alice)

    for _ in range(2):
        assert (await office.post(alice, "logout", WHY)).status_code == 204

    assert not await office.auth.judge(token)
    if registered:
        assert await office.statuses(office.signed_in[alice]) == {"token": 401, "refresh": 401}
    assert await office.statuses(office.signed_in[bob]) == {"token": 200, "refresh": 200}
    fresh = await office.auth.order_token(alice)
    assert await office.auth.judge(fresh)


@dataclass
class Race:
    """A user with one session, and a second hand on the database that can hold things up."""

    sessions: PostgresSessionStore
    revoked: PostgresRevocationStore
    admin: asyncpg.Connection


@pytest.fixture
async def race(database_url: str) -> AsyncGenerator[Race]:
    login = provision.with_login(database_url, provision.AUTH.role, servers.PASSWORD)
    database, admin = Database(login), await asyncpg.connect(database_url)
    await PostgresUserStore(database).add(User("u_a", "alice", "A", "hash", frozenset()))
    sessions = PostgresSessionStore(database, system_clock)
    assert await sessions.open("first", "u_a", a_grant(), keep=9)
    yield Race(sessions, PostgresRevocationStore(database), admin)
    await admin.close()
    await database.close()


def a_grant() -> Grant:
    now = system_clock.now()
    return Grant(b"x" * 32, now + timedelta(hours=1), uuid4().hex, now, now)


async def test_a_ban_beats_who_is_signing_in(race: Race) -> None:
    async with asyncio.TaskGroup() as tasks, race.admin.transaction():
        await race.admin.execute("SELECT FROM auth.user_account FOR UPDATE")
        opening = tasks.create_task(race.sessions.open("second", "u_a", a_grant(), keep=9))
        await locks_awaited(race.admin, 1)
        await race.admin.execute("INSERT INTO auth.ban VALUES ('u_a')")

    assert opening.result() is False
    assert await race.admin.fetchval("SELECT count(*) FROM auth.session") == 1


async def test_who_renews_while_being_signed_out_is_signed_out(race: Race) -> None:
    async with asyncio.TaskGroup() as tasks, race.admin.transaction():
        await race.admin.execute("SELECT FROM auth.session FOR UPDATE")
        tasks.create_task(race.sessions.end_all("u_a"))
        await locks_awaited(race.admin, 1)
        renewed_at = system_clock.now()

    renewed = Caller(
        user_id="u_a",
        roles=frozenset(),
        jti="the renewed token",
        session_id="",
        issued_at=renewed_at,
        expires_at=renewed_at,
    )
    assert await race.revoked.ended([renewed]) == {renewed}
    assert await race.admin.fetchval("SELECT count(*) FROM auth.session") == 0
