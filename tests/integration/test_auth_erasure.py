"""What is kept of a person, and that nothing of it is left once they are erased."""

from collections.abc import AsyncGenerator

import asyncpg
import pytest

from libs.common.contracts.accounts import AccountExport
from tests.fakes_auth import running, set_environment
from tests.office import Office, dump

LOGIN = "zebulon.q@example.com"
NAME = "Zébulon Quux"
WISH = {"reason": "request 4711"}


@pytest.fixture
async def office(
    monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str
) -> AsyncGenerator[Office]:
    set_environment(monkeypatch, database_url, redis_url)
    async with running() as client:
        yield Office(client)


async def with_a_past(office: Office) -> str:
    """A registered user, signed in twice, of whom the audit speaks by name."""
    user_id = await office.register(LOGIN, NAME)
    await office.put(user_id, "roles", {"roles": ["player", "ops"], "reason": f"{NAME} joined us"})
    await office.post(user_id, "ban", {"reason": f"{LOGIN} left the company"})
    await office.post(user_id, "unban", {"reason": "Zébulon came back"})
    for _ in range(2):
        office.signed_in[user_id] = (await office.log_in(LOGIN)).json()
    return user_id


async def test_the_export_has_all_that_is_kept(office: Office) -> None:
    user_id = await with_a_past(office)

    answer = await office.ask("GET", f"/api/admin/users/{user_id}/account")

    export = AccountExport.model_validate(answer.json())
    account = (await office.get(user_id)).json()
    assert answer.json() == account | {"login": LOGIN, "acts": answer.json()["acts"]}
    assert export.display_name == NAME
    assert [(act.action, act.reason) for act in export.acts] == [
        ("account.unbanned", "Zébulon came back"),
        ("account.banned", f"{LOGIN} left the company"),
        ("account.roles_changed", f"{NAME} joined us"),
    ]


async def test_nothing_of_an_erased_person_is_left(office: Office, database_url: str) -> None:
    user_id = await with_a_past(office)
    traces = ("zebulon", "zébulon", "quux")
    kept = (await dump(database_url)).casefold()
    assert [trace for trace in traces if trace not in kept] == []

    erased = await office.delete(user_id, WISH)

    assert erased.status_code == 200
    left = (await dump(database_url)).casefold()
    assert [trace for trace in traces if trace in left] == []
    assert user_id in left


async def test_the_record_keeps_who_when_and_why(office: Office) -> None:
    user_id = await with_a_past(office)

    erased = (await office.delete(user_id, WISH)).json()

    acts = await office.acts(user_id=user_id)
    assert [(act["actor"], act["action"], act["reason"], act["detail"]) for act in acts] == [
        ("chief", "account.erased", WISH["reason"], {}),
        ("chief", "account.unbanned", "", {}),
        ("chief", "account.banned", "", {}),
        ("chief", "account.roles_changed", "", {}),
    ]
    assert acts[0]["at"][:16] == erased["erased_at"][:16]


async def test_to_erase_again_gives_the_same_answer(office: Office, database_url: str) -> None:
    user_id = await with_a_past(office)
    first = await office.delete(user_id, WISH)
    before = await dump(database_url)

    second = await office.delete(user_id, {"reason": f"{NAME} wrote again"})

    assert (second.status_code, second.json()) == (200, first.json())
    assert first.json()["user_id"] == user_id
    assert await dump(database_url) == before


async def test_whoever_was_erased_is_let_in_by_nobody(office: Office) -> None:
    user_id = await with_a_past(office)
    tokens = office.signed_in[user_id]
    unknown = await office.log_in("nobody")

    await office.delete(user_id, WISH)

    assert await office.statuses(tokens) == {"token": 401, "refresh": 401}
    assert not await office.auth.judge(await office.auth.order_token(user_id))
    login = await office.log_in(LOGIN)
    assert login.status_code == 401
    assert login.json() | {"request_id": ""} == unknown.json() | {"request_id": ""}
    names = await office.auth.get(
        "/internal/names", params={"ids": user_id}, headers=await office.auth.as_service("gateway")
    )
    assert names.json() == {"names": {}}


async def test_nothing_more_is_done_to_the_erased(office: Office, database_url: str) -> None:
    user_id = await with_a_past(office)
    await office.delete(user_id, WISH)
    before = await dump(database_url)

    answers = [
        await office.get(user_id),
        await office.ask("GET", f"/api/admin/users/{user_id}/account"),
        await office.put(user_id, "roles", {"roles": ["player"], **WISH}),
        *[await office.post(user_id, act, WISH) for act in ("ban", "unban", "logout")],
    ]

    assert {(answer.status_code, answer.json()["detail"]) for answer in answers} == {
        (404, "this user was erased")
    }
    assert await dump(database_url) == before


async def test_the_login_is_free_again_but_the_id_is_not(office: Office, database_url: str) -> None:
    user_id = await with_a_past(office)
    await office.delete(user_id, WISH)

    assert await office.register(LOGIN, NAME) != user_id

    admin = await asyncpg.connect(database_url)
    with pytest.raises(asyncpg.RestrictViolationError):
        await admin.execute(
            "INSERT INTO auth.user_account (user_id, login, display_name, password_hash, roles)"
            " VALUES ($1, 'other', 'Other', '', '{}')",
            user_id,
        )
    await admin.close()


async def test_of_a_user_of_another_issuer_the_words_are_forgotten(
    office: Office, database_url: str
) -> None:
    stranger = "auth0|5f7c"
    await office.post(stranger, "ban", {"reason": "zebulon again"})

    assert (await office.delete(stranger, WISH)).status_code == 200

    assert "zebulon" not in await dump(database_url)
    assert not await office.auth.judge(await office.auth.order_token(stranger))
