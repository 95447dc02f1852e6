"""The record of what was done to accounts."""

from collections.abc import AsyncGenerator

import asyncpg
import pytest

from libs.devstack import provision
from tests import servers
from tests.fakes_auth import running, set_environment
from tests.office import Office

WHY = {"reason": "bought points"}


@pytest.fixture
async def office(
    monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str
) -> AsyncGenerator[Office]:
    set_environment(monkeypatch, database_url, redis_url)
    async with running() as client:
        yield Office(client)


async def test_the_same_again_changes_nothing_and_is_not_recorded(office: Office) -> None:
    alice = await office.register("alice")
    other_words = {"reason": "once more"}
    await office.post(alice, "unban", WHY)
    await office.put(alice, "roles", {"roles": ["player"], **WHY})
    assert await office.statuses(office.signed_in[alice]) == {"token": 200, "refresh": 200}

    first = await office.post(alice, "ban", WHY)
    second = await office.post(alice, "ban", other_words)

    assert first.json() == second.json()
    assert [act["reason"] for act in await office.acts(user_id=alice)] == [WHY["reason"]]


async def test_an_act_and_its_record_are_both_or_neither(office: Office, database_url: str) -> None:
    alice = await office.register("alice")
    admin = await asyncpg.connect(database_url)
    await admin.execute("ALTER TABLE auth.audit ADD CHECK (action <> 'account.banned')")
    await admin.close()

    failed = await office.post(alice, "ban", WHY)

    assert failed.status_code == 500
    assert (await office.get(alice)).json()["banned"] is False
    assert await office.statuses(office.signed_in[alice]) == {"token": 200, "refresh": 200}


async def test_the_record_says_who_did_what_when_and_why(office: Office) -> None:
    alice = await office.register("alice")

    await office.put(alice, "roles", {"roles": ["ops"], "reason": "  joined\nus "})
    await office.post(alice, "ban", WHY)

    banned, changed = await office.acts()
    assert banned["id"] > changed["id"]
    assert (banned["action"], banned["detail"]) == ("account.banned", {})
    assert changed | {"id": 0, "at": ""} == {
        "id": 0,
        "at": "",
        "actor": "chief",
        "action": "account.roles_changed",
        "user_id": alice,
        "case_id": None,
        "reason": "joined us",
        "detail": {"before": ["player"], "after": ["ops"]},
    }


async def test_the_record_is_read_page_by_page(office: Office) -> None:
    alice, bob = await office.register("alice"), await office.register("bob")
    for user_id in (alice, bob, alice, alice):
        await office.post(user_id, "logout", WHY)

    first = await office.audit(user_id=alice, limit=2)
    second = await office.audit(user_id=alice, limit=2, before=first["next"])

    assert [act["user_id"] for act in first["acts"]] == [alice, alice]
    assert [act["user_id"] for act in second["acts"]] == [alice]
    assert second["next"] == ""
    everything = (await office.audit())["acts"]
    assert [act["user_id"] for act in everything] == [alice, alice, bob, alice]
    for wrong in ({"limit": 0}, {"limit": 101}, {"before": "x"}, {"since": 1}):
        assert (await office.ask("GET", "/api/admin/audit/accounts", params=wrong)).is_error


async def test_the_record_cannot_be_changed(office: Office, database_url: str) -> None:
    alice = await office.register("alice")
    await office.post(alice, "logout", WHY)
    login = provision.with_login(database_url, provision.AUTH.role, servers.PASSWORD)

    for url, refusal in (
        (login, (asyncpg.InsufficientPrivilegeError, asyncpg.RestrictViolationError)),
        (database_url, asyncpg.RestrictViolationError),
    ):
        connection = await asyncpg.connect(url)
        for statement in (
            "UPDATE auth.audit SET actor = 'somebody else'",
            "UPDATE auth.audit SET reason = ''",
            "UPDATE auth.audit SET reason = '', detail = '{}'",
            "DELETE FROM auth.audit",
            "TRUNCATE auth.audit",
        ):
            with pytest.raises(refusal):
                await connection.execute(statement)
        await connection.close()

    service = await asyncpg.connect(login)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute("DELETE FROM auth.tombstone")
    await service.close()
