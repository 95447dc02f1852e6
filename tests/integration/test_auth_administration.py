"""Looking after accounts over HTTP: who may see and do what."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import pytest

from libs.common.clock import system_clock
from libs.common.contracts.accounts import ManagedAccount
from tests.fakes_auth import running, set_environment
from tests.office import Office, dump, locks_awaited

WHY = {"reason": "bought points"}


@pytest.fixture
async def office(
    monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str
) -> AsyncGenerator[Office]:
    set_environment(monkeypatch, database_url, redis_url)
    async with running() as client:
        yield Office(client)


async def test_an_account_is_shown_to_those_who_look_after_it(office: Office) -> None:
    alice = await office.register("alice", "Alice A.")

    answer = await office.get(alice, by=("moderator",))

    account = ManagedAccount.model_validate(answer.json())
    assert answer.headers["cache-control"] == "no-store"
    assert (account.user_id, account.display_name) == (alice, "Alice A.")
    assert (account.roles, account.banned) == (["player"], False)
    assert account.created_at is not None
    assert abs((system_clock.now() - account.created_at).total_seconds()) < 60


async def test_new_roles_end_what_was_signed_in_with_the_old(office: Office) -> None:
    alice = await office.register("alice")
    before = office.signed_in[alice]

    changed = await office.put(alice, "roles", {"roles": ["player", "moderator"], **WHY})

    assert changed.json()["roles"] == ["moderator", "player"]
    assert await office.statuses(before) == {"token": 401, "refresh": 401}
    after = (await office.log_in("alice")).json()
    verdict = await office.auth.judge(after["access_token"])
    assert verdict
    assert verdict.roles == ["moderator", "player"]


async def test_nobody_acts_on_themselves(office: Office, database_url: str) -> None:
    before = await dump(database_url)
    chief = "chief"

    answers = [
        await office.post(chief, "ban", WHY),
        await office.put(chief, "roles", {"roles": [], **WHY}),
        await office.delete(chief, WHY),
    ]

    assert [answer.status_code for answer in answers] == [403] * 3
    assert {answer.json()["detail"] for answer in answers} == {
        "nobody does this to their own account"
    }
    assert await dump(database_url) == before


async def test_only_admins_make_admins_or_act_on_them(office: Office) -> None:
    alice, bob = await office.register("alice"), await office.register("bob")
    admin = {"roles": ["admin"], **WHY}

    assert (await office.put(alice, "roles", admin, by=("ops",))).status_code == 403
    assert (await office.put(alice, "roles", admin)).status_code == 200
    for act in ("ban", "logout"):
        assert (await office.post(alice, act, WHY, by=("ops",))).status_code == 403
    assert (await office.delete(alice, WHY, by=("ops",))).status_code == 403
    assert (await office.post(bob, "ban", WHY, by=("ops",))).status_code == 200


async def test_the_last_admin_stays_one(office: Office) -> None:
    alice, bob = await office.register("alice"), await office.register("bob")
    admin, player = {"roles": ["admin"], **WHY}, {"roles": ["player"], **WHY}
    await office.put(alice, "roles", admin)
    await office.put(bob, "roles", admin)
    await office.post(bob, "ban", WHY)  # who may not sign in does not count

    assert (await office.put(alice, "roles", player)).status_code == 409
    assert (await office.delete(alice, WHY)).status_code == 409
    assert (await office.get(alice)).json()["roles"] == ["admin"]

    await office.post(bob, "unban", WHY)
    assert (await office.put(alice, "roles", player)).status_code == 200


async def test_two_admins_cannot_take_the_role_from_each_other_at_once(
    office: Office, database_url: str
) -> None:
    ids = [await office.register(login) for login in ("alice", "bob")]
    for user_id in ids:
        await office.put(user_id, "roles", {"roles": ["admin"], **WHY})
    admin = await asyncpg.connect(database_url)

    # Neither can end before the other has begun.
    async with asyncio.TaskGroup() as tasks, admin.transaction():
        await admin.execute("SELECT FROM auth.user_account FOR UPDATE")
        demoting = [
            tasks.create_task(office.put(user_id, "roles", {"roles": [], **WHY})) for user_id in ids
        ]
        await locks_awaited(admin, 2)

    assert sorted(task.result().status_code for task in demoting) == [200, 409]
    await admin.close()


ACTS: list[tuple[str, str, dict[str, Any], set[str]]] = [
    ("GET", "/api/admin/users/{}", {}, {"moderator", "ops", "admin"}),
    ("GET", "/api/admin/users/{}/account", {}, {"moderator", "ops", "admin"}),
    ("GET", "/api/admin/audit/accounts", {}, {"moderator", "ops", "admin"}),
    ("PUT", "/api/admin/users/{}/roles", {"roles": ["ops"], **WHY}, {"ops", "admin"}),
    ("POST", "/api/admin/users/{}/ban", WHY, {"ops", "admin"}),
    ("POST", "/api/admin/users/{}/unban", WHY, {"ops", "admin"}),
    ("POST", "/api/admin/users/{}/logout", WHY, {"ops", "admin"}),
    ("DELETE", "/api/admin/users/{}", WHY, {"ops", "admin"}),
]


async def test_who_lacks_the_permission_changes_nothing(office: Office, database_url: str) -> None:
    alice = await office.register("alice")
    before = await dump(database_url)
    roles = ("player", "moderator", "ops", "game", "admin")

    for method, path, body, allowed in ACTS:
        nobody = await office.auth.request(method, path.format(alice), json=body)
        assert nobody.status_code == 401, path
        for role in set(roles) - allowed:
            answer = await office.ask(method, path.format(alice), by=(role,), json=body)
            assert answer.status_code == 403, (role, method, path)
    assert await dump(database_url) == before

    for method, path, body, allowed in ACTS:
        for role in sorted(allowed):
            answer = await office.ask(method, path.format(alice), by=(role,), json=body)
            assert answer.is_success, (role, method, path, answer.text)


NONSENSE: list[tuple[str, str, dict[str, Any], int]] = [
    ("GET", "nobody", {}, 404),
    ("GET", "nobody/account", {}, 404),
    ("PUT", "nobody/roles", {"roles": ["player"], **WHY}, 404),
    ("POST", "nobody/unban", WHY, 404),
    ("DELETE", "nobody", WHY, 404),
    ("POST", "u_00000000000000000000000000000000/logout", WHY, 404),
    ("GET", "with%20space", {}, 422),
    ("GET", "x" * 65, {}, 422),
    ("PUT", "{}/roles", {"roles": ["root"], **WHY}, 422),
    ("PUT", "{}/roles", {"roles": ["player"] * 9, **WHY}, 422),
    ("PUT", "{}/roles", {"roles": "ops", **WHY}, 422),
    ("PUT", "{}/roles", WHY, 422),
    ("PUT", "{}/roles", {"roles": ["ops"], "reason": " "}, 422),
    ("POST", "{}/ban", {}, 422),
    ("POST", "{}/ban", {"reason": ""}, 422),
    ("POST", "{}/ban", {"reason": " \n "}, 422),
    ("POST", "{}/ban", {"reason": "a\0b"}, 422),
    ("POST", "{}/ban", {"reason": "x" * 501}, 422),
    ("POST", "{}/ban", {"reason": 7}, 422),
    ("POST", "{}/ban", {**WHY, "until": "tomorrow"}, 422),
    ("POST", "{}/logout", {"reason": ""}, 422),
    ("DELETE", "{}", {}, 422),
    ("DELETE", "{}", {"reason": "as alice wished"}, 422),
]


async def test_what_cannot_be_meant_is_refused_and_changes_nothing(
    office: Office, database_url: str
) -> None:
    alice = await office.register("alice")
    before = await dump(database_url)

    for method, path, body, status in NONSENSE:
        answer = await office.ask(method, f"/api/admin/users/{path.format(alice)}", json=body)

        assert answer.status_code == status, (method, path, body)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]
    assert await dump(database_url) == before
