"""Accounts and sessions, over HTTP on real servers."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.fakes_auth import AuthClient, running, set_environment

ALICE = {"login": "Alice", "password": "correct horse battery", "display_name": "Alice A."}


@pytest.fixture
async def auth(
    monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str
) -> AsyncGenerator[AuthClient]:
    set_environment(monkeypatch, database_url, redis_url)
    async with running() as client:
        yield client


async def register(auth: AuthClient) -> dict[str, Any]:
    answer = await auth.post("/api/auth/register", json=ALICE)
    assert answer.status_code == 201, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


async def refresh(auth: AuthClient, token: str) -> int:
    answer = await auth.post("/api/auth/refresh", json={"refresh_token": token})
    return answer.status_code


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_who_registers_is_signed_in(auth: AuthClient) -> None:
    tokens = await register(auth)

    verdict = await auth.judge(tokens["access_token"])
    assert verdict

    assert tokens["user_id"].startswith("u_")
    assert tokens["display_name"] == "Alice A."
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 900)
    assert verdict.user_id == tokens["user_id"]
    assert verdict.roles == ["player"]
    assert verdict.permissions == ["scores:read", "scores:write", "stream:own"]


async def test_a_login_is_the_same_in_any_case(auth: AuthClient) -> None:
    tokens = await register(auth)

    again = await auth.post("/api/auth/register", json=ALICE | {"login": "ALICE"})
    logged_in = await auth.post(
        "/api/auth/login", json={"login": "aLiCe", "password": ALICE["password"]}
    )

    assert again.status_code == 409
    assert logged_in.json()["user_id"] == tokens["user_id"]
    assert logged_in.headers["cache-control"] == "no-store"


async def test_an_unknown_login_and_a_wrong_password_look_the_same(auth: AuthClient) -> None:
    await register(auth)

    answers = [
        await auth.post("/api/auth/login", json={"login": login, "password": "not the password"})
        for login in ("alice", "nobody")
    ]

    assert [answer.status_code for answer in answers] == [401, 401]
    first, second = ({**answer.json(), "request_id": ""} for answer in answers)
    assert first == second


async def test_guessing_is_throttled_by_login(auth: AuthClient) -> None:
    await register(auth)
    guess = {"login": "alice", "password": "not the password"}

    answers = [await auth.post("/api/auth/login", json=guess) for _ in range(12)]
    right = await auth.post(
        "/api/auth/login", json={"login": "alice", "password": ALICE["password"]}
    )

    assert [answer.status_code for answer in answers].count(401) == 10
    assert answers[-1].status_code == right.status_code == 429
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 300


async def test_what_cannot_be_meant_is_refused(auth: AuthClient) -> None:
    wrong: list[dict[str, Any]] = [
        {"login": "al"},
        {"login": "al\u0000ice"},
        {"password": "short"},
        {"display_name": "Al\u202eice"},
        {"user_id": "u_" + "0" * 32},
        {"roles": ["admin"]},
    ]

    for one in wrong:
        answer = await auth.post("/api/auth/register", json=ALICE | one)

        assert answer.status_code == 422, one
        assert answer.headers["content-type"] == "application/problem+json"


async def test_half_a_character_is_refused(auth: AuthClient) -> None:
    body = b'{"login": "alice", "password": "correct horse", "display_name": "\\ud800"}'

    answer = await auth.post(
        "/api/auth/register", content=body, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == 422


async def test_a_user_renames_themselves(auth: AuthClient) -> None:
    tokens = await register(auth)
    mine = bearer(tokens["access_token"])

    changed = await auth.patch("/api/auth/me", json={"display_name": "Lady A"}, headers=mine)
    me = await auth.get("/api/auth/me", headers=mine)
    names = await auth.get(
        "/internal/names",
        params={"ids": f"{tokens['user_id']},u_unknown"},
        headers=await auth.as_service("gateway"),
    )

    assert changed.json() == me.json()
    assert me.json() == {
        "user_id": tokens["user_id"],
        "display_name": "Lady A",
        "roles": ["player"],
    }
    assert names.json() == {"names": {tokens["user_id"]: "Lady A"}}


async def test_a_refresh_token_is_good_once_and_its_reuse_ends_the_session(
    auth: AuthClient,
) -> None:
    first = await register(auth)
    answer = await auth.post("/api/auth/refresh", json={"refresh_token": first["refresh_token"]})
    second = answer.json()
    assert await auth.judge(second["access_token"])

    reuse = await refresh(auth, first["refresh_token"])

    assert reuse == 401
    assert await refresh(auth, second["refresh_token"]) == 401
    for tokens in (first, second):
        assert not await auth.judge(tokens["access_token"])


async def test_of_two_refreshes_at_once_one_wins_and_the_session_ends(auth: AuthClient) -> None:
    tokens = await register(auth)

    statuses = await asyncio.gather(*(refresh(auth, tokens["refresh_token"]) for _ in range(4)))

    assert sorted(statuses) == [200, 401, 401, 401]
    assert not await auth.judge(tokens["access_token"])


async def test_a_made_up_refresh_token_is_refused(auth: AuthClient) -> None:
    for token in ("", "x", "é" * 64, "A" * 64, "A" * 128):
        assert await refresh(auth, token) == 401, token


async def test_logging_out_ends_this_session_only(auth: AuthClient) -> None:
    here = await register(auth)
    credentials = {"login": "alice", "password": ALICE["password"]}
    there = (await auth.post("/api/auth/login", json=credentials)).json()

    answer = await auth.post("/api/auth/logout", headers=bearer(here["access_token"]))

    assert answer.status_code == 204
    assert not await auth.judge(here["access_token"])
    assert await refresh(auth, here["refresh_token"]) == 401
    assert await auth.judge(there["access_token"])


async def test_a_refresh_token_is_enough_to_log_out(auth: AuthClient) -> None:
    tokens = await register(auth)

    answer = await auth.post("/api/auth/logout", json={"refresh_token": tokens["refresh_token"]})

    assert answer.status_code == 204
    assert not await auth.judge(tokens["access_token"])


@pytest.mark.parametrize("how", [{"params": {"all": "true"}}, {"json": {"all": True}}])
async def test_logging_out_everywhere_is_seen_within_a_second(
    auth: AuthClient, how: dict[str, Any]
) -> None:
    tokens = await register(auth)
    credentials = {"login": "alice", "password": ALICE["password"]}
    other = (await auth.post("/api/auth/login", json=credentials)).json()

    await auth.post("/api/auth/logout", headers=bearer(other["access_token"]), **how)

    for ended in (tokens, other):
        assert not await auth.judge(ended["access_token"])
        assert await refresh(auth, ended["refresh_token"]) == 401
    # In the same second, and not taken for one of those that were ended.
    again = (await auth.post("/api/auth/login", json=credentials)).json()
    assert await auth.judge(again["access_token"])


async def test_registration_can_be_off(
    monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str
) -> None:
    set_environment(monkeypatch, database_url, redis_url, REGISTRATION_ENABLED="false")

    async with running() as auth:
        answer = await auth.post("/api/auth/register", json=ALICE)

    assert answer.status_code == 403


async def test_without_redis_people_still_sign_in_and_guessing_is_still_throttled(
    monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    set_environment(monkeypatch, database_url, "redis://127.0.0.1:1/0")
    guess = {"login": "alice", "password": "not the password"}

    async with running() as auth:
        await register(auth)
        statuses = [(await auth.post("/api/auth/login", json=guess)).status_code for _ in range(12)]

    assert statuses == [401] * 10 + [429] * 2


async def test_it_says_whether_it_is_ready(auth: AuthClient) -> None:
    assert (await auth.get("/readyz")).json() == {"status": "ok", "checks": {"postgresql": "ok"}}
